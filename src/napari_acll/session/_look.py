"""Looking at an animal before it is recorded: what is done then, and what is measured."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    AcllSettings,
    Backfill,
    Check,
    Detections,
    LabeledVolume,
    Light,
    MarkSettings,
    PublishMode,
    Volume,
    VolumeSpec,
)
from napari_acll.session._latest import Latest

BORDER_UM = 3.0
"""A nucleus whose center is nearer to the border than its own radius at most is cut by it."""
_GRID_UM = (0.54, 0.54, 0.54)
"""Sharpness is compared on the grid on which its limits were measured."""
_USUAL_SHARPNESS = 0.12
"""The least of volumes of random microscopes; those of the usual rig have 0.29."""
_SOME_SATURATED, _MUCH_SATURATED = 0.02, 0.5
"""From half on volumes are not labeled at all."""
_SOME_CUT, _MANY_CUT = 0.05, 0.2
_SIDES = ("first slice", "last slice", "first row", "last row", "first column", "last column")


def settings_to_look(settings: AcllSettings) -> AcllSettings:
    """Return the settings with which volumes are labeled and nothing else is done.

    Samples are not published, because whoever gets them takes them for an experiment; channels of
    marks are left alone, and nothing is labeled later.

    Parameters
    ----------
    settings : AcllSettings
        Those of the recording to come.
    """
    return settings.model_copy(
        update={
            "publish": settings.publish.model_copy(update={"mode": PublishMode.OFF}),
            "marks": MarkSettings(),
            "run": settings.run.model_copy(update={"backfill": Backfill.OFF}),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LookMeasures:
    """What one labeled volume says about the picture.

    Parameters
    ----------
    index : int
        Number of the volume.
    sharpness : float
        How fast the marker channel changes in plane, 0 (not at all) to 1: the part of the
        covariance of neighbors that is lost three voxels of 0.54 um apart. NaN if the volume is
        too small to tell.
    best_sharpness : float
        The largest since the look began.
    saturated_share : float
        Of the brightest 700 um3 of the marker channel, the part that has the highest count of the
        volume, 0 to 1.
    n_detected, n_named : int
        Nuclei, and those that have a name.
    cut_shares : mapping of str to float
        For each side of the crop the part of the nuclei within `BORDER_UM` of it.
    why_not : str
        Why the volume could not be labeled, empty if it could.
    """

    index: int
    sharpness: float
    best_sharpness: float
    saturated_share: float
    n_detected: int
    n_named: int
    cut_shares: Mapping[str, float]
    why_not: str = ""

    def checks(self) -> list[Check]:
        """Return the measures as one line each, with what to do where it is needed."""
        return [_focus(self), _saturation(self), _names(self), _crop(self)]


class LookMeter:
    """Measures labeled volumes, each once, and remembers the sharpest."""

    def __init__(self) -> None:
        self._index: int | None = None
        self._best = math.nan
        self._newest: LookMeasures | None = None

    def look(self, newest: Latest | None) -> LookMeasures | None:
        """Return the measures of the newest volume, None before the first.

        Parameters
        ----------
        newest : Latest, optional
            What `Session.latest` returns.
        """
        if newest is not None and newest.volume.index != self._index:
            self._index = newest.volume.index
            self._newest = self._measured(newest.volume, newest.labeled)
        return self._newest

    def _measured(self, volume: Volume, labeled: LabeledVolume) -> LookMeasures:
        from napari_acll.label import prepare, saturated_share, sharpness

        prepared = prepare(
            volume.marker,
            background=volume.marker_background,
            voxel_um=volume.spec.voxel_size_um,
            model_um=_GRID_UM,
        )
        sharp = sharpness(prepared)
        self._best = float(np.fmax(self._best, sharp))
        return LookMeasures(
            index=volume.index,
            sharpness=sharp,
            best_sharpness=self._best,
            saturated_share=saturated_share(prepared),
            n_detected=len(labeled.detections),
            n_named=int((labeled.detections.neuron > 0).sum()),
            cut_shares=cut_shares(labeled.detections, labeled.spec),
            why_not="" if labeled.is_labelable else labeled.why_not,
        )


def cut_shares(detections: Detections, spec: VolumeSpec) -> dict[str, float]:
    """Return the part of the nuclei that lie at each side of a crop.

    Parameters
    ----------
    detections : Detections
        The nuclei of one volume.
    spec : VolumeSpec
        Its geometry after the crop.

    Returns
    -------
    dict of str to float
        `first slice` to `last column`: the part of the centers within `BORDER_UM` of that side; 0
        where there are no nuclei.
    """
    if not len(detections):
        return dict.fromkeys(_SIDES, 0.0)
    voxel_um = np.asarray(spec.voxel_size_um)
    to_first_um = (detections.centroid_px + 0.5) * voxel_um
    to_last_um = np.asarray(spec.shape) * voxel_um - to_first_um
    near: NDArray[np.bool_] = np.stack([to_first_um, to_last_um], axis=2) < BORDER_UM
    shares = near.mean(axis=0).ravel()
    return {side: float(share) for side, share in zip(_SIDES, shares, strict=True)}


def _focus(found: LookMeasures) -> Check:
    from napari_acll.label import LEAST_SHARPNESS

    if math.isnan(found.sharpness):
        sentence = "The volume is too small to tell."
        return Check(name="Focus", light=Light.AMBER, sentence=sentence)
    text = f"sharpness {found.sharpness:.2f}, best so far {found.best_sharpness:.2f}"
    if found.sharpness < LEAST_SHARPNESS:
        sentence = f"Out of focus, or too dim: {text}; volumes like this get no names."
        return Check(name="Focus", light=Light.RED, sentence=sentence)
    if found.sharpness < _USUAL_SHARPNESS:
        sentence = f"Soft: {text}; move the focus and look for the largest value."
        return Check(name="Focus", light=Light.AMBER, sentence=sentence)
    return Check(name="Focus", light=Light.GREEN, sentence=f"{text[:1].upper()}{text[1:]}.")


def _saturation(found: LookMeasures) -> Check:
    text = f"{found.saturated_share:.1%} of the brightest voxels are saturated"
    if found.saturated_share <= _SOME_SATURATED:
        return Check(name="Saturation", light=Light.GREEN, sentence=f"{text}.")
    is_much = found.saturated_share > _MUCH_SATURATED
    return Check(
        name="Saturation",
        light=Light.RED if is_much else Light.AMBER,
        sentence=f"{text}; use less light or exposure for the marker channel.",
    )


def _names(found: LookMeasures) -> Check:
    text = f"{found.n_named} of {found.n_detected} nuclei are named"
    if found.why_not:
        return Check(name="Names", light=Light.RED, sentence=f"{text}: {found.why_not}")
    light = Light.GREEN if found.n_named else Light.AMBER
    return Check(name="Names", light=light, sentence=f"{text}.")


def _crop(found: LookMeasures) -> Check:
    if not found.n_detected:
        sentence = "No nuclei were found, so nobody knows where the animal is."
        return Check(name="Crop", light=Light.AMBER, sentence=sentence)
    side = max(found.cut_shares, key=lambda side: found.cut_shares[side])
    share = found.cut_shares[side]
    if share < _SOME_CUT:
        return Check(name="Crop", light=Light.GREEN, sentence="The head is inside the crop.")
    return Check(
        name="Crop",
        light=Light.RED if share >= _MANY_CUT else Light.AMBER,
        sentence=(
            f"{share:.0%} of the nuclei lie at the {side}: move the stage, or widen the crop."
        ),
    )
