"""The volumes of the benchmark: made once, kept in a folder, the same for every model."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from benchmark_animals import (
    FLAVORS,
    LISTED,
    MAIN_LAB,
    NAMELESS,
    UNLISTED,
    WHOLE_LAB,
    Completer,
    Head,
    animals_of,
    held_out_keys,
    validation_keys,
)
from numpy.typing import NDArray
from other_renderer import LARGE_FIELD, SMALL_FIELD, Rig, render

from napari_acll import simulate
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

RENDERERS = ("own", "other")
_VOXEL_UM = 0.54
_STRENGTHS: dict[str, tuple[float, ...]] = {
    "light": (1.0, 0.5, 0.25),
    "motion": (1.0, 2.0, 4.0),
    "shear": (1.0, 3.0),
    "n_missing_slices": (0, 2, 5),
    "absent": (0.0, 0.2, 0.4),
}
_STRENGTHS_OF_OTHER: dict[str, tuple[float, ...]] = {
    "brightness_by_name": (1.0, 0.0),
    "blur": (1.0, 1.5),
    "tissue": (0.0, 1.0, 3.0),
    "nucleus_size": (0.8, 1.0, 1.2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One volume to be made; everything that decides it.

    Parameters
    ----------
    group : str
        What it is scored with.
    renderer : str
        One of `RENDERERS`.
    animal : str
        `lab/animal`, or a number for a simulated one.
    flavor : str
        How the animal is completed, one of `FLAVORS`; `simulated` for an animal of the anatomy.
    pose : int
        Number of the posture.
    is_large : bool
        Which of the two fields.
    light, motion, shear : float
        Factors, see `other_renderer.Rig`.
    n_missing_slices : int
        Slices without light.
    absent : float
        Share of the nuclei that the animal lacks.
    brightness_by_name, blur, tissue, nucleus_size : float
        See `other_renderer.Rig`; the own renderer does not heed them.
    """

    group: str
    renderer: str
    animal: str
    flavor: str
    pose: int = 0
    is_large: bool = False
    light: float = 1.0
    motion: float = 1.0
    shear: float = 1.0
    n_missing_slices: int = 0
    absent: float = 0.0
    brightness_by_name: float = 1.0
    blur: float = 1.0
    tissue: float = 1.0
    nucleus_size: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(Z, Y, X)` voxels."""
        return LARGE_FIELD if self.is_large else SMALL_FIELD

    @property
    def seed(self) -> int:
        """The same for an animal and a pose, whatever the renderer and its disturbances."""
        text = f"{self.animal} {self.flavor} {self.pose}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")

    def digest(self) -> str:
        """Return a hash of all that decides the volume; the group does not."""
        values = {**asdict(self), "group": "", "code": code_digest(self.renderer)}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:20]


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


def benchmark_cases(
    keys: list[tuple[str, str]], *, n_simulated: int, n_poses: int, is_validation: bool
) -> list[Case]:
    """Return the cases of a report: simulated animals and real ones, by both renderers.

    Parameters
    ----------
    keys : list of (str, str)
        Lab and name of all real animals; none gives simulated ones alone.
    n_simulated : int
        Simulated animals.
    n_poses : int
        Postures of each real animal, for each renderer and each way to complete it.
    is_validation : bool
        Animals for research choices in place of those that are held out.
    """
    choose = validation_keys if is_validation else held_out_keys
    chosen = choose(keys) if keys else []
    simulated = [
        Case(
            group="simulated",
            renderer="own",
            animal=str(number),
            flavor="simulated",
            is_large=bool(number % 2),
        )
        for number in range(n_simulated)
    ]
    real = [
        Case(
            group=group_of(lab, is_validation=is_validation),
            renderer=renderer,
            animal=f"{lab}/{animal}",
            flavor=flavor,
            pose=pose,
            is_large=bool((pose + number + (flavor == FLAVORS[1])) % 2),
        )
        for renderer in RENDERERS
        for number, (lab, animal) in enumerate(chosen)
        for flavor in FLAVORS
        for pose in range(n_poses)
    ]
    return simulated + real


@lru_cache
def code_digest(renderer: str) -> str:
    """Return a hash of the files that decide what a renderer draws: others, other volumes."""
    recipes = Path(__file__).parent
    package = Path(simulate.__file__).parent
    files = [recipes / "benchmark_animals.py", package / "anatomy.npz", package / "held_out.json"]
    if renderer == "other":
        files.append(recipes / "other_renderer.py")
    else:
        files += [Path(__file__), *sorted(package.glob("*.py"))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def group_of(lab: str, *, is_validation: bool) -> str:
    """Return the name of the set that animals of a lab are scored with."""
    if lab in (MAIN_LAB, WHOLE_LAB):
        return f"{lab}, validation" if is_validation else lab
    return "other labs, validation" if is_validation else "other labs"


def disturbed_cases(cases: Sequence[Case]) -> dict[str, list[tuple[float, list[Case]]]]:
    """Return, for every disturbance, its strengths and the same volumes under each.

    Parameters
    ----------
    cases : sequence of Case
        Undisturbed volumes, of one renderer.
    """
    strengths = dict(_STRENGTHS)
    if all(case.renderer == "other" for case in cases):
        strengths |= _STRENGTHS_OF_OTHER
    return {
        what: [(value, [replace(case, **{what: value}) for case in cases]) for value in values]
        for what, values in strengths.items()
    }


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
