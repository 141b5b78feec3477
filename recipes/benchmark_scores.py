"""What a labeler got right on the volumes of the benchmark, and what kept it from more."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from benchmark_animals import LISTED, NAMELESS, UNKNOWN, UNLISTED
from benchmark_volumes import BenchmarkVolume
from numpy.typing import NDArray

from napari_acll.core import Detections, NeuronTable
from napari_acll.evaluation import Reliability, binned, equal_width_bins
from napari_acll.simulate import Anatomy
from napari_acll.training import match_nuclei

CONFIDENT = 0.75
MATCH_UM = 3.0
CLUTTER = -1
"""Kind of a detection that is no nucleus."""
NEAR_UM = 8.0
"""Neurons whose homes lie nearer are neighbors."""

ERRORS = ("missed", "given no name", "left for right", "a neighbor", "another neuron")
_N_DRAWS = 300
RECORD_EDGES = (0.0, 0.75, 0.95, 0.99, 1.0)
"""Bins in which the original network's names were counted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tally:
    """What became of every nucleus of a volume, and of every detection.

    Parameters
    ----------
    animal : str
        Whose volume it is.
    kind : ndarray of int8, shape (n,)
        Of each nucleus inside of the volume.
    true, given : ndarray of int64, shape (n,)
        Class number of its name, and of the name that its detection got; 0 for none.
    probability : ndarray of float64, shape (n,)
        Of the name that was given; 0 for none.
    rank : ndarray of int64, shape (n,)
        Place of the true name among the candidates, from 1; 99 where it is not.
    distance_um : ndarray of float64, shape (n,)
        From the detection's center to the nucleus; NaN where it was missed.
    found_kind : ndarray of int8, shape (m,)
        Of what each detection is; `CLUTTER` where it is no nucleus.
    found_given, found_true : ndarray of int64, shape (m,)
        Name that the detection got, and the true one.
    found_probability : ndarray of float64, shape (m,)
        Of that name.
    is_refused : bool
        Whether the labeler found the volume unfit.
    """

    animal: str
    kind: NDArray[np.int8]
    true: NDArray[np.int64]
    given: NDArray[np.int64]
    probability: NDArray[np.float64]
    rank: NDArray[np.int64]
    distance_um: NDArray[np.float64]
    found_kind: NDArray[np.int8]
    found_given: NDArray[np.int64]
    found_true: NDArray[np.int64]
    found_probability: NDArray[np.float64]
    is_refused: bool = False

    @property
    def n_duplicates(self) -> int:
        """How often a name was given beyond the first time."""
        given = self.found_given[self.found_given > 0]
        return len(given) - len(np.unique(given))


def tally(found: Detections, volume: BenchmarkVolume, neurons: NeuronTable) -> Tally:
    """Return what became of every nucleus and every detection of a volume."""
    truth, spec = volume.rendered.truth, volume.rendered.volume.spec
    voxel = np.asarray(spec.voxel_size_um)
    found_um, true_um = found.centroid_px * voxel, truth.centroid_px * voxel
    matched = match_nuclei(found_um, true_um, max_distance_um=MATCH_UM)
    true = truth.class_numbers(neurons).astype(np.int64)
    detection_of = np.full(len(true), -1)
    detection_of[matched[matched >= 0]] = np.flatnonzero(matched >= 0)
    is_found = detection_of >= 0
    row = np.maximum(detection_of, 0)
    inside = truth.is_inside(spec.shape)

    def of_nucleus(values: NDArray, missing: float) -> NDArray:
        if not len(values):
            return np.full(int(inside.sum()), missing)
        return np.where(is_found, values[row], missing)[inside]

    distance = np.linalg.norm(found_um - true_um[np.maximum(matched, 0)], axis=1)
    found_true = np.where(matched >= 0, true[np.maximum(matched, 0)], 0)
    kind = np.where((volume.kind == LISTED) & (true == 0), UNKNOWN, volume.kind)
    return Tally(
        animal=volume.case.animal,
        kind=kind[inside],
        true=true[inside],
        given=of_nucleus(found.neuron.astype(np.int64), 0),
        probability=of_nucleus(found.probability.astype(np.float64), 0),
        rank=of_nucleus(_rank(found, found_true), 99),
        distance_um=of_nucleus(distance, np.nan),
        found_kind=np.where(matched >= 0, kind[np.maximum(matched, 0)], CLUTTER).astype(np.int8),
        found_given=found.neuron.astype(np.int64),
        found_true=found_true,
        found_probability=found.probability.astype(np.float64),
    )


def _rank(found: Detections, true: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of the true name among the candidates; "none of these" is no name."""
    rank = np.full(len(found), 99)
    place = np.zeros(len(found), np.int64)
    for column in found.candidate_neuron.T:
        is_name = column > 0
        place += is_name
        rank = np.where(is_name & (column == true) & (rank == 99), place, rank)
    return rank


Counts = Callable[[Tally], tuple[float, float]]


def _share(part: NDArray, whole: NDArray) -> tuple[float, float]:
    return float((part & whole).sum()), float(whole.sum())


def _sure(row: Tally) -> NDArray:
    return (row.given > 0) & (row.probability >= CONFIDENT)


def _of_kind(kind: int) -> Counts:
    return lambda row: _share(_sure(row), row.kind == kind)


MEASURES: dict[str, Counts] = {
    "right": lambda row: _share(row.given == row.true, row.kind == LISTED),
    "right_in_3": lambda row: _share(row.rank <= 3, row.kind == LISTED),
    "right_if_confident": lambda row: _share(
        row.given == row.true, (row.kind == LISTED) & _sure(row)
    ),
    "share_confident": _of_kind(LISTED),
    "right_if_found": lambda row: _share(
        row.given == row.true, (row.kind == LISTED) & np.isfinite(row.distance_um)
    ),
    "nameless_confident": _of_kind(NAMELESS),
    "unknown_confident": _of_kind(UNKNOWN),
    "unlisted_confident": _of_kind(UNLISTED),
    "unlisted_right_if_confident": lambda row: _share(
        row.given == row.true, (row.kind == UNLISTED) & _sure(row)
    ),
    "clutter_confident": lambda row: _share(
        (row.found_given > 0) & (row.found_probability >= CONFIDENT), row.found_kind == CLUTTER
    ),
    "detection_recall": lambda row: _share(np.isfinite(row.distance_um), row.kind >= 0),
    "listed_recall": lambda row: _share(np.isfinite(row.distance_um), row.kind == LISTED),
    "detection_precision": lambda row: _share(row.found_kind != CLUTTER, row.found_kind > -9),
    "center_error_um": lambda row: (
        float(np.nansum(row.distance_um)),
        float(np.isfinite(row.distance_um).sum()),
    ),
    "names_per_volume": lambda row: (float((row.found_given > 0).sum()), 1.0),
    "confident_names_per_volume": lambda row: (
        float(((row.found_given > 0) & (row.found_probability >= CONFIDENT)).sum()),
        1.0,
    ),
    "refused": lambda row: (float(row.is_refused), 1.0),
    "duplicates_per_volume": lambda row: (float(row.n_duplicates), 1.0),
}


def summarize_tallies(tallies: Sequence[Tally], *, seed: int = 0) -> dict[str, object]:
    """Return every measure with its standard error over animals, and a table of animals.

    A measure is a ratio of sums over all volumes. Its standard error is the spread of the same
    ratio when whole animals are drawn with replacement.
    """
    animals = sorted({row.animal for row in tallies})
    by_animal = [[row for row in tallies if row.animal == animal] for animal in animals]
    draws = np.random.default_rng(seed).integers(0, len(animals), (_N_DRAWS, len(animals)))
    values: dict[str, object] = {"n_animals": len(animals), "n_volumes": len(tallies)}
    for name, counts in MEASURES.items():
        sums = np.array([np.sum([counts(row) for row in rows], axis=0) for rows in by_animal])
        values[name] = _ratio(sums, draws)
    values["detection_f1"] = _f1(values)
    pairs = [_named(rows, is_listed=True) for rows in by_animal]
    values["calibration_error_listed"] = _with_error(pairs, draws)
    probability, is_right = (np.concatenate([pair[n] for pair in pairs]) for n in (0, 1))
    values["reliability"] = _bins(equal_width_bins(probability, is_right, n_bins=10))
    values["record_bins"] = _bins(binned(probability, is_right, RECORD_EDGES))
    pairs = [_named(rows, is_listed=False) for rows in by_animal]
    values["calibration_error_all"] = _with_error(pairs, draws)
    values["animals"] = dict(zip(animals, map(_of_animal, by_animal), strict=True))
    worst = min(animal["right"] for animal in values["animals"].values())
    values["least_right"] = {"value": worst}
    return values


def _ratio(sums: NDArray, draws: NDArray) -> dict[str, float]:
    part, whole = sums.sum(0)
    if not whole:
        return {"value": float("nan"), "error": float("nan")}
    drawn = sums[draws].sum(1)
    drawn = drawn[drawn[:, 1] > 0]
    error = float(np.std(drawn[:, 0] / drawn[:, 1]))
    return {"value": round(float(part / whole), 4), "error": round(error, 4)}


def _f1(values: dict[str, object]) -> dict[str, float]:
    precision, recall = (values[f"detection_{what}"]["value"] for what in ("precision", "recall"))
    return {"value": round(2 * precision * recall / max(precision + recall, 1e-9), 4)}


def _named(rows: Sequence[Tally], *, is_listed: bool) -> tuple[NDArray, NDArray]:
    """Return probability and truth of the names that were given, where the truth is known."""
    probability, is_right = [], []
    for row in rows:
        has_probability = (row.found_given > 0) & (row.found_probability > 0)
        counted = has_probability & (row.found_kind != UNKNOWN)
        if is_listed:
            counted &= row.found_kind == LISTED
        probability.append(row.found_probability[counted])
        is_right.append((row.found_given == row.found_true)[counted])
    return np.concatenate(probability), np.concatenate(is_right)


def _with_error(pairs: list[tuple[NDArray, NDArray]], draws: NDArray) -> dict[str, float]:
    def error_of(rows: Sequence[int]) -> float:
        probability, is_right = (np.concatenate([pairs[r][n] for r in rows]) for n in (0, 1))
        return equal_width_bins(probability, is_right).error

    drawn = [error_of(rows) for rows in draws[:100]]
    known = [error for error in drawn if not math.isnan(error)]
    spread = float(np.std(known)) if known else float("nan")
    return {"value": round(error_of(range(len(pairs))), 4), "error": round(spread, 4)}


def _bins(reliability: Reliability) -> list[dict[str, float]]:
    """Return the bins that hold names."""
    return [asdict(bin_) for bin_ in reliability.bins if bin_.n]


def _of_animal(rows: Sequence[Tally]) -> dict[str, float]:
    """Return the line of an animal."""
    line = {}
    for name in ("right", "right_in_3", "right_if_confident", "share_confident", "listed_recall"):
        part, whole = np.sum([MEASURES[name](row) for row in rows], axis=0)
        line[name] = round(float(part / whole), 4) if whole else float("nan")
    line["n_listed_per_volume"] = float(np.mean([(row.kind == LISTED).sum() for row in rows]))
    return line


def errors_of(
    tallies: Sequence[Tally], neurons: NeuronTable, anatomy: Anatomy
) -> dict[str, float]:
    """Return what became of the listed nuclei that did not get their name, as shares of them all.

    A name is that of a neighbor where both neurons' homes lie within 8 um in the mean animal.
    """
    home = dict(zip(anatomy.neurons.names, anatomy.mean_um, strict=True))
    counts = dict.fromkeys(ERRORS, 0)
    n_listed = 0
    for row in tallies:
        listed = row.kind == LISTED
        n_listed += int(listed.sum())
        for at in np.flatnonzero(listed & (row.given != row.true)):
            counts[_error_of(row, at, neurons, home)] += 1
    return {what: round(count / max(n_listed, 1), 4) for what, count in counts.items()}


def _error_of(row: Tally, at: int, neurons: NeuronTable, home: dict[str, NDArray]) -> str:
    if not np.isfinite(row.distance_um[at]):
        return "missed"
    if row.given[at] == 0:
        return "given no name"
    true, given = (neurons.names[int(number[at]) - 1] for number in (row.true, row.given))
    if true[:-1] == given[:-1] and {true[-1], given[-1]} == {"L", "R"}:
        return "left for right"
    if true in home and given in home and np.linalg.norm(home[true] - home[given]) < NEAR_UM:
        return "a neighbor"
    return "another neuron"
