"""Correlations of traces that have gaps."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.evaluation._nuclei import Floats, Ints


def correlations(left: Floats, right: Floats, *, min_shared: int) -> Floats:
    """Return Pearson's correlation of each column of one table with each of another.

    Parameters
    ----------
    left : ndarray of float64, shape (t, n)
        NaN where there is no value.
    right : ndarray of float64, shape (t, m)
        At the same timepoints.
    min_shared : int
        Timepoints that both must have.

    Returns
    -------
    ndarray of float64, shape (n, m)
        NaN where too few timepoints are shared, or a trace does not vary on them.
    """
    left, has_left = _centered(left)
    right, has_right = _centered(right)
    n = has_left.T @ has_right
    sum_left, sum_right = left.T @ has_right, has_left.T @ right
    count = np.maximum(n, 1)
    product = left.T @ right - sum_left * sum_right / count
    square_left = (left**2).T @ has_right - sum_left**2 / count
    square_right = has_left.T @ (right**2) - sum_right**2 / count
    return _ratio(product, square_left, square_right, n >= min_shared)


def lagged_correlations(left: Floats, right: Floats, lags: Ints, *, min_shared: int) -> Floats:
    """Return the correlation of each pair of columns, the right one delayed by each lag.

    Parameters
    ----------
    left, right : ndarray of float64, shape (t, n)
        NaN where there is no value.
    lags : ndarray of int, shape (l,)
        In timepoints; above 0 the right one is later: `left[i]` goes with `right[i + lag]`.
    min_shared : int
        Timepoints that both must have.

    Returns
    -------
    ndarray of float64, shape (l, n)
        NaN where too few timepoints are shared, or a trace does not vary on them.
    """
    return np.stack([_of_pairs(*_moved(left, right, int(lag)), min_shared) for lag in lags])


def _moved(left: Floats, right: Floats, lag: int) -> tuple[Floats, Floats]:
    n = max(len(left) - abs(lag), 0)
    return (left[:n], right[lag : lag + n]) if lag >= 0 else (left[-lag : n - lag], right[:n])


def _of_pairs(left: Floats, right: Floats, min_shared: int) -> Floats:
    both = np.isfinite(left) & np.isfinite(right)
    left, _ = _centered(np.where(both, left, np.nan))
    right, _ = _centered(np.where(both, right, np.nan))
    product = (left * right).sum(0)
    return _ratio(product, (left**2).sum(0), (right**2).sum(0), both.sum(0) >= min_shared)


def _centered(values: Floats) -> tuple[Floats, Floats]:
    """Return values less their means with 0 for NaN, and 1 where there is a value."""
    has = np.isfinite(values)
    mean = np.where(has, values, 0.0).sum(0) / np.maximum(has.sum(0), 1)
    return np.where(has, values - mean, 0.0), has.astype(np.float64)


def _ratio(product: Floats, one: Floats, other: Floats, is_enough: NDArray[np.bool_]) -> Floats:
    scale = np.sqrt(np.maximum(one, 0.0) * np.maximum(other, 0.0))
    is_known = is_enough & (scale > 1e-12)
    result = np.full(product.shape, np.nan)
    np.divide(product, scale, out=result, where=is_known)
    clipped: Floats = np.clip(result, -1.0, 1.0)  # rounding may lead beyond
    return clipped
