"""Recordings of virtual worms with what is true of them, for `fit_forecast.py`.

Two things are kept in a folder. The labels take longest, and change with the model alone; the
traces are made of them by the installed identity filters and trace estimator, which takes a
fifth of the time.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    Detections,
    IdentityFilter,
    IdentitySettings,
    LabeledVolume,
    Labeler,
    NeuronTable,
    PreprocessSettings,
    TraceSample,
    TraceSettings,
    Volume,
    VolumeStatus,
    VoxelGrid,
    load_stage,
)
from napari_acll.preprocess import Preprocessor
from napari_acll.simulate import (
    Anatomy,
    AnimalShape,
    HeadSettings,
    MotionSettings,
    Truth,
    VirtualWorm,
    WormSettings,
    held_out_animals,
)
from napari_acll.training import match_nuclei, read_heads

logger = logging.getLogger("fit_forecast")

POSITIONS = Path("positions") / "neuron_positions_84_animals.csv"
KINDS = ("usual", "dim", "usual", "fast", "cut", "usual", "strange")
"""Of the animals of a set, in turns; one of seven is on a random microscope."""
FIELDS = ((64, 120, 284), (80, 210, 322), (64, 120, 284))
"""The two fields of the original's, cropped to the animal and whole; in turns, too."""
MATCH_UM = 3.0
UNKNOWN = -1
"""A nucleus of a real animal of which nobody knows the name."""
DETECTIONS = tuple(Detections.__dataclass_fields__)
VALUES = tuple(
    key for key in TraceSample.__dataclass_fields__ if key not in ("index", "time_s", "status")
)
_OTHERS = ("novelty", "is_right", "status", "time_s")
LEARN, TEST, REAL = "train", "test", "SF"
_SEEDS = {LEARN: 61, TEST: 62, REAL: 63}
_N_VOLUMES = 80
VOXEL_UM = 0.54


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """An animal under a microscope, to be drawn and labeled.

    Parameters
    ----------
    name : str
        Animal and microscope.
    worm : VirtualWorm
        Draws it.
    """

    name: str
    worm: VirtualWorm

    def volumes(self) -> Iterator[Volume]:
        """Yield the volumes as a session labels them."""
        preprocessor = Preprocessor(self.worm.spec, PreprocessSettings())
        for index in range(self.worm.settings.n_volumes):
            yield preprocessor.apply(self.worm.render(index))


def virtual(kind: str, number: int, n_volumes: int) -> Recording:
    """Return an animal of the fitted anatomy; another seed for another set is another animal."""
    rng = np.random.default_rng((_SEEDS[kind], number))
    what = KINDS[number % len(KINDS)]
    shape = Anatomy.load().sample(rng, head=HeadSettings.sample(rng))
    settings = microscope(what, FIELDS[number % len(FIELDS)], n_volumes, rng)
    seed = int(rng.integers(1 << 31))
    return Recording(f"{kind} {number} {what}", VirtualWorm(shape, settings, seed=seed))


def held_out(data: Path, number: int, n_volumes: int) -> Recording:
    """Return a real animal of lab SF that nothing was learned from, completed; usual rig."""
    wanted = held_out_animals()["SF"]
    heads = [head for head in read_heads(data / POSITIONS) if head.lab == "SF"]
    head = [head for head in heads if head.animal in wanted][number]
    rng = np.random.default_rng((_SEEDS[REAL], number))
    shape: AnimalShape = head.shape(Anatomy.load(), rng, head=HeadSettings.sample(rng))
    settings = microscope("usual", FIELDS[0], n_volumes, rng)
    seed = int(rng.integers(1 << 31))
    return Recording(f"SF {head.animal}", VirtualWorm(shape, settings, seed=seed))


def microscope(
    kind: str, field: tuple[int, int, int], n_volumes: int, rng: np.random.Generator
) -> WormSettings:
    """Return how an animal is recorded."""
    grid = VoxelGrid.as_stored(field, (VOXEL_UM,) * 3)
    usual = WormSettings(n_volumes=n_volumes, grid=grid)
    if kind == "dim":
        optics = usual.optics
        return replace(usual, optics=replace(optics, marker_counts=optics.marker_counts / 3))
    if kind == "fast":
        return replace(usual, motion=MotionSettings.fast())
    if kind == "cut":
        side = float(rng.choice([-1.0, 1.0]))
        return replace(usual, focus_um=side * float(rng.uniform(30.0, 70.0)))
    if kind == "strange":
        return replace(WormSettings.sample(rng, grid=grid), n_volumes=n_volumes)
    return usual


def recordings(data: Path | None, wanted: Mapping[str, int]) -> Iterator[Recording]:
    """Yield as many recordings of each set as wanted, each of 80 volumes."""
    for kind, n in wanted.items():
        for number in range(n):
            if kind == REAL and data is None:
                raise SystemExit("Real animals need --data.")
            yield (
                virtual(kind, number, _N_VOLUMES)
                if data is None or kind != REAL
                else held_out(data, number, _N_VOLUMES)
            )


class Labels:
    """The labels of a recording, each volume by itself, and the truth.

    Parameters
    ----------
    recording : Recording
        What was labeled.
    columns : mapping of str to ndarray
        Content of the file.
    """

    def __init__(self, recording: Recording, columns: Mapping[str, NDArray[Any]]) -> None:
        self._spec = Preprocessor(recording.worm.spec, PreprocessSettings()).spec
        self._columns = columns

    def labeled(self, index: int) -> LabeledVolume:
        """Return one volume."""
        columns = {
            key: self._columns[f"{index} {key}"]
            for key in (*DETECTIONS, "voxel", "instance", "facts")
        }
        instances = np.zeros(self._spec.shape, np.uint16)
        instances.ravel()[np.cumsum(columns.pop("voxel"))] = columns.pop("instance")
        is_labelable, novelty, handedness = columns.pop("facts").tolist()
        return LabeledVolume(
            index=index,
            spec=self._spec,
            instances=instances,
            detections=Detections(**columns),
            is_labelable=bool(is_labelable),
            novelty=novelty,
            handedness=handedness,
        )

    def true(self, index: int) -> NDArray[np.int64]:
        """Return the class number of each detection; 0 for none of the neurons, or `UNKNOWN`."""
        return self._columns[f"{index} true"]


def labels_of(recording: Recording, labeler: Labeler, cache: Path) -> Labels:
    """Return the labels of a recording, from the cache if they are there."""
    columns = _kept(cache / f"labels {recording.name}.npz", lambda: _labeled(recording, labeler))
    return Labels(recording, columns)


def _kept(file: Path, make: Callable[[], dict[str, Any]]) -> dict[str, NDArray[Any]]:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez_compressed(part, **make())
        part.replace(file)
        logger.info("%s", file)
    with np.load(file) as saved:
        return {key: saved[key] for key in saved.files}


def _labeled(recording: Recording, labeler: Labeler) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for volume in recording.volumes():
        index = volume.index
        (labeled,) = labeler.label([volume])
        found = labeled.detections
        columns |= {f"{index} {name}": getattr(found, name) for name in DETECTIONS}
        columns[f"{index} true"] = _true(found, recording.worm.truth(index), labeler.neurons)
        inside = np.flatnonzero(labeled.instances)
        columns[f"{index} voxel"] = np.diff(inside, prepend=0).astype(np.int32)
        columns[f"{index} instance"] = labeled.instances.ravel()[inside]
        columns[f"{index} facts"] = np.array(
            [labeled.is_labelable, labeled.novelty, labeled.handedness], np.float64
        )
    return columns


def _true(found: Detections, truth: Truth, neurons: NeuronTable) -> NDArray[np.int64]:
    """Return which neuron each detection is of."""
    voxel_um = np.full(3, VOXEL_UM)
    matched = match_nuclei(
        found.centroid_px * voxel_um, truth.centroid_px * voxel_um, max_distance_um=MATCH_UM
    )
    is_unknown = np.array([name == "?" for name in truth.names])
    number = np.where(is_unknown, UNKNOWN, truth.class_numbers(neurons))
    return np.where(matched >= 0, number[np.maximum(matched, 0)], 0).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """What a session would have had of a recording, and whether its names are right.

    Parameters
    ----------
    name : str
        Animal and microscope.
    samples : list of TraceSample
        One per volume.
    novelty : ndarray of float64, shape (n_volumes,)
        Of each volume.
    is_right : ndarray of int8, shape (n_volumes, n_neurons)
        1 where the nucleus that got the name is that neuron, 0 where it is not, `UNKNOWN` where
        nobody knows or the name was not given.
    """

    name: str
    samples: list[TraceSample]
    novelty: NDArray[np.float64]
    is_right: NDArray[np.int8]


def traces_of(recording: Recording, labeler: Labeler, cache: Path, identity: str) -> Traces:
    """Return the traces of a recording, from the cache if they are there.

    Parameters
    ----------
    recording : Recording
        What to trace.
    labeler : Labeler
        The model, if there are no labels yet.
    cache : Path
        Folder of labels and traces.
    identity : str
        Name of the identity filter, `none` for each volume by itself.
    """
    kept = _kept(
        cache / f"traces {identity} {recording.name}.npz",
        lambda: _traced(recording, labels_of(recording, labeler, cache), labeler, identity),
    )
    novelty, is_right, status, time_s = (kept.pop(key) for key in _OTHERS)
    samples = [
        TraceSample(
            index=index,
            time_s=float(time_s[index]),
            status=VolumeStatus(int(status[index])),
            **{key: values[index] for key, values in kept.items()},
        )
        for index in range(len(status))
    ]
    return Traces(recording.name, samples, novelty, is_right)


def _traced(
    recording: Recording, labels: Labels, labeler: Labeler, identity: str
) -> dict[str, Any]:
    settings = TraceSettings()
    estimator: Any = load_stage("trace_estimators", settings.estimator)
    estimator = estimator(labeler.neurons, settings)
    identity_filter = filter_of(identity, labeler.neurons)
    rows: dict[str, list[Any]] = {key: [] for key in (*VALUES, *_OTHERS)}
    for volume in recording.volumes():
        labeled = labels.labeled(volume.index)
        if identity_filter is not None:
            labeled = identity_filter.update(labeled)
        sample = estimator.estimate(volume, labeled, recording.worm.alignment)
        for key in (*VALUES, "status", "time_s"):
            rows[key].append(getattr(sample, key))
        rows["novelty"].append(labeled.novelty)
        true = labels.true(volume.index)
        rows["is_right"].append(_is_right(labeled.detections, true, len(labeler.neurons)))
    return {key: np.array(values) for key, values in rows.items()}


def filter_of(identity: str, neurons: NeuronTable) -> IdentityFilter | None:
    """Return the installed identity filter, None for `none`."""
    if identity == "none":
        return None
    stage: Any = load_stage("identity_filters", identity)
    made: IdentityFilter = stage.from_settings(IdentitySettings(), neurons)
    return made


def _is_right(found: Detections, true: NDArray[np.int64], n_neurons: int) -> NDArray[np.int8]:
    is_right = np.full(n_neurons, UNKNOWN, np.int8)
    rows = np.flatnonzero((found.neuron > 0) & (true != UNKNOWN))
    is_right[found.neuron[rows] - 1] = found.neuron[rows] == true[rows]
    return is_right
