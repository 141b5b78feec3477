"""Where a template of nuclei lies in one volume."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from napari_acll.identity._warp import fit_warp

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Pairs: TypeAlias = tuple[Integers, Integers]
"""Rows of the template and of a volume, pair by pair."""

_GATES_UM = (4.0, 3.0, 2.5)
"""Greatest distance of a match, round by round: each round knows the motion better."""
_LEAST_SHARE = 0.4
"""Part of the nuclei that must be found again; with less the motion is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """How a template lies in a volume.

    Parameters
    ----------
    rows : ndarray of int64, shape (m,)
        Row of the template of each nucleus of the volume, -1 where none.
    place_um : ndarray of float64, shape (n, 3)
        Where the template's nuclei should be in the volume.
    """

    rows: Integers
    place_um: Floats

    def renumbered(self, new: Integers, is_kept: NDArray[np.bool_]) -> "Placed":
        """Return the same after nuclei of the template were dropped or merged.

        Parameters
        ----------
        new : ndarray of int64, shape (n,)
            New row of each nucleus of the template, -1 for one that is dropped.
        is_kept : ndarray of bool, shape (n,)
            Which of them keep a row of their own.
        """
        rows = np.where(self.rows >= 0, new[self.rows], -1)
        return Placed(rows, self.place_um[is_kept[: len(self.place_um)]])


def place(
    template_um: Floats, found_um: Floats, *, names: Pairs, near: Placed | None
) -> Placed | None:
    """Return how a template lies in a volume; None if that cannot be told.

    Tried are the nuclei with the same name, how it lay in a volume near in time, and the template
    as it is, moved over the volume; what fits best holds.

    Parameters
    ----------
    template_um : ndarray of float64, shape (n, 3)
        Places of the template's nuclei.
    found_um : ndarray of float64, shape (m, 3)
        Places of the volume's nuclei.
    names : tuple of ndarray
        Pairs that have the same name.
    near : Placed, optional
        How it lay in a volume near in time; of the first rows of the template.
    """
    if not len(found_um) or not len(template_um):
        return None
    starts = [names, _over(template_um, found_um)]
    if near is not None:
        starts.append(_over(near.place_um, found_um))
        starts.append(_neighbors(near.place_um, found_um, _GATES_UM[0]))
    fits = [_refined(template_um, found_um, start) for start in starts]
    place_um = min(fits, key=lambda moved: _misfit(moved, found_um))
    rows, columns = _one_to_one(place_um, found_um)
    if len(columns) < _LEAST_SHARE * min(len(template_um), len(found_um)):
        return None
    matched = np.full(len(found_um), -1, np.int64)
    matched[columns] = rows
    return Placed(matched, place_um)


def same_names(votes: Floats, neuron: NDArray[np.integer]) -> Pairs:
    """Return pairs of template nuclei and detections that have the same name.

    Parameters
    ----------
    votes : ndarray of float64, shape (n, k + 1)
        How often each nucleus of the template had each name.
    neuron : ndarray of int, shape (m,)
        Names of a volume's nuclei, 0 for none.
    """
    if not len(votes):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    columns = np.flatnonzero(neuron > 0)
    rows = votes[:, neuron[columns]].argmax(0)  # the nucleus that has the name most often
    has_it = votes[rows].argmax(1) == neuron[columns]
    has_it &= votes[rows, neuron[columns]] > 0
    return rows[has_it], columns[has_it]


def _over(place_um: Floats, found_um: Floats) -> Pairs:
    """Return neighbors after the middle of one was moved over that of the other."""
    centered_um = place_um + np.median(found_um, 0) - np.median(place_um, 0)
    return _neighbors(centered_um, found_um, _GATES_UM[0])


def _refined(template_um: Floats, found_um: Floats, start: Pairs) -> Floats:
    """Return where the template's nuclei are, from a first guess at pairs.

    References
    ----------
    Besl & McKay, IEEE TPAMI 14, 239 (1992): pairs and motion by turns.
    """
    rows, columns = start
    moved_um = template_um
    for gate_um in _GATES_UM:
        warp = fit_warp(template_um[rows], found_um[columns])
        if warp is None:
            return np.full_like(template_um, np.inf)
        moved_um = warp.apply(template_um)
        rows, columns = _neighbors(moved_um, found_um, gate_um)
    return moved_um


def _misfit(moved_um: Floats, found_um: Floats) -> float:
    """Return the sum of squared distances to the nearest nucleus, far ones as far as the gate."""
    if not np.isfinite(moved_um).all():
        return np.inf
    distance, _ = cKDTree(moved_um).query(found_um)
    return float((np.minimum(distance, _GATES_UM[-1]) ** 2).sum())


def _neighbors(place_um: Floats, found_um: Floats, gate_um: float) -> Pairs:
    """Return pairs of which each is the other's nearest."""
    distance = cdist(place_um, found_um)
    to_found, to_place = distance.argmin(1), distance.argmin(0)
    rows = np.flatnonzero(to_place[to_found] == np.arange(len(place_um)))
    columns = to_found[rows]
    is_near = distance[rows, columns] < gate_um
    return rows[is_near], columns[is_near]


def _one_to_one(place_um: Floats, found_um: Floats) -> Pairs:
    """Return the pairs with the least sum of squared distances.

    References
    ----------
    Kuhn, Naval Research Logistics 2, 83 (1955).
    """
    if not np.isfinite(place_um).all():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    gate_um = _GATES_UM[-1]
    distance = cdist(place_um, found_um)
    rows, columns = linear_sum_assignment(np.minimum(distance, gate_um) ** 2)
    is_near = distance[rows, columns] < gate_um
    return rows[is_near], columns[is_near]
