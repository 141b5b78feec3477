"""The range over which each neuron's ratio is drawn, by heat map and lines alike."""

import numpy as np
from numpy.typing import NDArray

_SAMPLED_COLUMNS = 256
_GROWTH = 1.15
_QUIET_SHARE = 0.5
"""A neuron's range is at least this part of its median: noise is not blown up to a signal."""


def robust_ranges(
    ratio: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
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


class TraceScaling:
    """Ranges that are renewed as the recording grows, ever more rarely.

    `generation` counts the renewals, so that a view knows when all its columns changed.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.low: NDArray[np.float32] = np.zeros(0, np.float32)
        self.high: NDArray[np.float32] = np.zeros(0, np.float32)
        self._renew_at = 1

    def update(self, ratio: NDArray[np.float32]) -> None:
        """Renew the ranges if the recording has grown enough since the last time."""
        n_timepoints = ratio.shape[1]
        if n_timepoints < self._renew_at and len(self.low) == len(ratio):
            return
        self.low, self.high = robust_ranges(ratio)
        self._renew_at = max(n_timepoints + 4, int(n_timepoints * _GROWTH))
        self.generation += 1

    def normalized(
        self, ratio: NDArray[np.float32], rows: NDArray[np.intp] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return ratios as 0 (low) to 1 (high) of each neuron's range, NaN where absent.

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
