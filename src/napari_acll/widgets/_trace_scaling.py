"""The range over which each neuron's values are drawn, by heat map and lines alike."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_acll.widgets._trace_view import TraceValues

_SAMPLED_COLUMNS = 256
_GROWTH = 1.15
_QUIET_SHARE = 0.5
"""A neuron's range is at least this part of its median: noise is not blown up to a signal."""
_LOWEST_SD, _HIGHEST_SD = -2.0, 4.0
"""Activity of neurons is skewed: the rare high values are the interesting ones."""
Ranges: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]


def robust_ranges(ratio: NDArray[np.float32]) -> Ranges:
    """Return the low and high end of each neuron's ratios.

    Parameters
    ----------
    ratio : ndarray of float32, shape (n_neurons, n_timepoints)
        NaN where absent.

    Returns
    -------
    low, high : ndarray of float32, shape (n_neurons,)
        2nd and 98th percentile, at least half a median apart; 0 and 1 for a neuron never seen.
    """
    step = max(1, -(-ratio.shape[1] // _SAMPLED_COLUMNS))
    ordered = np.sort(ratio[:, ::step], axis=1)  # NaN goes last
    n_seen = np.isfinite(ordered).sum(axis=1)
    low, middle, high = (_at_share(ordered, n_seen, share) for share in (0.02, 0.5, 0.98))
    high = np.maximum(high, low + np.maximum(np.abs(middle) * _QUIET_SHARE, 1e-6))
    never = n_seen == 0
    return np.where(never, 0, low), np.where(never, 1, high)


def _at_share(
    ordered: NDArray[np.float32], n_seen: NDArray[np.intp], share: float
) -> NDArray[np.float32]:
    column = np.round(np.maximum(n_seen - 1, 0) * share).astype(np.intp)
    found: NDArray[np.float32] = ordered[np.arange(len(ordered)), column]
    return np.where(n_seen > 0, found, np.float32(0))


def common_ranges(values: NDArray[np.float32]) -> Ranges:
    """Return one range for all neurons, so that heights can be compared between them.

    Parameters
    ----------
    values : ndarray of float32, shape (n_neurons, n_timepoints)
        NaN where absent.

    Returns
    -------
    low, high : ndarray of float32, shape (n_neurons,)
        Median of the neurons' low ends, and the high end that nine of ten neurons stay below; 0
        and 1 if none was ever seen.
    """
    low, high = robust_ranges(values)
    is_seen = np.isfinite(values).any(axis=1)
    if not is_seen.any():
        return low, high
    lowest, highest = np.median(low[is_seen]), np.percentile(high[is_seen], 90)
    return np.full_like(low, lowest), np.full_like(high, max(highest, lowest + 1e-6))


def z_score_ranges(ratio: NDArray[np.float32]) -> Ranges:
    """Return the ratios at 2 standard deviations below and 4 above each neuron's mean.

    Parameters
    ----------
    ratio : ndarray of float32, shape (n_neurons, n_timepoints)
        NaN where absent.

    Returns
    -------
    low, high : ndarray of float32, shape (n_neurons,)
        0 and 1 for a neuron seen less than twice, or that never changes.
    """
    is_seen = np.isfinite(ratio)
    n_seen = is_seen.sum(axis=1)
    known = np.where(is_seen, ratio, 0).astype(np.float64)
    mean = known.sum(axis=1) / np.maximum(n_seen, 1)
    squares = np.where(is_seen, (known - mean[:, None]) ** 2, 0).sum(axis=1)
    deviation = np.sqrt(squares / np.maximum(n_seen - 1, 1))
    has_range = (n_seen > 1) & (deviation > 0)
    low = np.where(has_range, mean + _LOWEST_SD * deviation, 0)
    high = np.where(has_range, mean + _HIGHEST_SD * deviation, 1)
    return low.astype(np.float32), high.astype(np.float32)


_RANGES: dict[TraceValues, Callable[[NDArray[np.float32]], Ranges]] = {
    TraceValues.RATIO: robust_ranges,
    TraceValues.OVER_BASELINE: common_ranges,
    TraceValues.Z_SCORE: z_score_ranges,
    TraceValues.DECONVOLVED: common_ranges,
}


class TraceScaling:
    """Ranges that are renewed as the recording grows, ever more rarely.

    `generation` counts the renewals, so that a view knows when all its columns changed.

    Parameters
    ----------
    values : TraceValues
        What is drawn, which decides the ranges.
    """

    def __init__(self, values: TraceValues = TraceValues.RATIO) -> None:
        self.values = values
        self.generation = 0
        self.low: NDArray[np.float32] = np.zeros(0, np.float32)
        self.high: NDArray[np.float32] = np.zeros(0, np.float32)
        self._renew_at = 1

    def update(self, ratio: NDArray[np.float32]) -> None:
        """Renew the ranges if the recording has grown enough since the last time."""
        n_timepoints = ratio.shape[1]
        if n_timepoints < self._renew_at and len(self.low) == len(ratio):
            return
        self.low, self.high = _RANGES[self.values](ratio)
        self._renew_at = max(n_timepoints + 4, int(n_timepoints * _GROWTH))
        self.generation += 1

    def sentence(self) -> str:
        """Return what the height of one row stands for."""
        if self.values is TraceValues.Z_SCORE:
            return f"row: {_LOWEST_SD:+.0f} to {_HIGHEST_SD:+.0f} sd"
        if self.values is TraceValues.RATIO or not len(self.low):
            return "row: own range"
        return f"row: {self.low[0]:.2f} to {self.high[0]:.2f}"

    def normalized(
        self, ratio: NDArray[np.float32], rows: NDArray[np.intp] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return values as 0 (low) to 1 (high) of each neuron's range, NaN where absent.

        Parameters
        ----------
        ratio : ndarray of float32, shape (n_rows, n_timepoints)
            Ratios of the neurons of `rows`.
        rows : ndarray of int or slice
            Which neurons they are.
        """
        low, high = self.low[rows, None], self.high[rows, None]
        scaled: NDArray[np.float32] = (ratio - low) / (high - low)
        return scaled

    def in_ranges(
        self, length: NDArray[np.float32], rows: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Return differences of values in parts of each neuron's range.

        Parameters
        ----------
        length : ndarray of float32, shape (n_rows, n_timepoints)
            Differences, such as standard deviations.
        rows : ndarray of int
            Of which neurons.
        """
        scaled: NDArray[np.float32] = length / (self.high[rows, None] - self.low[rows, None])
        return scaled
