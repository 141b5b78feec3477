"""What an identity filter buys: names of whole recordings, each volume by itself and filtered.

Run by hand::

    python recipes/measure_identity.py --data $ACLL_TEST_DATA --kind held_out --n 8 --cache FOLDER
    python recipes/measure_identity.py --kind virtual --n 6 --cache FOLDER --fit

Recordings are drawn and labeled once, with the bundled model, and kept in `--cache`; the filter
then takes seconds. Beside the filter, "labels" pools nothing but the names that the volumes were
given, one vote each, on the same tracks: naive pooling. `held_out` are real animals of lab SF that
no part of the model has seen, completed with virtual nuclei; `virtual` are animals of the fitted
anatomy, on which the filter's constants are set. `--rig` makes them dim or fast.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from napari_acll.core import Detections, LabeledVolume, LabelSettings, VolumeSpec, VoxelGrid
from napari_acll.evaluation import RECORD_EDGES, binned, equal_width_bins
from napari_acll.identity import EvidenceFilter
from napari_acll.label import load_labeler
from napari_acll.simulate import (
    Anatomy,
    AnimalShape,
    HeadSettings,
    VirtualWorm,
    WormSettings,
    held_out_animals,
)
from napari_acll.training import match_nuclei, read_heads

logger = logging.getLogger("measure_identity")

POSITIONS = Path("positions") / "neuron_positions_84_animals.csv"
MATCH_UM = 3.0
CONFIDENT = 0.75
FIELDS = tuple(Detections.__dataclass_fields__)
RIGS = ("normal", "dim", "fast")
WAYS = ("alone", "labels", "filtered")


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The labels of a recording and what is true of it.

    Parameters
    ----------
    animal : str
        Whose it is.
    labeled : list of LabeledVolume
        Each volume by itself, without instances.
    true : list of ndarray of int64
        For each volume, the class number of each detection; 0 for none of the listed neurons.
    n_listed : list of int
        For each volume, listed neurons inside of it.
    """

    animal: str
    labeled: list[LabeledVolume]
    true: list[NDArray[np.int64]]
    n_listed: list[int]


def animals(kind: str, n: int, data: Path | None) -> Iterator[tuple[str, AnimalShape]]:
    """Yield names and shapes of animals."""
    anatomy = Anatomy.load()
    if kind == "virtual":
        for number in range(n):
            rng = np.random.default_rng((57, number))
            yield f"virtual {number}", anatomy.sample(rng, head=HeadSettings.sample(rng))
        return
    if data is None:
        raise SystemExit("Real animals need --data.")
    wanted = held_out_animals()["SF"]
    heads = [head for head in read_heads(data / POSITIONS) if head.lab == "SF"]
    for number, head in enumerate([head for head in heads if head.animal in wanted][:n]):
        rng = np.random.default_rng((58, number))
        yield f"SF {head.animal}", head.shape(anatomy, rng, head=HeadSettings.sample(rng))


def rig(kind: str, n_volumes: int) -> WormSettings:
    """Return the settings of a recording."""
    usual = WormSettings(n_volumes=n_volumes)
    if kind == "dim":
        optics = usual.optics
        return replace(usual, optics=replace(optics, marker_counts=optics.marker_counts / 3))
    if kind == "fast":
        return replace(usual, motion=replace(usual.motion, speed=3.0))
    return usual


def record(name: str, shape: AnimalShape, settings: WormSettings, cache: Path) -> Recording:
    """Return the labeled recording of an animal, from the cache if it is there."""
    file = cache / f"{name.replace(' ', '_')}_{settings.n_volumes}.npz"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        label(shape, settings, file)
    return load(name, file)


def label(shape: AnimalShape, settings: WormSettings, file: Path) -> None:
    """Draw and label a recording, and write what is needed of it."""
    labeler = load_labeler(LabelSettings(device="cpu"))
    worm = VirtualWorm(shape, settings, seed=7)
    columns: dict[str, NDArray] = {}
    for index in range(settings.n_volumes):
        volume, truth = worm.render(index), worm.truth(index)
        (labeled,) = labeler.label([volume])
        voxel_um = np.asarray(volume.spec.voxel_size_um)
        found = labeled.detections
        matched = match_nuclei(
            found.centroid_px * voxel_um, truth.centroid_px * voxel_um, max_distance_um=MATCH_UM
        )
        number = np.where(truth.is_listed, truth.class_numbers(labeler.neurons), 0)
        true = np.where(matched >= 0, number[np.maximum(matched, 0)], 0)
        inside = truth.is_inside(volume.spec.shape)
        columns |= columns_of(labeled, true, int((number[inside] > 0).sum()))
    np.savez_compressed(file, **columns)
    logger.info("%s", file)


def columns_of(labeled: LabeledVolume, true: NDArray, n_listed: int) -> dict[str, NDArray]:
    """Return what is kept of a volume."""
    index = labeled.index
    columns: dict[str, NDArray] = {
        f"{index}_{name}": getattr(labeled.detections, name) for name in FIELDS
    }
    columns[f"{index}_true"] = true.astype(np.int64)
    columns[f"{index}_meta"] = np.array([n_listed, labeled.is_labelable])
    columns["voxel_um"] = np.asarray(labeled.spec.voxel_size_um)
    return columns


def load(name: str, file: Path) -> Recording:
    """Return a recording of the cache."""
    with np.load(file) as saved:
        columns = {key: saved[key] for key in saved.files}
    grid = VoxelGrid.as_stored((1, 1, 1), tuple(float(size) for size in columns["voxel_um"]))
    spec = VolumeSpec(grid=grid, period_s=0.6)
    n = sum(key.endswith("_true") for key in columns)
    labeled = [
        LabeledVolume(
            index=index,
            spec=spec,
            instances=np.zeros((1, 1, 1), np.uint16),
            detections=Detections(**{name: columns[f"{index}_{name}"] for name in FIELDS}),
            is_labelable=bool(columns[f"{index}_meta"][1]),
        )
        for index in range(n)
    ]
    return Recording(
        name,
        labeled,
        [columns[f"{index}_true"] for index in range(n)],
        [int(columns[f"{index}_meta"][0]) for index in range(n)],
    )


def scores(recording: Recording, labeled: list[LabeledVolume], skip: int) -> dict[str, float]:
    """Return how many names are right, in %, from a volume on; and how often they change."""
    given, chance, true, n_listed = [], [], [], 0
    n_switches = n_followed = 0
    before: dict[int, int] = {}
    for volume, truth, n in zip(labeled, recording.true, recording.n_listed, strict=True):
        found = volume.detections
        now = {int(t): int(g) for t, g in zip(truth, found.neuron, strict=True) if t > 0}
        if volume.index >= skip:
            given.append(found.neuron)
            chance.append(found.probability)
            true.append(truth)
            n_listed += n
            both = [key for key in now if now[key] > 0 and before.get(key, 0) > 0]
            n_followed += len(both)
            n_switches += sum(now[key] != before[key] for key in both)
        before |= {key: value for key, value in now.items() if value > 0}
    return _scores(
        np.concatenate(given), np.concatenate(chance), np.concatenate(true), n_listed
    ) | {"switches_per_1000": 1000 * n_switches / max(n_followed, 1)}


def _scores(given: NDArray, chance: NDArray, true: NDArray, n_listed: int) -> dict[str, float]:
    is_right = (given == true) & (true > 0)
    is_sure = (chance >= CONFIDENT) & (true > 0) & (given > 0)
    named = (given > 0) & (true > 0)
    return {
        "right": 100 * is_right.sum() / n_listed,
        "named": 100 * named.sum() / n_listed,
        "named_right": 100 * is_right[named].mean(),
        "sure_share": 100 * is_sure.sum() / n_listed,
        "sure_right": 100 * is_right[is_sure].mean() if is_sure.any() else float("nan"),
        "calibration_error": 100 * equal_width_bins(chance[named], is_right[named]).error,
    }


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """Names that were given to listed neurons; one row per name and volume.

    Parameters
    ----------
    probability : ndarray of float64, shape (n,)
        As shown.
    is_right : ndarray of bool, shape (n,)
        Whether it is right.
    neuron : ndarray of int64, shape (n,)
        A number of its own for each neuron of each animal.
    """

    probability: NDArray[np.float64]
    is_right: NDArray[np.bool_]
    neuron: NDArray[np.int64]


def names_of(recordings: Sequence[tuple[Recording, list[LabeledVolume]]], skip: int) -> Names:
    """Return the names of some recordings from a volume on."""
    parts = []
    for number, (recording, after) in enumerate(recordings):
        for volume, true in zip(after[skip:], recording.true[skip:], strict=True):
            found = volume.detections
            rows = (found.neuron > 0) & (true > 0)
            key = 1000 * number + true[rows]
            is_right = found.neuron[rows] == true[rows]
            parts.append((found.probability[rows].astype(np.float64), is_right, key))
    return Names(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def error_if_perfect(names: Names, *, n_draws: int = 200) -> float:
    """Return the calibration error, in %, that perfect probabilities would show here.

    A filtered name is right or wrong for a whole recording, so there are only as many trials as
    neurons, however many volumes.
    """
    rng = np.random.default_rng(0)
    _, neuron = np.unique(names.neuron, return_inverse=True)
    errors = [
        equal_width_bins(
            names.probability, rng.random(neuron.max() + 1)[neuron] < names.probability
        ).error
        for _ in range(n_draws)
    ]
    return 100 * float(np.mean(errors))


def by_votes(recording: Recording) -> Recording:
    """Return a recording of which nothing is known but the names that were given."""
    return replace(recording, labeled=[_without_doubt(volume) for volume in recording.labeled])


def _without_doubt(volume: LabeledVolume) -> LabeledVolume:
    found = volume.detections
    candidate = np.full_like(found.candidate_neuron, -1)
    chance = np.full_like(found.candidate_probability, np.nan)
    candidate[:, 0], chance[:, 0] = found.neuron, 1.0
    detections = replace(found, candidate_neuron=candidate, candidate_probability=chance)
    return replace(volume, detections=detections)


def filtered(recording: Recording, neurons: object) -> tuple[list[LabeledVolume], float]:
    """Return the volumes after the filter, and what one took, in ms."""
    identity = EvidenceFilter(neurons=neurons)  # type: ignore[arg-type]
    began_s = time.thread_time()
    result = [identity.update(volume) for volume in recording.labeled]
    return result, 1e3 * (time.thread_time() - began_s) / len(result)


def fit(recordings: Sequence[tuple[Recording, list[LabeledVolume]]]) -> tuple[float, float]:
    """Return gain and offset that would make the logits of the shown probabilities right.

    Multiply the gain of the filter by the first; add the second to the first times its offset.
    """
    names = names_of(recordings, 0)
    chance = np.clip(names.probability, 1e-6, 1 - 1e-6)
    sign = np.where(names.is_right, 1.0, -1.0)
    logit = np.log(chance) - np.log1p(-chance)

    def loss(parameters: NDArray) -> float:
        return float(np.logaddexp(0, -sign * (parameters[0] * logit + parameters[1])).mean())

    gain, offset = minimize(loss, np.array([1.0, 0.0])).x
    return float(gain), float(offset)


def tell_bins(key: str, names: Names) -> None:
    """Say how far the probabilities of all animals together are right, bin by bin."""
    bins = equal_width_bins(names.probability, names.is_right)
    record = binned(names.probability, names.is_right, RECORD_EDGES).bins
    logger.info(
        "%s, all animals: calibration error %.1f, %.1f if they were perfect; right by bin: %s",
        key,
        100 * bins.error,
        error_if_perfect(names),
        [(part.low, part.n, round(100 * part.share_right, 1)) for part in record],
    )


def parser_of(about: str, *, volumes: int, skip: int) -> argparse.ArgumentParser:
    """Return a parser of which animals to record how.

    Parameters
    ----------
    about : str
        The docstring of a recipe.
    volumes, skip : int
        How many volumes there are and are not scored, unless somebody says so.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the real data")
    parser.add_argument("--kind", choices=("held_out", "virtual"), default="virtual")
    parser.add_argument("--n", type=int, default=8, help="animals")
    parser.add_argument("--volumes", type=int, default=volumes, help="of each recording")
    parser.add_argument("--rig", choices=RIGS, default="normal")
    parser.add_argument("--skip", type=int, default=skip, help="volumes that are not scored")
    return parser


def add_where(parser: argparse.ArgumentParser) -> Any:
    """Let a parser ask where recordings are; return the group, which may get other places."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--cache", type=Path, help="folder of recordings that are drawn")
    where.add_argument("--recorded", type=Path, help="`labels` folder of `measure_traces.py`")
    return where


def recordings_of(arguments: argparse.Namespace) -> Iterator[Recording]:
    """Yield what is drawn and labeled now or before, or what `measure_traces.py` kept."""
    if arguments.recorded:
        for file in sorted(arguments.recorded.glob("*.npz")):
            yield load(file.stem, file)
        return
    settings = rig(arguments.rig, arguments.volumes)
    for name, shape in animals(arguments.kind, arguments.n, arguments.data):
        yield record(name, shape, settings, arguments.cache / arguments.rig)


def main() -> None:
    """Draw, label, filter, score and print."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = parser_of(__doc__, volumes=100, skip=30)
    add_where(parser)
    parser.add_argument("--fit", action="store_true", help="fit the shown probabilities, too")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    neurons = load_labeler(LabelSettings(device="cpu")).neurons
    rows: list[dict[str, Any]] = []
    done: dict[str, list[tuple[Recording, list[LabeledVolume]]]] = {key: [] for key in WAYS}
    for recording in recordings_of(arguments):
        name = recording.animal
        after, took_ms = filtered(recording, neurons)
        votes, _ = filtered(by_votes(recording), neurons)
        row: dict[str, Any] = {"animal": name, "ms": took_ms}
        for key, labeled in zip(WAYS, (recording.labeled, votes, after), strict=True):
            row[key] = scores(recording, labeled, arguments.skip)
            done[key].append((recording, labeled))
            logger.info("%s %s %s", name, key, {k: round(v, 1) for k, v in row[key].items()})
        rows.append(row)
    for key in WAYS:
        mean = {k: np.nanmean([row[key][k] for row in rows]) for k in rows[0][key]}
        logger.info("mean %s %s", key, {k: round(float(v), 1) for k, v in mean.items()})
        tell_bins(key, names_of(done[key], arguments.skip))
    logger.info("%.1f ms per volume", np.mean([row["ms"] for row in rows]))
    if arguments.fit:
        logger.info("gain %.3f, offset %.3f on top of those of the filter", *fit(done["filtered"]))
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
