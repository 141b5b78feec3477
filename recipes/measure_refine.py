"""Measure what names over the whole recording buy over single volumes and over the live filter.

    python recipes/measure_refine.py --cache FOLDER --kind held_out --data $ACLL_TEST_DATA

The recordings are those of `measure_identity.py`, and its cache of labels is used where it is
there. `--fit` fits the shown probabilities; do that on virtual animals only.
"""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure_identity import Recording, animals, filtered, fit, parser_of, record, rig, scores

from napari_acll.core import LabeledVolume, LabelSettings, NeuronTable
from napari_acll.identity import FoundNuclei, LinkedNuclei, refine_names
from napari_acll.label import load_labeler

logger = logging.getLogger(__name__)


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


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: round(float(np.nanmean([row[key] for row in rows])), 1) for key in rows[0]}


def main() -> None:
    """Draw, label, refine, score and print."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = parser_of(__doc__, volumes=60, skip=0)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--fit", action="store_true", help="fit the shown probabilities, too")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    neurons = load_labeler(LabelSettings(device="cpu")).neurons
    settings = rig(arguments.rig, arguments.volumes)
    rows, done = [], []
    for name, shape in animals(arguments.kind, arguments.n, arguments.data):
        recording = record(name, shape, settings, arguments.cache / arguments.rig)
        after, nuclei, took_ms = refined(recording, neurons)
        live, _ = filtered(recording, neurons)
        rows.append(
            {
                "animal": name,
                "alone": scores(recording, recording.labeled, arguments.skip),
                "filtered": scores(recording, live, arguments.skip),
                "refined": scores(recording, after, arguments.skip),
                "links": link_scores(recording, nuclei) | {"ms": took_ms},
            }
        )
        done.append((recording, after))
        logger.info(
            "%s", {key: rows[-1][key]["right"] for key in ("alone", "filtered", "refined")}
        )
    for key in ("alone", "filtered", "refined", "links"):
        logger.info("mean %s %s", key, _mean([row[key] for row in rows]))
    if arguments.fit:
        logger.info("gain %.3f, offset %.3f on top of those that are set", *fit(done))
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
