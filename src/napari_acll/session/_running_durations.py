"""Quantiles of durations without keeping them."""

import math

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Durations

_SHORTEST_S, _LONGEST_S = 1e-6, 1e4
_STEP = 0.02
"""Width of a bin: its middle is at most 1 % away from whatever is in it."""
_N_BINS = math.ceil(math.log(_LONGEST_S / _SHORTEST_S) / _STEP)


class RunningDurations:
    """Counts durations in bins of 2 %, however many there are."""

    def __init__(self) -> None:
        self._counts = np.zeros(_N_BINS, np.int64)
        self._max_s = -math.inf

    def add(self, duration_s: float) -> None:
        """Count one; one that is not known does not count."""
        if not math.isfinite(duration_s):
            return
        position = math.log(max(duration_s, _SHORTEST_S) / _SHORTEST_S) / _STEP
        self._counts[min(int(position), _N_BINS - 1)] += 1
        self._max_s = max(self._max_s, duration_s)

    def summary(self) -> Durations:
        """Return their number, median, 99th percentile and maximum."""
        below = self._counts.cumsum()
        n = int(below[-1])
        if n == 0:
            return Durations()
        p50_s, p99_s = (self._quantile_s(below, math.ceil(q * n)) for q in (0.5, 0.99))
        return Durations(n=n, p50_s=p50_s, p99_s=p99_s, max_s=self._max_s)

    def _quantile_s(self, below: NDArray[np.int64], n: int) -> float:
        middle = int(np.searchsorted(below, n)) + 0.5
        return min(_SHORTEST_S * math.exp(middle * _STEP), self._max_s)
