"""The volumes of the benchmark: made once, kept in a folder, the same for every model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmark_animals import LISTED, NAMELESS, UNLISTED, Completer, Head, animals_of
from benchmark_cases import Case
from numpy.typing import NDArray
from other_renderer import render
from other_worm import Rig

from napari_acll.core import ChannelAlignment, Volume, VolumeSpec, VoxelGrid
from napari_acll.simulate import (
    Anatomy,
    AnimalShape,
    MotionSettings,
    OpticsSettings,
    Truth,
    WormSettings,
)
from napari_acll.training import RenderedVolume, render_shape

_VOXEL_UM = 0.54


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenchmarkVolume:
    """One volume, its truth, and what each nucleus is.

    Parameters
    ----------
    case : Case
        Where it comes from.
    rendered : RenderedVolume
        Volume and truth; the masks are empty.
    kind : ndarray of int8, shape (n,)
        Of each nucleus, see `benchmark_animals`.
    """

    case: Case
    rendered: RenderedVolume
    kind: NDArray[np.int8]


class Bench:
    """Makes the volumes of cases, or takes them from the folder where they lie already.

    Parameters
    ----------
    data : Path, optional
        Folder of the real data; without it there are only simulated animals.
    cache : Path, optional
        Folder to keep volumes in.
    """

    def __init__(self, data: Path | None, cache: Path | None) -> None:
        self._cache = cache
        self._anatomy = Anatomy.load()
        self._animals = animals_of(data) if data else {}
        self._completer = Completer.from_data(data) if data else None
        if cache:
            cache.mkdir(parents=True, exist_ok=True)

    @property
    def anatomy(self) -> Anatomy:
        """The anatomy of the own renderer, which the baselines use as their atlas."""
        return self._anatomy

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Lab and name of the real animals, in the order of the table."""
        return list(self._animals)

    def volumes(self, cases: Sequence[Case]) -> Iterator[BenchmarkVolume]:
        """Yield the volume of each case."""
        for case in cases:
            yield self.volume(case)

    def volume(self, case: Case) -> BenchmarkVolume:
        """Return the volume of one case."""
        path = self._cache / f"{case.digest()}.npz" if self._cache else None
        if path and path.is_file():
            return _load(path, case)
        made = self._make(case)
        if path:
            _save(path, made)
            return _load(path, case)
        return made

    def _make(self, case: Case) -> BenchmarkVolume:
        rng = np.random.default_rng(case.seed)
        if case.flavor == "simulated":
            shape = self._anatomy.sample(rng)
            return _rendered_by_own(case, shape, rng)
        head = self._head(case, rng)
        if case.renderer == "other":
            return BenchmarkVolume(
                case=case, rendered=render(head, _rig(case), rng), kind=head.kind
            )
        return _rendered_by_own(case, self._shape(head, rng), rng, kind=head.kind)

    def _head(self, case: Case, rng: np.random.Generator) -> Head:
        if self._completer is None:
            raise ValueError(f"Expected the real data for {case.animal}; give --data.")
        lab, _, animal = case.animal.partition("/")
        head = self._completer.complete(self._animals[lab, animal], case.flavor, rng)
        return head.without(case.absent, rng) if case.absent else head

    def _shape(self, head: Head, rng: np.random.Generator) -> AnimalShape:
        shape = AnimalShape.from_positions(
            head.names, head.position_um, anatomy=self._anatomy, rng=rng, n_nuclei=len(head)
        )
        return replace(shape, is_listed=head.kind == LISTED)


def _rig(case: Case) -> Rig:
    return Rig(
        shape=case.shape,
        voxel_um=_VOXEL_UM,
        light=case.light,
        motion=case.motion,
        shear=case.shear,
        n_missing_slices=case.n_missing_slices,
        brightness_by_name=case.brightness_by_name,
        blur=case.blur,
        tissue=case.tissue,
        nucleus_size=case.nucleus_size,
        has_activity=False,
    )


def _rendered_by_own(
    case: Case,
    shape: AnimalShape,
    rng: np.random.Generator,
    *,
    kind: NDArray[np.int8] | None = None,
) -> BenchmarkVolume:
    rendered = render_shape(shape, _own_settings(case), seed=int(rng.integers(2**31)))
    if case.n_missing_slices:
        rendered = replace(rendered, volume=_without_slices(rendered.volume, case, rng))
    if kind is None:
        has_name = np.array([bool(name) for name in rendered.truth.names])
        kind = np.where(has_name, UNLISTED, NAMELESS).astype(np.int8)
        kind[rendered.truth.is_listed & has_name] = LISTED
    return BenchmarkVolume(case=case, rendered=rendered, kind=kind)


def _own_settings(case: Case) -> WormSettings:
    optics, motion = OpticsSettings(), MotionSettings()
    light = {
        name: getattr(optics, name) * case.light
        for name in (
            "marker_counts",
            "activity_counts",
            "background_counts",
            "autofluorescence_counts",
        )
    }
    return WormSettings(
        grid=VoxelGrid.as_stored(case.shape, (_VOXEL_UM,) * 3),
        n_volumes=1,
        optics=replace(optics, **light),
        motion=replace(
            motion,
            frequency_hz=motion.frequency_hz * case.motion,
            jitter_hz=motion.jitter_hz * case.motion,
            jitter_um=motion.jitter_um * case.shear,
        ),
    )


def _without_slices(volume: Volume, case: Case, rng: np.random.Generator) -> Volume:
    """Return a volume some slices of which were never stored."""
    lost = rng.permutation(len(volume.marker))[: case.n_missing_slices]
    marker = volume.marker.copy()
    marker[lost] = 0
    return replace(volume, marker=marker, missing_z=tuple(sorted(int(z) for z in lost)))


def _save(path: Path, made: BenchmarkVolume) -> None:
    truth = made.rendered.truth
    part = path.with_suffix(".part.npz")
    np.savez(
        part,
        marker=made.rendered.volume.marker,
        missing_z=np.array(made.rendered.volume.missing_z, np.int64),
        kind=made.kind,
        names=np.array(truth.names),
        centroid_px=truth.centroid_px,
        radius_um=truth.radius_um,
        light=truth.marker,
    )
    part.replace(path)


def _load(path: Path, case: Case) -> BenchmarkVolume:
    with np.load(path) as table:
        own = {key: table[key] for key in table.files}
    marker, kind = own["marker"], own["kind"]
    grid = VoxelGrid.as_stored(case.shape, (_VOXEL_UM,) * 3)
    volume = Volume(
        index=0,
        timestamp_s=0.0,
        marker=marker,
        activity=np.zeros_like(marker),
        spec=VolumeSpec(grid=grid, period_s=0.6),
        slice_times_s=np.linspace(0, 0.6, len(marker), endpoint=False),
        missing_z=tuple(int(z) for z in own["missing_z"]),
    )
    truth = Truth(
        index=0,
        time_s=0.0,
        names=tuple(str(name) for name in own["names"]),
        is_listed=kind == LISTED,
        centroid_px=own["centroid_px"],
        centroid_time_s=np.zeros(len(kind)),
        radius_um=own["radius_um"],
        marker=own["light"],
        activity=own["light"],
        ratio=np.ones(len(kind)),
        alignment=ChannelAlignment(),
        slice_offset_um=np.zeros((len(marker), 2)),
    )
    masks = np.zeros((0, 0, 0), np.uint16)
    return BenchmarkVolume(
        case=case, rendered=RenderedVolume(volume=volume, truth=truth, masks=masks), kind=kind
    )
