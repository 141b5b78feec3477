"""How good traces are: oracle, naive, ratio and engine side by side, on virtual recordings.

Run by hand::

    python recipes/measure_traces.py --data $ACLL_TEST_DATA --kind held_out --n 8 --cache FOLDER
    python recipes/measure_traces.py --kind virtual --n 4 --rig dim --cache FOLDER
    python recipes/measure_traces.py --cache FOLDER --rig normal --only-print
    python recipes/measure_identity.py --recorded FOLDER/normal/labels --skip 15

Recordings are rendered and labeled with the bundled model volume by volume, once, onto tapes (see
`trace_tape.py`), and traced from there by all estimators at once; delete the `*.npz` files beside
the tapes to trace them anew. What is there is not made again, so a run that was stopped goes on.
`held_out` are real animals of lab SF that no part of the model has seen, completed with virtual
nuclei; `virtual` are animals of the fitted anatomy with seeds that nothing else uses.
"""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from measure_identity import POSITIONS, columns_of, parser_of, rig
from numpy.typing import NDArray
from trace_scores import MAIN, OWN, lines, table
from trace_tape import Filmed, alignment_of, film, n_filmed, play, with_stray_voxels

from napari_acll.core import (
    ChannelAlignment,
    LabeledVolume,
    LabelSettings,
    NeuronTable,
    TraceEstimator,
    TraceSettings,
    Volume,
    VolumeStatus,
)
from napari_acll.identity import EvidenceFilter
from napari_acll.label import load_labeler
from napari_acll.simulate import Anatomy, AnimalShape, HeadSettings, held_out_animals
from napari_acll.trace import (
    EngineParts,
    EngineTraceEstimator,
    NaiveTraceEstimator,
    RatioTraceEstimator,
)
from napari_acll.training import read_heads

logger = logging.getLogger("measure_traces")

LIGHT = TraceSettings(corrects_light=False)
"""For what is compared with the whole engine."""
BLEACH_S = 600.0
LASER = 15 / 13


def animals(
    kind: str, which: Sequence[int], data: Path | None
) -> Iterator[tuple[str, AnimalShape, int]]:
    """Yield names, shapes and seeds of animals that nothing was tuned on."""
    anatomy = Anatomy.load()
    if kind == "virtual":
        for number in which:
            rng = np.random.default_rng((93, number))
            shape = anatomy.sample(rng, head=HeadSettings.sample(rng))
            yield f"virtual {number}", shape, 9300 + number
        return
    if data is None:
        raise SystemExit("Real animals need --data.")
    wanted = held_out_animals()["SF"]
    heads = [head for head in read_heads(data / POSITIONS) if head.lab == "SF"]
    heads = [head for head in heads if head.animal in wanted]
    for number in which:
        head = heads[number]
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


def estimators(neurons: NeuronTable, *, wanted: Sequence[str] = ()) -> dict[str, TraceEstimator]:
    """Return new estimators for all tracks, or for some."""

    def engine(**parts: bool) -> EngineTraceEstimator:
        return EngineTraceEstimator(neurons, LIGHT, parts=EngineParts(**parts))

    def naive() -> NaiveTraceEstimator:
        return NaiveTraceEstimator(neurons, LIGHT)

    same = {
        "naive": naive(),
        "ratio": RatioTraceEstimator(neurons, LIGHT),
        "engine": EngineTraceEstimator(neurons, TraceSettings()),
        "engine, masks": engine(fits_footprints=False),
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
    every = same | own | {"own ratio": RatioTraceEstimator(neurons, LIGHT)}
    return {name: one for name, one in every.items() if not wanted or name in wanted}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The labels of one volume in all their kinds; `own` and `filtered` have their own names."""

    same: LabeledVolume
    stray: LabeledVolume
    own: LabeledVolume
    filtered: LabeledVolume

    def of(self, track: str) -> LabeledVolume:
        """Return those that a track is about."""
        if track.startswith("own"):
            return self.filtered if "filtered" in track else self.own
        return self.stray if "stray" in track else self.same


def trace(tape: Path, seed: int, file: Path, wanted: Sequence[str]) -> None:
    """Trace a tape with all estimators, and write the traces, and the labels beside them."""
    neurons = load_labeler(LabelSettings(device="cpu")).neurons
    alignment = alignment_of(tape)
    identity = EvidenceFilter(neurons=neurons)
    n_volumes = n_filmed(tape)
    made = estimators(neurons, wanted=wanted)
    tracks = {name: Track(one, len(neurons), n_volumes) for name, one in made.items()}
    shape = (len(neurons), n_volumes)
    columns: dict[str, NDArray] = {
        "truth": np.full(shape, np.nan, np.float32),
        "right own": np.zeros(shape, np.bool_),
        "right filtered": np.zeros(shape, np.bool_),
        "ratio oracle": np.full(shape, np.nan, np.float32),
    }
    kept: dict[str, NDArray] = {}
    for filmed in play(tape):
        volume, same = filmed.volume, filmed.named_by_truth()
        rng = np.random.default_rng((seed, volume.index))
        labels = Labels(
            same=same,
            stray=with_stray_voxels(same, rng),
            own=filmed.own,
            filtered=identity.update(filmed.own),
        )
        n_inside = keep_truth(columns, filmed, labels)
        kept |= columns_of(filmed.own, filmed.true, n_inside)
        for name, track in tracks.items():
            lit = changed_light(volume) if "laser" in name else volume
            track.trace(lit, labels.of(name), alignment)
    (file.parent / "labels").mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file.parent / "labels" / file.name, **kept)
    np.savez_compressed(file, **columns, **traces_of(tracks))


def keep_truth(columns: dict[str, NDArray], filmed: Filmed, labels: Labels) -> int:
    """Write the true ratios of the neurons inside, and which names are right; return how many."""
    index, inside = filmed.volume.index, (filmed.number > 0) & filmed.is_inside
    columns["truth"][filmed.number[inside] - 1, index] = filmed.ratio[inside]
    columns["ratio oracle"][:, index] = filmed.oracle_ratio
    for kind in ("own", "filtered"):
        given = getattr(labels, kind).detections.neuron
        is_right = (given > 0) & (given == filmed.true)
        columns[f"right {kind}"][given[is_right] - 1, index] = True
    return int(inside.sum())


def traces_of(tracks: dict[str, Track]) -> dict[str, NDArray]:
    """Return what is saved of all tracks."""
    columns: dict[str, NDArray] = {}
    for name, track in tracks.items():
        columns[f"ratio {name}"], columns[f"sd {name}"] = track.ratio, track.sd
        columns[f"flags {name}"] = track.flags
        columns[f"ms {name}"] = np.array(1e3 * track.took_s / max(track.n_volumes - 1, 1))
    return columns


def changed_light(volume: Volume) -> Volume:
    """Return the volume as it were if the activity's laser bleached and was turned up once."""
    time_s = volume.timestamp_s
    light = np.exp(-time_s / BLEACH_S) * (LASER if volume.index >= 60 else 1.0)
    above = volume.activity.astype(np.float32) - volume.activity_background
    counts = np.clip(volume.activity_background + light * above, 0, 65535).astype(np.uint16)
    return replace(volume, activity=counts)


def main() -> None:
    """Record what is not there yet, score all and print."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = parser_of(__doc__, volumes=200, skip=10)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--which", type=int, nargs="+", help="numbers of animals; the first n")
    parser.add_argument(
        "--main",
        action="store_true",
        help="without parts of the engine, and labels and light that are worse",
    )
    parser.add_argument("--only-print", action="store_true", help="score what is there")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    folder = arguments.cache / arguments.rig
    if not arguments.only_print:
        settings = rig(arguments.rig, arguments.volumes)
        which = arguments.which or range(arguments.n)
        for name, shape, seed in animals(arguments.kind, which, arguments.data):
            file = folder / f"{name.replace(' ', '_')}_{arguments.volumes}.npz"
            if not file.exists():
                tape = folder / "tapes" / file.stem
                film(shape, seed, settings, tape)
                trace(tape, seed, file, MAIN if arguments.main else ())
                logger.info("%s", file)
    files = sorted(folder.glob("*.npz"))
    rows = table(files, arguments.skip)
    logger.info("%s: %d animals", arguments.rig, len(files))
    logger.info("%s", "\n".join(lines(rows)))
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
