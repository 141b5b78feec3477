"""Which detection is which nucleus."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def match_nuclei(
    found_um: NDArray[np.floating], true_um: NDArray[np.floating], *, max_distance_um: float
) -> NDArray[np.int64]:
    """Return the row of the true nucleus that each detection is, -1 where it is none.

    One to one, with the least sum of distances.

    Parameters
    ----------
    found_um, true_um : ndarray of float, shape (n, 3) and (m, 3)
        Positions in um.
    max_distance_um : float
        Farther pairs are none.
    """
    matched = np.full(len(found_um), -1, np.int64)
    if not len(found_um) or not len(true_um):
        return matched
    distance = cdist(found_um, true_um)
    cost = np.minimum(distance, max_distance_um)
    rows, columns = linear_sum_assignment(cost)
    is_near = distance[rows, columns] < max_distance_um
    matched[rows[is_near]] = columns[is_near]
    return matched
