"""Calibration of the channel alignment on the first usable volumes of a recording."""

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    AlignmentOrigin,
    AlignmentSettings,
    ChannelAlignment,
    Volume,
    VolumeArray,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.preprocess._alignment_findings import ScoreProfile, UnusedVolume, VolumeEstimate
from napari_acll.preprocess._alignment_images import slab_images, why_unusable
from napari_acll.preprocess._alignment_patches import (
    MIN_NUCLEI,
    PatchPairs,
    RefinedAlignment,
    patch_pairs,
    refine,
    score,
)
from napari_acll.preprocess._alignment_search import (
    ROTATION_STEP_DEG,
    SearchSurface,
    mean_surface,
    search_surface,
)

_log = logging.getLogger(__name__)

# On simulated pairs unrelated channels stay below 4 and the right shift stands 9 to 30 above.
MIN_DISTINCTNESS = 5.0


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What one volume says; a few MB instead of the volume."""

    surface: SearchSurface
    pairs: PatchPairs

    @cached_property
    def alone(self) -> RefinedAlignment | None:
        """The alignment of this volume, from its own search."""
        return refine([self.pairs], self.surface.best())


class AlignmentCalibrator:
    """Estimates the channel alignment from the first usable volumes, jointly.

    Volumes are not held: each leaves a small search surface, patches around its nuclei and the
    part of its activity channel that they may lie in (about 2 MB).

    Parameters
    ----------
    spec : VolumeSpec
        The volumes to come, after preprocessing.
    settings : AlignmentSettings
        How many volumes, how far to search, what to trust.
    """

    def __init__(self, spec: VolumeSpec, settings: AlignmentSettings) -> None:
        self._grid = spec.grid
        self._settings = settings
        self._evidence: list[_Evidence] = []
        self._indices: list[int] = []
        self._unused: list[UnusedVolume] = []

    @property
    def n_usable(self) -> int:
        """Volumes that count."""
        return len(self._evidence)

    @property
    def n_seen(self) -> int:
        """Volumes that were added."""
        return len(self._evidence) + len(self._unused)

    @property
    def unused(self) -> tuple[UnusedVolume, ...]:
        """Volumes that do not count, and why."""
        return tuple(self._unused)

    @property
    def is_done(self) -> bool:
        """Whether there are enough usable volumes, or no more are waited for."""
        settings = self._settings
        return self.n_usable >= settings.n_volumes or self.n_seen >= settings.max_wait_volumes

    def add(self, volume: Volume) -> None:
        """Take what one volume says; nothing once the calibration is done.

        Parameters
        ----------
        volume : Volume
            On the grid of the spec, in any order.
        """
        if self.is_done:
            return
        evidence = _evidence(
            volume.marker, volume.activity, grid=self._grid, settings=self._settings
        )
        if isinstance(evidence, str):
            self._unused.append(UnusedVolume(index=volume.index, reason=evidence))
            _log.info("Volume %d is not used for the alignment: %s", volume.index, evidence)
        else:
            self._evidence.append(evidence)
            self._indices.append(volume.index)
        self.__dict__.pop("_result", None)

    def result(self) -> ChannelAlignment:
        """Return the alignment that fits all usable volumes so far.

        Returns
        -------
        ChannelAlignment
            Its `is_trusted` is False and its `note` says why where it failed a check: too few
            usable volumes, flat or low agreement, volumes that disagree. Use `settle_alignment`
            to fall back on the last one of the rig.
        """
        return self._result

    def estimates(self) -> tuple[VolumeEstimate, ...]:
        """Return what each usable volume says by itself, in the order in which they came."""
        return tuple(
            VolumeEstimate(index=index, alignment=one.alone.alignment if one.alone else None)
            for index, one in zip(self._indices, self._evidence, strict=True)
        )

    def score_of(self, alignment: ChannelAlignment) -> float | None:
        """Return how well the channels agree under any alignment; about 2 ms for each volume.

        Parameters
        ----------
        alignment : ChannelAlignment
            Such as one that was moved by hand.

        Returns
        -------
        float or None
            As `ChannelAlignment.score`; None without usable volumes.
        """
        if not self._evidence:
            return None
        found = score([one.pairs for one in self._evidence], alignment)
        return float(np.clip(found, 0, 1))

    def score_profile(
        self, alignment: ChannelAlignment, *, reach_um: float = 1.5, n_steps: int = 13
    ) -> ScoreProfile | None:
        """Return how the score falls off around an alignment: one clear top is a good sign.

        Parameters
        ----------
        alignment : ChannelAlignment
            The middle of the profile.
        reach_um : float
            Largest shift, in um; within 1.5 um a nucleus still overlaps with itself.
        n_steps : int
            Number of shifts along each axis.

        Returns
        -------
        ScoreProfile or None
            None without usable volumes.
        """
        if not self._evidence:
            return None
        offset_um = np.linspace(-reach_um, reach_um, n_steps)
        along = [
            [self.score_of(_shifted(alignment, y, x)) or 0.0 for y, x in shifts]
            for shifts in (((o, 0.0) for o in offset_um), ((0.0, o) for o in offset_um))
        ]
        return ScoreProfile(
            offset_um=offset_um, along_y=np.array(along[0]), along_x=np.array(along[1])
        )

    @cached_property
    def _result(self) -> ChannelAlignment:
        settings = self._settings
        if settings.n_volumes == 0:
            return ChannelAlignment.identity("Calibration is switched off (n_volumes is 0).")
        if not self._evidence:
            return ChannelAlignment.identity(self._why_too_few())
        combined = _combined(self._evidence, self._grid, settings)
        if combined.is_trusted and self.n_usable < settings.n_volumes:
            return combined.model_copy(update={"is_trusted": False, "note": self._why_too_few()})
        return combined

    def _why_too_few(self) -> str:
        text = (
            f"Only {self.n_usable} of {self.n_seen} volumes could be used for the alignment,"
            f" {self._settings.n_volumes} are needed"
        )
        reasons = sorted({unused.reason for unused in self._unused})
        return f"{text}: {'; '.join(reasons[:3])}." if reasons else f"{text}."


def estimate_alignment(
    marker: VolumeArray, activity: VolumeArray, *, grid: VoxelGrid, settings: AlignmentSettings
) -> ChannelAlignment:
    """Return the alignment of one volume.

    Parameters
    ----------
    marker, activity : ndarray of unsigned int, shape (Z, Y, X)
        Raw counts of both channels; background need not be subtracted.
    grid : VoxelGrid
        Geometry of both.
    settings : AlignmentSettings
        How far to search and what to trust.

    Returns
    -------
    ChannelAlignment
        Without a spread. Not trusted, with a note, where the volume tells nothing.
    """
    evidence = _evidence(marker, activity, grid=grid, settings=settings)
    if isinstance(evidence, str):
        return ChannelAlignment.identity(f"The volume cannot be aligned: {evidence}.")
    return _combined([evidence], grid, settings)


def _evidence(
    marker: VolumeArray, activity: VolumeArray, *, grid: VoxelGrid, settings: AlignmentSettings
) -> _Evidence | str:
    """Return what one volume says, or why it says nothing."""
    marker_slabs = slab_images(marker, grid=grid)
    activity_slabs = slab_images(activity, grid=grid)
    if reason := why_unusable(marker_slabs, activity_slabs):
        return reason
    surface = search_surface(
        marker_slabs,
        activity_slabs,
        max_shift_um=settings.max_shift_um,
        max_rotation_deg=settings.max_rotation_deg,
    )
    margin_um = settings.max_shift_um + _rotation_reach_um(grid, settings) + 4.0
    pairs = patch_pairs(marker_slabs, activity_slabs, margin_um=margin_um)
    if len(pairs.slab) < MIN_NUCLEI:
        return f"{len(pairs.slab)} nuclei lie inside of the frame, {MIN_NUCLEI} are needed"
    return _Evidence(surface=surface, pairs=pairs)


def _rotation_reach_um(grid: VoxelGrid, settings: AlignmentSettings) -> float:
    _, height, width = grid.shape
    _, size_y, size_x = grid.voxel_size_um
    half_diagonal = np.hypot(height * size_y, width * size_x) / 2
    return float(half_diagonal * np.sin(np.deg2rad(settings.max_rotation_deg)))


def _combined(
    evidence: list[_Evidence], grid: VoxelGrid, settings: AlignmentSettings
) -> ChannelAlignment:
    """Return the joint alignment of all volumes, checked."""
    surface = mean_surface([one.surface for one in evidence])
    joint = refine([one.pairs for one in evidence], surface.best())
    n_volumes = len(evidence)
    if joint is None:
        note = f"Fewer than {MIN_NUCLEI} nuclei of the two channels agree on any alignment."
        return ChannelAlignment.identity(note).model_copy(update={"n_volumes": n_volumes})
    spread_um = _spread_um(evidence, joint.alignment, grid, settings) if n_volumes > 1 else None
    note = _why_untrusted(surface, joint, spread_um, grid, settings)
    return joint.alignment.model_copy(
        update={
            "score": float(np.clip(joint.score, 0, 1)),
            "spread_um": spread_um,
            "n_volumes": n_volumes,
            "origin": AlignmentOrigin.CALIBRATED,
            "is_trusted": not note,
            "note": note,
        }
    )


def _why_untrusted(
    surface: SearchSurface,
    joint: RefinedAlignment,
    spread_um: float | None,
    grid: VoxelGrid,
    settings: AlignmentSettings,
) -> str:
    """Return the first check that an estimate fails; empty if it passes all."""
    if joint.score < settings.min_score:
        return (
            f"The channels agree too little: score {joint.score:.2f}, needed {settings.min_score}."
        )
    if (distinct := surface.distinctness()) < MIN_DISTINCTNESS:
        return (
            f"No shift fits clearly better than others: the best stands {distinct:.1f} deviations"
            f" above the rest, needed {MIN_DISTINCTNESS:g}."
        )
    if surface.is_at_edge() or _is_beyond(joint.alignment, grid, settings):
        return (
            f"The best fit lies beyond the search ({settings.max_shift_um:g} um,"
            f" {settings.max_rotation_deg:g} degrees)."
        )
    limit_um = settings.max_spread_px * max(grid.voxel_size_um[1:])
    if spread_um is not None and spread_um > limit_um:
        return f"The volumes disagree by {spread_um:.2f} um, allowed are {limit_um:.2f} um."
    return ""


def _is_beyond(alignment: ChannelAlignment, grid: VoxelGrid, settings: AlignmentSettings) -> bool:
    """Whether the middle of the images moves, or they turn, by more than was searched."""
    _, height, width = grid.shape
    y, x = np.array((height - 1) / 2), np.array((width - 1) / 2)
    at_y, at_x = alignment.to_activity_px(y, x, grid=grid)
    _, size_y, size_x = grid.voxel_size_um
    shift_um = max(abs(float(at_y - y)) * size_y, abs(float(at_x - x)) * size_x)
    turn_deg = abs(alignment.theta_deg) - ROTATION_STEP_DEG
    return shift_um > settings.max_shift_um or turn_deg > settings.max_rotation_deg


def _spread_um(
    evidence: list[_Evidence],
    joint: ChannelAlignment,
    grid: VoxelGrid,
    settings: AlignmentSettings,
) -> float:
    """Return the median over volumes of the largest distance from the joint alignment, in um.

    Each volume is aligned from its own search. One that finds nothing counts as twice the
    largest shift: an infinite distance could not be written to JSON.
    """
    wanted = _corners_um(joint, grid)
    distances = []
    for one in evidence:
        if one.alone is None:
            distances.append(2 * settings.max_shift_um)
        else:
            away = _corners_um(one.alone.alignment, grid) - wanted
            distances.append(float(np.hypot(*away).max()))
    return float(np.median(distances))


def _corners_um(alignment: ChannelAlignment, grid: VoxelGrid) -> NDArray[np.float64]:
    """Return where the corners of the frame lie in the activity channel, `(2, 4)` in um."""
    _, height, width = grid.shape
    _, size_y, size_x = grid.voxel_size_um
    y = np.array([0, 0, height - 1, height - 1], np.float64)
    x = np.array([0, width - 1, 0, width - 1], np.float64)
    at_y, at_x = alignment.to_activity_px(y, x, grid=grid)
    return np.stack([at_y * size_y, at_x * size_x])


def _shifted(alignment: ChannelAlignment, y_um: float, x_um: float) -> ChannelAlignment:
    moved = {"dy_um": alignment.dy_um + y_um, "dx_um": alignment.dx_um + x_um}
    return alignment.model_copy(update=moved)
