"""Which nucleus of a volume is which of those that are followed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from napari_acll.identity._tracks import Tracks
from napari_acll.identity._warp import MIN_PAIRS, fit_warp

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_GATES_UM = (4.0, 3.0, 2.5)
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
    gone; nearest neighbors then refine it.

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
    rows, columns = _of_one_name(tracks, neuron)
    if len(rows) < MIN_PAIRS:
        rows, columns = _nearest(tracks.place_um, found_um, _GATES_UM[0])
    place_um = tracks.place_um
    for gate_um in _GATES_UM:
        warp = fit_warp(tracks.place_um[rows], found_um[columns])
        if warp is None:
            return None
        place_um = warp.apply(tracks.place_um)
        rows, columns = _nearest(place_um, found_um, gate_um)
    n_recent = int((tracks.n_unseen == 0).sum())
    if len(rows) < _LEAST_SHARE * min(n_recent, len(found_um)):
        return None
    matched = np.full(len(found_um), -1, np.int64)
    matched[columns] = rows
    return Match(matched, place_um)


def _of_one_name(tracks: Tracks, neuron: NDArray[np.integer]) -> tuple[Integers, Integers]:
    """Return rows of followed and of found nuclei that have the same name."""
    _, rows, columns = np.intersect1d(tracks.neuron, neuron, return_indices=True)
    is_named = tracks.neuron[rows] > 0
    return rows[is_named], columns[is_named]


def _nearest(place_um: Floats, found_um: Floats, gate_um: float) -> tuple[Integers, Integers]:
    """Return rows of places and of found ones that lie together, one to one.

    References
    ----------
    Kuhn, Naval Research Logistics 2, 83 (1955).
    """
    distance = cdist(place_um, found_um)
    rows, columns = linear_sum_assignment(np.minimum(distance, gate_um) ** 2)
    is_near = distance[rows, columns] < gate_um
    return rows[is_near], columns[is_near]
