"""Which columns of a growing trace store are new, and where they lie on the time axis."""

import numpy as np
from numpy.typing import NDArray


class ColumnWatch:
    """Tells from which volume on something has changed, by what became of the volumes.

    Volumes do not come in order: those of the calibration are traced late, skipped ones may be
    labeled at the end.
    """

    def __init__(self) -> None:
        self._status: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def first_new(self, status: NDArray[np.uint8]) -> int:
        """Return the first volume that is new or has changed since the last call.

        Call it before reading the values: a volume's status is the last that the session writes.

        Parameters
        ----------
        status : ndarray of uint8, shape (n_timepoints,)
            `VolumeStatus` of all volumes so far.

        Returns
        -------
        int
            `n_timepoints` if nothing has changed.
        """
        status = status.copy()  # the session goes on writing
        n_known = min(len(self._status), len(status))
        changed = np.flatnonzero(status[:n_known] != self._status[:n_known])
        self._status = status
        return int(changed[0]) if changed.size else n_known


def places_between(
    value: NDArray[np.float64], known: NDArray[np.float64], place: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where values lie on another axis, continued straight beyond both ends.

    Parameters
    ----------
    value : ndarray of float64, any shape
        On the first axis.
    known, place : ndarray of float64, shape (n,)
        The same n points on the first axis, increasing, and on the other.
    """
    if len(known) < 2:
        offset = place[0] - known[0] if len(known) else 0.0
        return np.asarray(value + offset, np.float64)
    inside = np.interp(value, known, place)
    first, last = known[1] - known[0], known[-1] - known[-2]
    slope_before = (place[1] - place[0]) / first if first else 0.0
    slope_after = (place[-1] - place[-2]) / last if last else 0.0
    before = np.minimum(value - known[0], 0) * slope_before
    after = np.maximum(value - known[-1], 0) * slope_after
    return np.asarray(inside + before + after, np.float64)
