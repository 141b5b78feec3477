"""Which detection is which nucleus."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.evaluation._nuclei import Ints


def match_nuclei(
    found_um: NDArray[np.floating], true_um: NDArray[np.floating], *, max_distance_um: float
) -> Ints:
    """Return the row of the true nucleus that each detection is, -1 where it is none.

    One to one, such that the sum of the distances is least, those of the unmatched counted as
    `max_distance_um`.

    Parameters
    ----------
    found_um, true_um : ndarray of float, shape (n, 3) and (m, 3)
        Positions in um.
    max_distance_um : float
        Farther pairs are none.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    matched = np.full(len(found_um), -1, np.int64)
    if not len(found_um) or not len(true_um):
        return matched
    distance = cdist(found_um, true_um)
    rows, columns = linear_sum_assignment(np.minimum(distance, max_distance_um))
    is_near = distance[rows, columns] < max_distance_um
    matched[rows[is_near]] = columns[is_near]
    return matched


def match_volumes(
    found_um: NDArray[np.floating],
    found_volume: NDArray[np.integer],
    true_um: NDArray[np.floating],
    true_volume: NDArray[np.integer],
    *,
    max_distance_um: float,
) -> Ints:
    """Return the row of the nucleus that each detection is, -1 where it is none, in many volumes.

    Each volume is matched by itself, as `match_nuclei` does.

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
    found, true = _rows_by_volume(found_volume), _rows_by_volume(true_volume)
    for volume, rows in found.items():
        columns = true.get(volume)
        if columns is None:
            continue
        partner = match_nuclei(found_um[rows], true_um[columns], max_distance_um=max_distance_um)
        matched[rows] = np.where(partner >= 0, columns[partner], -1)
    return matched


def _rows_by_volume(volume: NDArray[np.integer]) -> dict[int, NDArray[np.intp]]:
    order = np.argsort(volume, kind="stable")
    numbers, starts = np.unique(volume[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=False))
