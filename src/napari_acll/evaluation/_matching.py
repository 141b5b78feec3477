"""Which detection is which nucleus, in many volumes at once."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.evaluation._nuclei import Floats, Ints


def match_volumes(
    found_um: NDArray[np.floating],
    found_volume: NDArray[np.integer],
    true_um: NDArray[np.floating],
    true_volume: NDArray[np.integer],
    *,
    max_distance_um: float,
) -> Ints:
    """Return the row of the nucleus that each detection is, -1 where it is none.

    One to one within each volume, and such that the sum over the volume of the distances, those of
    the unmatched counted as `max_distance_um`, is least. Only detections that compete for nuclei
    are weighed against each other, so this takes seconds for 1600 volumes of 190.

    Parameters
    ----------
    found_um, true_um : ndarray of float, shape (n, 3) and (m, 3)
        Positions in um.
    found_volume, true_volume : ndarray of int, shape (n,) and (m,)
        Number of the volume of each.
    max_distance_um : float
        Farther pairs are none.
    """
    matched = np.full(len(found_um), -1, np.int64)
    if not len(found_um) or not len(true_um):
        return matched
    rows, columns, distance = _near_pairs(
        _apart(found_um, found_volume, max_distance_um),
        _apart(true_um, true_volume, max_distance_um),
        max_distance_um,
    )
    group = _groups(rows, columns, len(found_um), len(true_um))
    if not len(group):
        return matched
    order = np.argsort(group, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(members) == 1:
            matched[rows[members[0]]] = columns[members[0]]
        else:
            _assign(matched, rows[members], columns[members], distance[members], max_distance_um)
    return matched


def _apart(
    position_um: NDArray[np.floating], volume: NDArray[np.integer], max_distance_um: float
) -> Floats:
    """Return positions with a fourth axis on which volumes are too far apart to match."""
    return np.column_stack([position_um, np.asarray(volume) * (2.0 * max_distance_um)])


def _near_pairs(found: Floats, true: Floats, max_distance_um: float) -> tuple[Ints, Ints, Floats]:
    from scipy.spatial import cKDTree

    near = cKDTree(found).sparse_distance_matrix(
        cKDTree(true), max_distance_um, output_type="ndarray"
    )
    is_near = near["v"] < max_distance_um
    return near["i"][is_near], near["j"][is_near], near["v"][is_near]


def _groups(rows: Ints, columns: Ints, n_found: int, n_true: int) -> NDArray[np.int32]:
    """Return for each pair the number of the group that competes with it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = n_found + n_true
    graph = coo_array((np.ones(len(rows), bool), (rows, columns + n_found)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    groups: NDArray[np.int32] = label[rows]
    return groups


def _assign(
    matched: Ints, rows: Ints, columns: Ints, distance: Floats, max_distance_um: float
) -> None:
    from scipy.optimize import linear_sum_assignment

    found, row = np.unique(rows, return_inverse=True)
    true, column = np.unique(columns, return_inverse=True)
    cost = np.full((len(found), len(true)), max_distance_um)
    cost[row, column] = distance
    picked_rows, picked_columns = linear_sum_assignment(cost)
    is_near = cost[picked_rows, picked_columns] < max_distance_um
    matched[found[picked_rows[is_near]]] = true[picked_columns[is_near]]
