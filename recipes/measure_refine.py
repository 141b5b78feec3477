"""Measure what names over the whole recording buy over single volumes and over the live filter.

    python recipes/measure_refine.py --cache FOLDER --kind held_out --data $ACLL_TEST_DATA
    python recipes/measure_refine.py --recorded FOLDER/normal/labels
    python recipes/measure_refine.py --tapes FOLDER/normal/tapes --skip 10

The recordings are those of `measure_identity.py`, whose cache of labels is used where it is there,
or those that `measure_traces.py` kept: their labels, or their tapes, from which the traces of the
engine are scored, too, under the names of each way. `--fit` fits the shown probabilities, also on
all animals but one for each; do that on virtual animals only.
"""

import json
import logging
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measure_identity import (
    Names,
    Recording,
    add_where,
    filtered,
    fit,
    names_of,
    parser_of,
    recordings_of,
    scores,
    tell_bins,
)
from refined_traces import Saved, recording_on, trace_rows, traced
from trace_scores import lines

from napari_acll.core import LabeledVolume, LabelSettings, NeuronTable
from napari_acll.identity import FoundNuclei, LinkedNuclei, refine_names
from napari_acll.label import load_labeler

logger = logging.getLogger("measure_refine")

Given = tuple[Recording, list[LabeledVolume]]
WAYS = ("alone", "filtered", "refined")


def refined(
    recording: Recording, neurons: NeuronTable
) -> tuple[list[LabeledVolume], LinkedNuclei, float]:
    """Return the volumes with the names of the whole recording, its nuclei, and ms per volume."""
    began_s = time.thread_time()
    volumes = []
    for labeled in recording.labeled:
        found = labeled.detections
        place_um = found.centroid_px.astype(np.float64) * np.asarray(labeled.spec.voxel_size_um)
        volumes.append(FoundNuclei(place_um=place_um, detections=found))
    names = refine_names(volumes, len(neurons))
    took_ms = 1e3 * (time.thread_time() - began_s) / len(volumes)
    result = [
        replace(labeled, detections=found)
        for labeled, found in zip(recording.labeled, names.detections, strict=True)
    ]
    return result, names.nuclei, took_ms


def link_scores(recording: Recording, nuclei: LinkedNuclei) -> dict[str, float]:
    """Return how well detections are linked, in %, by the listed neurons.

    `pure`: detections of a nucleus that are of its commonest neuron; `whole`: detections of a
    neuron that are of its commonest nucleus; `nuclei_per_neuron`: nuclei that a neuron stands in.
    """
    rows, true = np.concatenate(nuclei.rows), np.concatenate(recording.true)
    is_known = true > 0
    is_linked = is_known & (rows >= 0)
    counts = np.zeros((len(nuclei), int(true.max()) + 1))
    np.add.at(counts, (rows[is_linked], true[is_linked]), 1)
    n_nuclei = (counts > 0).sum(0)
    return {
        "nuclei": float(len(nuclei)),
        "pure": 100 * counts.max(1).sum() / is_linked.sum(),
        "whole": 100 * counts.max(0).sum() / is_known.sum(),
        "nuclei_per_neuron": float(n_nuclei[n_nuclei > 0].mean()),
    }


def fitted_on_others(done: Sequence[Given]) -> Names:
    """Return all names with probabilities that were fitted on all animals but theirs."""
    parts = []
    for number, one in enumerate(done):
        gain, offset = fit([*done[:number], *done[number + 1 :]])
        names = names_of([one], 0)
        chance = np.clip(names.probability, 1e-6, 1 - 1e-6)
        logit = gain * (np.log(chance) - np.log1p(-chance)) + offset
        neuron = names.neuron + 1000 * number
        parts.append((1 / (1 + np.exp(-logit)), names.is_right, neuron))
    return Names(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: round(float(np.nanmean([row[key] for row in rows])), 1) for key in rows[0]}


def recorded(arguments: Namespace) -> Iterator[tuple[Recording, Path | None]]:
    """Yield recordings, and the tape of each that has one."""
    if arguments.tapes is None:
        yield from ((recording, None) for recording in recordings_of(arguments))
        return
    for tape in sorted(path for path in arguments.tapes.iterdir() if path.is_dir()):
        yield recording_on(tape), tape


def parser() -> ArgumentParser:
    """Return a parser of which recordings to score."""
    parser = parser_of(__doc__ or "", volumes=60, skip=0)
    where = add_where(parser)
    where.add_argument("--tapes", type=Path, help="`tapes` folder of `measure_traces.py`")
    parser.add_argument("--fit", action="store_true", help="fit the shown probabilities, too")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser


def main() -> None:
    """Draw, label, refine, score and print."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = parser().parse_args()
    neurons = load_labeler(LabelSettings(device="cpu")).neurons
    rows: list[dict[str, Any]] = []
    traces: list[Saved] = []
    done: dict[str, list[Given]] = {way: [] for way in WAYS}
    for recording, tape in recorded(arguments):
        after, nuclei, took_ms = refined(recording, neurons)
        live, _ = filtered(recording, neurons)
        named = dict(zip(WAYS, (recording.labeled, live, after), strict=True))
        row: dict[str, Any] = {"animal": recording.animal}
        for way, labeled in named.items():
            row[way] = scores(recording, labeled, arguments.skip)
            done[way].append((recording, labeled))
        row["links"] = link_scores(recording, nuclei) | {"ms": took_ms}
        rows.append(row)
        logger.info(
            "%s: right %s", recording.animal, {way: round(row[way]["right"], 1) for way in WAYS}
        )
        if tape is not None:
            traces.append(traced(tape, neurons, named))
    for key in (*WAYS, "links"):
        logger.info("mean %s %s", key, _mean([row[key] for row in rows]))
    for way in WAYS:
        tell_bins(way, names_of(done[way], arguments.skip))
    of_traces = trace_rows(traces, WAYS, arguments.skip) if traces else []
    if of_traces:
        logger.info("%s", "\n".join(lines(of_traces)))
    if arguments.fit:
        logger.info("gain %.3f, offset %.3f on top of those that are set", *fit(done["refined"]))
        if len(done["refined"]) > 1:
            tell_bins("fitted on all animals but the one", fitted_on_others(done["refined"]))
    if arguments.out:
        text = json.dumps({"names": rows, "traces": of_traces}, indent=1)
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
