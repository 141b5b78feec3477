"""Counts that add up over volumes and animals."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from napari_acll.core import NOVELTY_LIMIT
from napari_acll.evaluation._bins import bin_sums, per_volume
from napari_acll.evaluation._errors_of_names import OUTCOMES, ListedNuclei, Outcome
from napari_acll.evaluation._nuclei import Bools, Floats, Ints
from napari_acll.evaluation._pairs import Kind, Pairs
from napari_acll.evaluation._switches import count_switches

VolumeCounts: TypeAlias = Mapping[str, Ints]
"""One count per volume under each name."""
AnimalCounts: TypeAlias = Mapping[str, float]
"""One sum under each name."""


def volume_counts(pairs: Pairs, *, confident: float) -> VolumeCounts:
    """Return what is counted in each volume.

    Parameters
    ----------
    pairs : Pairs
        The recording.
    confident : float
        Probability from which on a name counts as confident.
    """
    nuclei, found = _nuclei(pairs), _detections(pairs, confident)
    volumes = pairs.volumes.scored
    counts = {name: per_volume(rows, pairs.true_volume, volumes) for name, rows in nuclei.items()}
    counts |= {name: per_volume(rows, pairs.volume, volumes) for name, rows in found.items()}
    counts["n_volumes"] = np.ones(len(volumes), np.int64)
    return counts | _warnings(pairs)


def _warnings(pairs: Pairs) -> dict[str, Ints]:
    """Return which volumes were looked at for novelty, and which were found to be odd."""
    novelty = pairs.volumes.novelty
    if novelty is None:
        novelty = np.full(len(pairs.volumes.scored), np.nan)
    return {
        "n_looked_at": np.isfinite(novelty).astype(np.int64),
        "n_warned": (novelty >= NOVELTY_LIMIT).astype(np.int64),
    }


def _nuclei(pairs: Pairs) -> dict[str, Bools]:
    """Return which nuclei count for what."""
    kind, complete = pairs.kind, pairs.is_complete
    return {
        "n_listed": kind == Kind.LISTED,
        "n_unlisted": kind == Kind.UNLISTED,
        "n_nameless": (kind == Kind.NAMELESS) & complete,
        "n_true": np.full(len(kind), complete),
    }


def _detections(pairs: Pairs, confident: float) -> dict[str, Bools]:
    """Return which detections count for what."""
    complete = pairs.is_complete
    kind = pairs.at_detection(pairs.kind, missing=-1)
    named, right = pairs.is_named, pairs.is_right
    sure = named & (pairs.probability >= confident)
    listed, unlisted = kind == Kind.LISTED, kind == Kind.UNLISTED
    nameless, false = (kind == Kind.NAMELESS) & complete, (kind == -1) & complete
    return {
        "n_found": np.full(len(kind), complete),
        "n_matched": pairs.is_match & complete,
        "n_centered": pairs.is_match,
        "n_named": named,
        "n_confident": sure,
        "n_judged": named & complete,
        "n_judged_right": right & complete,
        "n_judged_confident": sure & complete,
        "n_judged_confident_right": sure & right & complete,
        "n_listed_found": listed,
        "n_listed_named": listed & named,
        "n_right": listed & right,
        "n_ranked": listed & pairs.knows_3,
        "n_right_in_3": listed & pairs.knows_3 & pairs.is_in_3,
        "n_listed_confident": listed & sure,
        "n_confident_right": listed & sure & right,
        "n_unlisted_found": unlisted,
        "n_unlisted_confident_right": unlisted & sure & right,
        "n_unlisted_confident_wrong": unlisted & sure & ~right,
        "n_nameless_found": nameless,
        "n_nameless_confident": nameless & sure,
        "n_false": false,
        "n_false_confident": false & sure,
        "n_duplicates": _is_repeated(pairs),
    }


def _is_repeated(pairs: Pairs) -> Bools:
    """Whether a name stood in the volume already."""
    keys = pairs.volume * (int(pairs.given.max(initial=0)) + 1) + pairs.given
    _, first = np.unique(keys, return_index=True)
    is_first = np.zeros(len(keys), bool)
    is_first[first] = True
    return pairs.is_named & ~is_first


def animal_counts(
    pairs: Pairs, counts: VolumeCounts, listed: ListedNuclei, other_side: Ints, *, confident: float
) -> AnimalCounts:
    """Return what is counted of an animal.

    Parameters
    ----------
    pairs : Pairs
        The recording.
    counts : mapping of str to ndarray
        Its `volume_counts`.
    listed : ListedNuclei
        What became of its listed nuclei.
    other_side : ndarray of int64
        For each name, from 0 on, that of the other side or 0.
    confident : float
        Probability from which on a name counts as confident.
    """
    sums: dict[str, float] = {name: float(values.sum()) for name, values in counts.items()}
    sums["n_listed_ranked"] = sums["n_listed"] if pairs.knows_3 else 0.0
    sums["sum_distance_um"] = float(np.nansum(pairs.distance_um))
    sums["n_unknown"] = float(pairs.n_unknown)
    either = _is_either_side(listed, other_side)
    sure = listed.probability >= confident
    sums["n_right_either_side"] = float(either.sum())
    sums["n_confident_right_either_side"] = float((either & sure).sum())
    for number, outcome in enumerate(OUTCOMES):
        sums[f"outcome {outcome}"] = float((listed.outcome == number).sum())
    sums |= _switch_counts(pairs, "", 0.0)
    return sums | _switch_counts(pairs, "confident_", confident)


def _is_either_side(listed: ListedNuclei, other_side: Ints) -> Bools:
    is_other = (listed.given > 0) & (other_side[listed.given] == listed.true)
    either: Bools = is_other | (listed.outcome == OUTCOMES.index(Outcome.RIGHT))
    return either


def _switch_counts(pairs: Pairs, prefix: str, confident: float) -> dict[str, float]:
    switches = count_switches(pairs, pairs.probability >= confident)
    return {
        f"n_{prefix}steps": float(switches.n_steps),
        f"n_{prefix}switches": float(switches.n_switches),
        f"n_{prefix}name_steps": float(switches.n_name_steps),
        f"n_{prefix}jumps": float(switches.n_jumps),
    }


def reliability_sums(
    probability: Floats, is_right: Bools, edges: tuple[float, ...]
) -> dict[str, float]:
    """Return the sums over bins as counts that add up."""
    sums = bin_sums(probability, is_right, edges)
    keys = ("n", "probability", "right")
    return {
        f"bin {number} {key}": float(value)
        for key, values in zip(keys, sums, strict=True)
        for number, value in enumerate(values)
    }
