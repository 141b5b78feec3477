"""What became of each listed nucleus, and which names stand where others belong."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from napari_acll.evaluation._nuclei import Bools, Floats, Ints
from napari_acll.evaluation._pairs import Kind, Pairs

NEIGHBOR_UM = 6.0
"""Half as far again as the median distance between neighbors: such an error is one of position."""


class Outcome(StrEnum):
    """What became of a listed nucleus."""

    RIGHT = "right"
    """It has its name."""
    SIDE = "left/right"
    """It has the name of the same neuron on the other side."""
    NEIGHBOR = "neighbor"
    """It has the name of a neuron that lies within 6 um."""
    FAR = "far"
    """It has the name of a neuron that lies farther away."""
    ABSENT = "not there"
    """It has the name of a neuron that the truth of this volume does not have."""
    UNNAMED = "no name"
    """It was found and got no name."""
    MISSED = "missed"
    """It was not found."""


OUTCOMES = tuple(Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNuclei:
    """Every listed nucleus and what became of it; one row each.

    Parameters
    ----------
    volume, true : ndarray of int64, shape (n,)
        Its volume and name.
    given : ndarray of int64, shape (n,)
        The name that it got, 0 if none.
    probability : ndarray of float64, shape (n,)
        Of that name; NaN where there is none.
    outcome : ndarray of int64, shape (n,)
        Position in `OUTCOMES`.
    distance_um : ndarray of float64, shape (n,)
        From the nucleus to the neuron whose name it got; NaN where that is not there.
    """

    volume: Ints
    true: Ints
    given: Ints
    probability: Floats
    outcome: Ints
    distance_um: Floats


def listed_nuclei(pairs: Pairs, other_side: Ints) -> ListedNuclei:
    """Return what became of each listed nucleus.

    Parameters
    ----------
    pairs : Pairs
        The recording.
    other_side : ndarray of int64
        For each name, from 0 on, that of the other side or 0.
    """
    rows = np.flatnonzero(pairs.kind == Kind.LISTED)
    detection = np.full(len(pairs.true), -1, np.int64)
    detection[pairs.nucleus[pairs.is_match]] = np.flatnonzero(pairs.is_match)
    detection = detection[rows]
    given = np.r_[pairs.given, 0][detection]
    is_right = np.r_[pairs.is_right, False][detection]
    distance_um = _distances(pairs, rows, given)
    return ListedNuclei(
        volume=pairs.true_volume[rows],
        true=pairs.true[rows],
        given=given,
        probability=np.where(given > 0, np.r_[pairs.probability, np.nan][detection], np.nan),
        outcome=_outcomes(
            is_right=is_right,
            is_side=(given > 0) & (other_side[given] == pairs.true[rows]),
            is_found=detection >= 0,
            is_named=given > 0,
            distance_um=distance_um,
        ),
        distance_um=distance_um,
    )


def _outcomes(
    *, is_right: Bools, is_side: Bools, is_found: Bools, is_named: Bools, distance_um: Floats
) -> Ints:
    """Return the first outcome that holds."""
    conditions = {
        Outcome.RIGHT: is_right,
        Outcome.SIDE: is_side,
        Outcome.MISSED: ~is_found,
        Outcome.UNNAMED: ~is_named,
        Outcome.NEIGHBOR: distance_um <= NEIGHBOR_UM,
        Outcome.FAR: np.isfinite(distance_um),
    }
    numbers = [OUTCOMES.index(outcome) for outcome in conditions]
    chosen = np.select(list(conditions.values()), numbers, OUTCOMES.index(Outcome.ABSENT))
    return np.asarray(chosen, np.int64)


def _distances(pairs: Pairs, rows: NDArray[np.intp], given: Ints) -> Floats:
    """Return how far each nucleus is from the neuron whose name it got."""
    n_names = int(max(pairs.true.max(initial=0), given.max(initial=0))) + 1
    named = np.flatnonzero(pairs.true > 0)
    keys = pairs.true_volume[named] * n_names + pairs.true[named]
    order = np.argsort(keys, kind="stable")
    wanted = pairs.true_volume[rows] * n_names + given
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), max(len(keys) - 1, 0))
    is_there = (keys[order[place]] == wanted) & (given > 0)
    gap = pairs.true_um[rows] - pairs.true_um[named[order[place]]]
    return np.where(is_there, np.linalg.norm(gap, axis=1), np.nan)
