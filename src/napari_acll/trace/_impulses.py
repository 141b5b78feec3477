"""Single samples that are far from the recent past."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RECENT_VOLUMES = 7
"""The past that a sample is compared with: 4 s, as long as a fast transient."""
_FEWEST = 4
_LIMIT_SD = 4.0
_LEAST_CHANGE = 0.2
"""Smaller changes of the ratio, relative to its recent median, are never called impulses."""
_MEDIAN_TO_SD = 1.4826


class Impulses:
    """Tells which samples jump away from the last few of their neuron.

    A sample is an impulse if it differs from the median of the last 7 by more than 4 SD, these
    being the robust spread of the 7 and the sample's own noise together, and by more than 20 %.
    Whether the next samples follow it is not known yet: the onset of a very fast transient is
    marked, too, for a few volumes. Nothing is deleted.

    Parameters
    ----------
    n_neurons : int
        Neurons of the model.
    """

    def __init__(self, n_neurons: int) -> None:
        self._recent = np.full((n_neurons, RECENT_VOLUMES), np.nan)

    def judge(self, ratio: Floats, ratio_sd: Floats) -> NDArray[np.bool_]:
        """Return which samples of a volume are impulses; nothing is learned from it.

        Parameters
        ----------
        ratio, ratio_sd : ndarray of float64, shape (n_neurons,)
            Values and their SD; NaN where absent.
        """
        n_known = np.isfinite(self._recent).sum(axis=1)
        rows = np.flatnonzero((n_known >= _FEWEST) & np.isfinite(ratio))
        is_impulse = np.zeros(len(ratio), np.bool_)
        recent = self._recent[rows]
        usual = _medians(recent, n_known[rows])
        spread = _MEDIAN_TO_SD * _medians(np.abs(recent - usual[:, None]), n_known[rows])
        limit = _LIMIT_SD * np.hypot(spread, np.nan_to_num(ratio_sd[rows]))
        away = np.abs(ratio[rows] - usual)
        is_impulse[rows] = away > np.maximum(limit, _LEAST_CHANGE * np.abs(usual))
        return is_impulse

    def learn(self, ratio: Floats) -> None:
        """Take the ratios of a volume in."""
        rows = np.flatnonzero(np.isfinite(ratio))
        self._recent[rows, :-1] = self._recent[rows, 1:]
        self._recent[rows, -1] = ratio[rows]


def _medians(values: Floats, n_known: NDArray[np.int64]) -> Floats:
    """Return the lower median of each row, NaN left out; numpy's is slow on short rows."""
    ordered = np.sort(values, axis=1)  # NaN goes last
    return np.take_along_axis(ordered, (n_known - 1)[:, None] // 2, axis=1)[:, 0]
