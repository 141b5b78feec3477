"""Which nucleus of a volume is which of those that are followed."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from napari_acll.identity._tracks import Tracks
from napari_acll.identity._warp import fit_warp

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Pairs: TypeAlias = tuple[Integers, Integers]
"""Rows in two tables, pair by pair."""

_NOBODY = np.zeros(0, np.int64)
_GATES_UM = (5.0, 3.5, 3.0)
"""Greatest distance of a match, round by round: each round knows the motion better."""
_LEAST_SHARE = 0.4
"""Part of the nuclei that must be found again; with less the motion is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Nuclei of a volume and those that are followed.

    Parameters
    ----------
    rows : ndarray of int64, shape (m,)
        Row of each nucleus among those that are followed, -1 for a new one.
    place_um : ndarray of float64, shape (n, 3)
        Where those that are followed should be in this volume.
    """

    rows: Integers
    place_um: Floats


def match(tracks: Tracks, found_um: Floats, neuron: NDArray[np.integer]) -> Match | None:
    """Return which nuclei of a volume are which of those that are followed.

    Nuclei with the same name in both give a first idea of the motion, however far the animal has
    gone, and nearest neighbors refine it. Names may all be wrong alike, so nearest neighbors alone
    are tried, too; what fits better holds.

    Parameters
    ----------
    tracks : Tracks
        What is followed.
    found_um : ndarray of float64, shape (m, 3)
        Places of the volume's nuclei.
    neuron : ndarray of int, shape (m,)
        Their names in this volume alone, 0 for none.

    Returns
    -------
    Match or None
        None if the motion cannot be told.
    """
    centered_um = tracks.place_um + np.median(found_um, 0) - np.median(tracks.place_um, 0)
    starts = (_of_one_name(tracks, neuron), _mutual(centered_um, found_um, _GATES_UM[0]))
    tried = [_moved(tracks.place_um, found_um, start, _GATES_UM[0]) for start in starts]
    place_um, rows, columns = min(tried, key=lambda fit: _misfit(fit, found_um))
    for gate_um in _GATES_UM[1:]:
        place_um, rows, columns = _moved(tracks.place_um, found_um, (rows, columns), gate_um)
    rows, columns = _assigned(place_um, found_um, _GATES_UM[-1])
    n_recent = int((tracks.n_unseen == 0).sum())
    if len(rows) < _LEAST_SHARE * min(n_recent, len(found_um)):
        return None
    matched = np.full(len(found_um), -1, np.int64)
    matched[columns] = rows
    return Match(matched, place_um)


def _moved(
    place_um: Floats, found_um: Floats, pairs: Pairs, gate_um: float
) -> tuple[Floats, Integers, Integers]:
    """Return where nuclei have gone by the motion of pairs, and who lie together there.

    References
    ----------
    Besl & McKay, IEEE TPAMI 14, 239 (1992): pairs and motion by turns.
    """
    rows, columns = pairs
    warp = fit_warp(place_um[rows], found_um[columns])
    if warp is None:
        return place_um, _NOBODY, _NOBODY
    moved_um = warp.apply(place_um)
    return (moved_um, *_mutual(moved_um, found_um, gate_um))


def _misfit(fit: tuple[Floats, Integers, Integers], found_um: Floats) -> float:
    """Return the sum of squared distances, those of unmatched nuclei as far as the last gate."""
    moved_um, rows, columns = fit
    near = ((moved_um[rows] - found_um[columns]) ** 2).sum()
    return float(near + (len(found_um) - len(rows)) * _GATES_UM[-1] ** 2)


def _of_one_name(tracks: Tracks, neuron: NDArray[np.integer]) -> Pairs:
    """Return rows of followed and of found nuclei that have the same name."""
    _, rows, columns = np.intersect1d(tracks.neuron, neuron, return_indices=True)
    is_named = tracks.neuron[rows] > 0
    return rows[is_named], columns[is_named]


def _mutual(place_um: Floats, found_um: Floats, gate_um: float) -> Pairs:
    """Return rows of places and of found ones each of which is the nearest of the other."""
    distance = cdist(place_um, found_um, "sqeuclidean")
    columns = distance.argmin(1)
    rows = np.arange(len(columns))
    is_pair = distance.argmin(0)[columns] == rows
    is_pair &= distance[rows, columns] < gate_um**2
    return rows[is_pair], columns[is_pair]


def _assigned(place_um: Floats, found_um: Floats, gate_um: float) -> Pairs:
    """Return rows of places and of found ones that lie together, one to one, as many as can.

    References
    ----------
    Kuhn, Naval Research Logistics 2, 83 (1955).
    """
    distance = np.minimum(cdist(place_um, found_um, "sqeuclidean"), gate_um**2)
    rows, columns = linear_sum_assignment(distance)
    is_near = distance[rows, columns] < gate_um**2
    return rows[is_near], columns[is_near]
