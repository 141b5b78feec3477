"""Tell whether a change of the code changes names: the same volumes before and after.

Run by hand, once in each state of the code, the second time with the first's file::

    python recipes/compare_names.py --data $ACLL_TEST_DATA --cache FOLDER --out before.npz
    python recipes/compare_names.py --data $ACLL_TEST_DATA --cache FOLDER --out after.npz \
        --against before.npz

Volumes: 40 of the 8 held-out animals of lab SF (four postures each, and the first one again in a
third of the light), and 46 of as many virtual animals, half of them in the larger field, half of
these in less light; all drawn by the package's own renderer. `--backend` chooses the numbers that
the detector computes in. Nothing may be tuned on these animals.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmark_cases import Case, benchmark_cases
from benchmark_scores import Tally, summarize_tallies, tally
from benchmark_volumes import Bench
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_acll.core import Backend, Detections, Labeler, LabelSettings
from napari_acll.label import load_labeler

logger = logging.getLogger("compare_names")

Found = dict[str, NDArray]

_N_VIRTUAL = 46
_N_POSES = 4
_SAME_PX = 1.0
"""Nuclei of two states of the code that lie so close are the same."""
_MEASURES = ("right", "right_if_confident", "share_confident", "detection_f1", "refused")


def held_out(keys: list[tuple[str, str]]) -> list[Case]:
    """Return four postures of each held-out animal of lab SF, and one in a third of the light."""
    all_cases = benchmark_cases(keys, n_simulated=0, n_poses=_N_POSES, is_validation=False)
    chosen = [
        case
        for case in all_cases
        if (case.group, case.renderer, case.flavor) == ("SF", "own", "unlisted")
    ]
    return chosen + [replace(case, light=1 / 3) for case in chosen if case.pose == 0]


def virtual() -> list[Case]:
    """Return virtual animals, one volume each."""
    cases = benchmark_cases([], n_simulated=_N_VIRTUAL, n_poses=1, is_validation=False)
    return [
        replace(case, light=0.4 if number % 4 == 3 else 1.0) for number, case in enumerate(cases)
    ]


def summary(tallies: Sequence[Tally]) -> str:
    """Return the scores of one set of volumes in a line."""
    scores = summarize_tallies(tallies)
    told = ", ".join(f"{name} {scores[name]['value']:.4f}" for name in _MEASURES)  # type: ignore[index]
    return f"{len(tallies)} volumes: {told}"


def as_arrays(found: Detections) -> Found:
    """Return what is compared of a volume."""
    return {
        "centroid_px": found.centroid_px,
        "neuron": found.neuron,
        "probability": found.probability,
    }


def difference(before: Sequence[Found], after: Sequence[Found]) -> str:
    """Return how much the names of the same volumes differ."""
    n_before = n_after = n_both = n_same = 0
    moved_px, change = [], []
    for old, new in zip(before, after, strict=True):
        n_before, n_after = n_before + len(old["neuron"]), n_after + len(new["neuron"])
        if not len(old["neuron"]) or not len(new["neuron"]):
            continue
        distance, row = cKDTree(new["centroid_px"]).query(old["centroid_px"])
        is_both = distance <= _SAME_PX
        same = (old["neuron"] == new["neuron"][row])[is_both]
        n_both, n_same = n_both + int(is_both.sum()), n_same + int(same.sum())
        moved_px.append(distance[is_both])
        change.append(np.abs(old["probability"] - new["probability"][row])[is_both][same])
    moved, changed = np.concatenate(moved_px), np.concatenate(change)
    return (
        f"nuclei {n_before} before, {n_after} now, {n_both} the same; of these"
        f" {n_same / max(n_both, 1):.4%} have the same name ({n_both - n_same} differ); moved by"
        f" {moved.mean():.2g} voxels on average, {moved.max():.2g} at most; probabilities of same"
        f" names changed by {changed.mean():.2g} on average, {changed.max():.2g} at most"
    )


def label_all(labeler: Labeler, bench: Bench, cases: Sequence[Case]) -> tuple[str, list[Found]]:
    """Return the scores of a set of volumes in a line, and what was found in each."""
    tallies, found = [], []
    for case in cases:
        volume = bench.volume(case)
        (labeled,) = labeler.label([volume.rendered.volume])
        counted = tally(labeled.detections, volume, labeler.neurons)
        tallies.append(replace(counted, is_refused=not labeled.is_labelable))
        found.append(as_arrays(labeled.detections))
    return summary(tallies), found


def keys_of(title: str, number: int, one: Found) -> dict[str, str]:
    """Return under which key each array of a volume is kept."""
    return {name: f"{title} {number} {name}" for name in one}


def main() -> None:
    """Label the volumes, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--cache", type=Path, required=True, help="folder to keep volumes in")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--backend", type=Backend, default=Backend.TORCH)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    bench = Bench(given.data, given.cache)
    labeler = load_labeler(LabelSettings(backend=given.backend))
    earlier = np.load(given.against) if given.against else None
    kept: Found = {}
    for title, cases in (("held out", held_out(bench.keys)), ("virtual", virtual())):
        scores, found = label_all(labeler, bench, cases)
        logger.info("%s: %s", title, scores)
        keys = [keys_of(title, number, one) for number, one in enumerate(found)]
        for names, one in zip(keys, found, strict=True):
            kept |= {names[name]: values for name, values in one.items()}
        if earlier is not None:
            before = [{name: earlier[key] for name, key in names.items()} for names in keys]
            logger.info("%s: %s", title, difference(before, found))
    np.savez(given.out, **kept)


if __name__ == "__main__":
    main()
