"""How good traces are: oracle, naive, ratio and engine side by side, on virtual recordings.

Run by hand::

    python recipes/measure_traces.py --data $ACLL_TEST_DATA --kind held_out --n 8 --cache FOLDER
    python recipes/measure_traces.py --kind virtual --n 4 --rig dim --cache FOLDER
    python recipes/measure_traces.py --cache FOLDER --rig normal --only-print

Recordings are rendered volume by volume, labeled with the bundled model and traced by all
estimators at once; nothing of them is written but the traces, one file per animal in `--cache`.
What is there is not made again, so a run that was stopped goes on. `held_out` are real animals of
lab SF that no part of the model has seen, completed with virtual nuclei; `virtual` are animals of
the fitted anatomy with seeds that nothing else uses.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from measure_identity import MATCH_UM, POSITIONS, rig
from numpy.typing import NDArray

from napari_acll.core import (
    AlignmentSettings,
    ChannelAlignment,
    Detections,
    LabeledVolume,
    LabelSettings,
    NeuronTable,
    PreprocessSettings,
    TraceEstimator,
    TraceSettings,
    Volume,
    VolumeStatus,
)
from napari_acll.identity import EvidenceFilter
from napari_acll.label import load_labeler
from napari_acll.preprocess import AlignmentCalibrator, Preprocessor
from napari_acll.simulate import (
    Anatomy,
    AnimalShape,
    HeadSettings,
    Truth,
    VirtualWorm,
    WormSettings,
    held_out_animals,
)
from napari_acll.trace import (
    EngineParts,
    EngineTraceEstimator,
    NaiveTraceEstimator,
    RatioTraceEstimator,
)
from napari_acll.training import match_nuclei, read_heads

logger = logging.getLogger("measure_traces")

RIGS = ("normal", "dim", "fast")
LIGHT = TraceSettings(corrects_light=False)
"""Recordings of these lengths have the same light on both channels: nothing to correct."""
FEWEST = 40
"""A neuron with fewer values has no correlation."""
OUTLIER_SD = 5.0
LEAST_SD = 0.02
STRAY_SHARE = 0.1
BLEACH_S = 600.0
LASER = 15 / 13
SAME = (
    "oracle",
    "naive",
    "ratio",
    "engine",
    "engine, masks",
    "engine, no unmixing",
    "engine, no memory",
    "naive, stray voxels",
    "engine, stray voxels",
    "naive, one laser changes",
    "engine, one laser changes, not corrected",
    "engine, one laser changes",
)
OWN = ("naive", "ratio", "engine", "naive, filtered", "engine, filtered")


def animals(kind: str, n: int, data: Path | None) -> Iterator[tuple[str, AnimalShape, int]]:
    """Yield names, shapes and seeds of animals that nothing was tuned on."""
    anatomy = Anatomy.load()
    if kind == "virtual":
        for number in range(n):
            rng = np.random.default_rng((93, number))
            shape = anatomy.sample(rng, head=HeadSettings.sample(rng))
            yield f"virtual {number}", shape, 9300 + number
        return
    if data is None:
        raise SystemExit("Real animals need --data.")
    wanted = held_out_animals()["SF"]
    heads = [head for head in read_heads(data / POSITIONS) if head.lab == "SF"]
    for number, head in enumerate([head for head in heads if head.animal in wanted][:n]):
        rng = np.random.default_rng((94, number))
        shape = head.shape(anatomy, rng, head=HeadSettings.sample(rng))
        yield f"SF {head.animal}", shape, 9400 + number


@dataclass(slots=True)
class Track:
    """One estimator on one kind of labels, and what it gave."""

    estimator: TraceEstimator
    n: int
    n_volumes: int
    took_s: float = 0.0
    ratio: NDArray[np.float32] = field(init=False)
    sd: NDArray[np.float32] = field(init=False)
    flags: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        self.ratio = np.full((self.n, self.n_volumes), np.nan, np.float32)
        self.sd = self.ratio.copy()
        self.flags = np.zeros(self.ratio.shape, np.uint8)

    def trace(self, volume: Volume, labeled: LabeledVolume, alignment: ChannelAlignment) -> None:
        """Take the values of a volume."""
        began_s = time.thread_time()
        sample = self.estimator.estimate(volume, labeled, alignment)
        if volume.index > 0:  # the first one compiles
            self.took_s += time.thread_time() - began_s
        if sample.status is VolumeStatus.TRACED:
            self.ratio[:, volume.index] = sample.ratio
            self.sd[:, volume.index] = sample.ratio_sd
            self.flags[:, volume.index] = sample.flags


def estimators(neurons: NeuronTable) -> dict[str, TraceEstimator]:
    """Return new estimators for all tracks."""

    def engine(**parts: bool) -> EngineTraceEstimator:
        return EngineTraceEstimator(neurons, LIGHT, parts=EngineParts(**parts))

    def naive() -> NaiveTraceEstimator:
        return NaiveTraceEstimator(neurons, LIGHT)

    same = {
        "oracle": RatioTraceEstimator(neurons, LIGHT),
        "naive": naive(),
        "ratio": RatioTraceEstimator(neurons, LIGHT),
        "engine": EngineTraceEstimator(neurons, TraceSettings()),
        "engine, masks": engine(fits_footprints=False),
        "engine, no unmixing": engine(unmixes=False),
        "engine, no memory": engine(remembers_marker=False),
        "naive, stray voxels": naive(),
        "engine, stray voxels": EngineTraceEstimator(neurons, TraceSettings()),
        "naive, one laser changes": naive(),
        "engine, one laser changes, not corrected": engine(),
        "engine, one laser changes": EngineTraceEstimator(neurons, TraceSettings()),
    }
    own = {
        f"own {name}": naive()
        if "naive" in name
        else EngineTraceEstimator(neurons, TraceSettings())
        for name in OWN
    }
    return same | own | {"own ratio": RatioTraceEstimator(neurons, LIGHT)}


def record(shape: AnimalShape, seed: int, settings: WormSettings, file: Path) -> None:
    """Render, label and trace a recording, and write the traces."""
    labeler = load_labeler(LabelSettings(device="cpu"))
    neurons = labeler.neurons
    worm = VirtualWorm(shape, settings, seed=seed)
    preprocessor = Preprocessor(worm.spec, PreprocessSettings())
    alignment = calibrated(worm, preprocessor)
    identity = EvidenceFilter(neurons=neurons)
    n, n_volumes = len(neurons), settings.n_volumes
    tracks = {name: Track(made, n, n_volumes) for name, made in estimators(neurons).items()}
    truth_ratio = np.full((n, n_volumes), np.nan, np.float32)
    right = {
        "own": np.zeros((n, n_volumes), np.bool_),
        "filtered": np.zeros((n, n_volumes), np.bool_),
    }
    for index in range(n_volumes):
        volume, truth = preprocessor.apply(worm.render(index)), worm.truth(index)
        number = np.where(truth.is_listed, truth.class_numbers(neurons), 0)
        inside = (number > 0) & truth.is_inside(volume.spec.shape)
        truth_ratio[number[inside] - 1, index] = truth.ratio[inside]
        (own,) = labeler.label([volume])
        same = named_by_truth(own, truth, number)
        kept = identity.update(own)
        for kind, labeled in (("own", own), ("filtered", kept)):
            is_right = (labeled.detections.neuron > 0) & (
                labeled.detections.neuron == same.detections.neuron
            )
            right[kind][labeled.detections.neuron[is_right] - 1, index] = True
        stray = with_stray_voxels(same, np.random.default_rng((seed, index)))
        for name, track in tracks.items():
            labeled = same
            if name == "oracle":
                true = true_labels(worm, truth, number, own)
                track.trace(volume, true, worm.alignment)
                continue
            if name.startswith("own"):
                labeled = kept if "filtered" in name else own
            elif "stray" in name:
                labeled = stray
            track.trace(changed_light(volume) if "laser" in name else volume, labeled, alignment)
    columns: dict[str, NDArray] = {
        "truth": truth_ratio,
        **{f"right {k}": v for k, v in right.items()},
    }
    for name, track in tracks.items():
        columns |= {
            f"ratio {name}": track.ratio,
            f"sd {name}": track.sd,
            f"flags {name}": track.flags,
        }
        columns[f"ms {name}"] = np.array(1e3 * track.took_s / max(n_volumes - 1, 1))
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **columns)


def calibrated(worm: VirtualWorm, preprocessor: Preprocessor) -> ChannelAlignment:
    """Return the alignment as a session finds it in the first volumes."""
    calibrator = AlignmentCalibrator(preprocessor.spec, AlignmentSettings())
    for index in range(worm.settings.n_volumes):
        calibrator.add(preprocessor.apply(worm.render(index)))
        if calibrator.is_done:
            break
    return calibrator.result()


def named_by_truth(found: LabeledVolume, truth: Truth, number: NDArray) -> LabeledVolume:
    """Return the same nuclei with the names of those that they are."""
    voxel_um = np.asarray(found.spec.voxel_size_um)
    detections = found.detections
    matched = match_nuclei(
        detections.centroid_px * voxel_um, truth.centroid_px * voxel_um, max_distance_um=MATCH_UM
    )
    neuron = np.where(matched >= 0, number[np.maximum(matched, 0)], 0).astype(np.int32)
    return replace(found, detections=replace(detections, neuron=neuron))


def true_labels(
    worm: VirtualWorm, truth: Truth, number: NDArray, like: LabeledVolume
) -> LabeledVolume:
    """Return the nuclei as they are."""
    masks = worm.instance_masks(truth.index)
    n = len(number)
    return replace(
        like,
        instances=masks,
        detections=Detections(
            centroid_px=truth.centroid_px.astype(np.float32),
            n_voxels=np.bincount(masks.ravel(), minlength=n + 1)[1:].astype(np.int32),
            neuron=number.astype(np.int32),
            probability=np.ones(n, np.float32),
            candidate_neuron=np.full((n, 5), -1, np.int32),
            candidate_probability=np.full((n, 5), np.nan, np.float32),
        ),
        is_labelable=True,
    )


def with_stray_voxels(labeled: LabeledVolume, rng: np.random.Generator) -> LabeledVolume:
    """Return labels in which a tenth of the names have voxels elsewhere, too.

    As where a network classifies voxels: a clump of 2 to 5 voxels along each axis, somewhere in
    the box around the head, belongs to another name; centers are means of all voxels.
    """
    instances = labeled.instances.copy()
    detections = labeled.detections
    center = detections.centroid_px.copy()
    if not len(detections):
        return labeled
    low, high = center.min(axis=0).astype(int), center.max(axis=0).astype(int)
    for row in np.flatnonzero((detections.neuron > 0) & (rng.random(len(center)) < STRAY_SHARE)):
        start, size = rng.integers(low, high + 1), rng.integers(2, 6, 3)
        box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        n_own = max(int(detections.n_voxels[row]), 1)
        n_stray = int(size.prod())
        instances[box] = row + 1
        middle = start + (size - 1) / 2
        center[row] = (n_own * center[row] + n_stray * middle) / (n_own + n_stray)
    return replace(
        labeled, instances=instances, detections=replace(detections, centroid_px=center)
    )


def changed_light(volume: Volume) -> Volume:
    """Return the volume as it were if the activity's laser bleached and was turned up once."""
    time_s = volume.timestamp_s
    light = np.exp(-time_s / BLEACH_S) * (LASER if volume.index >= 60 else 1.0)
    above = volume.activity.astype(np.float32) - volume.activity_background
    counts = np.clip(volume.activity_background + light * above, 0, 65535).astype(np.uint16)
    return replace(volume, activity=counts)


def scores(
    saved: dict[str, NDArray], track: str, reference: str, rows: NDArray
) -> dict[str, NDArray]:
    """Return per neuron correlation, and per sample what is an outlier.

    Parameters
    ----------
    saved : dict
        What `record` wrote.
    track : str
        Which estimator and labels.
    reference : str
        The track whose scatter is the yardstick of outliers.
    rows : ndarray of bool, shape (n, n_volumes)
        Samples that count.
    """
    truth = saved["truth"].astype(np.float64)
    ratio = np.where(rows, saved[f"ratio {track}"].astype(np.float64), np.nan)
    given = rows & ~np.isnan(ratio)
    r = np.full(len(ratio), np.nan)
    scatter = relative(saved[f"ratio {reference}"].astype(np.float64), truth)
    sd = np.maximum(1.4826 * np.nanmedian(np.abs(scatter), axis=1), LEAST_SD)
    away = relative(ratio, truth)
    is_bad = given & ~(ratio > 0) | (given & np.isinf(ratio))
    for row in range(len(ratio)):
        use = given[row] & np.isfinite(ratio[row])
        if use.sum() >= FEWEST:
            r[row] = np.corrcoef(ratio[row, use], truth[row, use])[0, 1]
    marked = (saved[f"flags {track}"] & 3) > 0
    with np.errstate(invalid="ignore"):
        outlier = given & ((np.abs(away) > OUTLIER_SD * sd[:, None]) | is_bad)
        gross = given & ((away > 1.0) | (away < -0.5) | is_bad)
    return {
        "r": r,
        "given": given,
        "outlier": outlier,
        "gross": gross,
        "bad": is_bad,
        "marked": marked & given,
        "scatter": 1.4826 * np.nanmedian(np.abs(away), axis=1),
        "z": away * ratio / saved[f"sd {track}"],
    }


def relative(ratio: NDArray, truth: NDArray) -> NDArray:
    """Return by what part each sample is off, each neuron over its own median."""
    with np.errstate(all="ignore"):
        share = ratio / truth
        return share / np.nanmedian(share, axis=1, keepdims=True) - 1.0


def table(files: list[Path], skip: int) -> list[dict[str, object]]:
    """Return a row of scores for each estimator and kind of labels, over all animals."""
    rows: dict[str, list[dict[str, NDArray]]] = {}
    took: dict[str, list[float]] = {}
    n_true = 0
    for file in files:
        with np.load(file) as stored:
            saved = {key: stored[key] for key in stored.files}
        is_scored = np.zeros(saved["truth"].shape, np.bool_)
        is_scored[:, skip:] = np.isfinite(saved["truth"][:, skip:])
        n_true += int(is_scored.sum())
        found = is_scored & np.isfinite(saved["ratio ratio"])
        for name in SAME:
            use = found if name == "oracle" else is_scored
            rows.setdefault(name, []).append(scores(saved, name, "oracle", use))
        for name in OWN:
            use = is_scored & saved["right filtered" if "filtered" in name else "right own"]
            rows.setdefault(f"own {name}", []).append(scores(saved, f"own {name}", "oracle", use))
            every = scores(saved, f"own {name}", "oracle", is_scored)
            rows.setdefault(f"own {name}, all names", []).append(every)
        for key, value in saved.items():
            if key.startswith("ms "):
                took.setdefault(key[3:], []).append(float(value))
    return [summary(name, of, n_true, took) for name, of in rows.items()]


def summary(
    name: str, of: list[dict[str, NDArray]], n_true: int, took: dict[str, list[float]]
) -> dict[str, object]:
    """Return one row of the table."""
    r = np.concatenate([scored["r"] for scored in of])
    r = r[np.isfinite(r)]
    total = {
        key: sum(int(scored[key].sum()) for scored in of)
        for key in ("given", "outlier", "gross", "bad", "marked")
    }
    left = sum(int((scored["outlier"] & ~scored["marked"]).sum()) for scored in of)
    gross_left = sum(int((scored["gross"] & ~scored["marked"]).sum()) for scored in of)
    per_1000 = 1000 / max(total["given"], 1)
    z = np.concatenate([scored["z"][scored["given"]] for scored in of])
    z = z[np.isfinite(z)]
    return {
        "name": name,
        "n": len(r),
        "median_r": float(np.median(r)) if len(r) else float("nan"),
        "p10_r": float(np.quantile(r, 0.1)) if len(r) else float("nan"),
        "scatter": float(np.nanmedian(np.concatenate([scored["scatter"] for scored in of]))),
        "outliers": total["outlier"] * per_1000,
        "outliers_unmarked": left * per_1000,
        "gross": total["gross"] * per_1000,
        "gross_unmarked": gross_left * per_1000,
        "impossible": total["bad"] * per_1000,
        "marked": total["marked"] * per_1000,
        "coverage": 100 * total["given"] / max(n_true, 1),
        "z": float(1.4826 * np.median(np.abs(z))) if len(z) else float("nan"),
        "ms": float(np.mean(took[name])) if name in took else float("nan"),
    }


def main() -> None:
    """Record what is not there yet, score all and print."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the real data")
    parser.add_argument("--kind", choices=("held_out", "virtual"), default="virtual")
    parser.add_argument("--n", type=int, default=8, help="animals")
    parser.add_argument("--volumes", type=int, default=200, help="of each recording")
    parser.add_argument("--rig", choices=RIGS, default="normal")
    parser.add_argument("--skip", type=int, default=10, help="volumes that are not scored")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--only-print", action="store_true", help="score what is there")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    folder = arguments.cache / arguments.rig
    if not arguments.only_print:
        settings = rig(arguments.rig, arguments.volumes)
        for name, shape, seed in animals(arguments.kind, arguments.n, arguments.data):
            file = folder / f"{name.replace(' ', '_')}_{arguments.volumes}.npz"
            if not file.exists():
                record(shape, seed, settings, file)
                logger.info("%s", file)
    files = sorted(folder.glob("*.npz"))
    rows = table(files, arguments.skip)
    logger.info("%s: %d animals", arguments.rig, len(files))
    for row in rows:
        shown = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
        logger.info("%s", shown)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
