"""Running statistics of many values at once, at the same cost for each new one."""

import numpy as np
from numpy.typing import NDArray

MEMORY_VOLUMES = 200
"""Weights of past volumes fall by e over this many: 2 minutes, some changes of behavior."""
_DECAY = np.exp(-1.0 / MEMORY_VOLUMES)


class RunningMoments:
    """Exponentially weighted mean and variance of each of `n` values that may be NaN.

    Parameters
    ----------
    n : int
        How many values.

    Attributes
    ----------
    n : ndarray of int64, shape (n,)
        How often each had a value.
    mean : ndarray of float64, shape (n,)
        0 where there was none.
    """

    def __init__(self, n: int) -> None:
        self.n = np.zeros(n, np.int64)
        self.mean = np.zeros(n)
        self._weight = np.zeros(n)
        self._squares = np.zeros(n)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance of each value, 0 where there was none."""
        return self._squares / np.maximum(self._weight, 1.0)

    def add(self, values: NDArray[np.floating]) -> None:
        """Take one of each; those that are not finite change nothing."""
        has_value = np.isfinite(values)
        new = np.asarray(values, np.float64)[has_value]
        self.n[has_value] += 1
        weight = self._weight[has_value] * _DECAY + 1.0
        mean = self.mean[has_value]
        step = new - mean
        self._weight[has_value] = weight
        self.mean[has_value] = mean + step / weight
        self._squares[has_value] = self._squares[has_value] * _DECAY + step * (
            new - self.mean[has_value]
        )


class RunningCorrelation:
    """Exponentially weighted correlation of `n` pairs of values that may be NaN.

    Parameters
    ----------
    n : int
        How many pairs.

    Attributes
    ----------
    n : ndarray of int64, shape (n,)
        How often both of a pair had a value.
    """

    def __init__(self, n: int) -> None:
        self.n = np.zeros(n, np.int64)
        self._weight = np.zeros(n)
        self._mean = np.zeros((2, n))
        self._squares = np.zeros((2, n))
        self._products = np.zeros(n)

    def add(self, first: NDArray[np.floating], second: NDArray[np.floating]) -> None:
        """Take one of each pair; where either is not finite, nothing changes."""
        both = np.stack([first, second]).astype(np.float64)
        has_both = np.isfinite(both).all(axis=0)
        new = both[:, has_both]
        self.n[has_both] += 1
        weight = self._weight[has_both] * _DECAY + 1.0
        step = new - self._mean[:, has_both]
        mean = self._mean[:, has_both] + step / weight
        self._weight[has_both] = weight
        self._mean[:, has_both] = mean
        self._squares[:, has_both] = self._squares[:, has_both] * _DECAY + step * (new - mean)
        self._products[has_both] = self._products[has_both] * _DECAY + step[0] * (new[1] - mean[1])

    @property
    def value(self) -> NDArray[np.float64]:
        """Correlation of each pair, -1 to 1; NaN where one of both never changed."""
        scale = np.sqrt(self._squares[0] * self._squares[1])
        missing = np.full_like(scale, np.nan)
        found: NDArray[np.float64] = np.divide(self._products, scale, out=missing, where=scale > 0)
        return found
