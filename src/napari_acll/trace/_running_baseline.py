"""F/F0: ratios over a running baseline, for whoever looks at a recording while it grows."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from napari_acll.trace._growing_columns import GrowingColumns

BASELINE_S = 60.0
"""Long enough to span the bouts of most neurons, short enough to follow bleaching."""
BASELINE_SHARE = 0.2
"""Percentile / 100 that counts as rest: a neuron may be active for most of the window."""
_FEWEST_VOLUMES = 10
_BLOCK_VOLUMES = 64
"""Volumes whose windows are sorted at once: 4 MB for 150 neurons."""


def running_baseline(
    ratio: NDArray[np.float32], start: int, stop: int, *, n_window: int
) -> NDArray[np.float32]:
    """Return the baseline of each neuron at volumes `start` to `stop`, from the past alone.

    It is the 20th percentile (the value at or below that rank) of the ratios among the last
    `n_window` volumes, that volume included.

    Parameters
    ----------
    ratio : ndarray of float32, shape (n_neurons, n_timepoints)
        NaN where absent.
    start, stop : int
        First volume, and the one after the last.
    n_window : int
        Length of the window in volumes.

    Returns
    -------
    ndarray of float32, shape (n_neurons, stop - start)
        NaN where the window has no value, or the baseline is not above 0.
    """
    first = max(0, start - n_window + 1)
    before = np.full((len(ratio), first - (start - n_window + 1)), np.nan, np.float32)
    past = np.concatenate([before, ratio[:, first:stop]], axis=1)
    ordered = np.sort(sliding_window_view(past, n_window, axis=1), axis=-1)  # NaN goes last
    n_seen = np.isfinite(ordered).sum(axis=-1)
    rank = (np.maximum(n_seen - 1, 0) * BASELINE_SHARE).astype(np.intp)
    found = np.take_along_axis(ordered, rank[..., None], axis=-1)[..., 0]
    is_usable = (n_seen > 0) & (found > 0)
    return np.where(is_usable, found, np.float32(np.nan)).astype(np.float32)


class RunningBaseline:
    """Ratios over their running baseline (F/F0), worked out for new volumes only.

    The baseline of a volume is the 20th percentile of the neuron's ratios in the 60 s that end
    with it, at least 10 volumes. It looks back only, so what was shown once stays as it was. The
    ratios themselves are not changed.

    Parameters
    ----------
    period_s : float
        Time from one volume to the next, in s.
    """

    def __init__(self, period_s: float) -> None:
        self.n_window = max(_FEWEST_VOLUMES, round(BASELINE_S / period_s))
        self._columns = GrowingColumns()

    def update(self, ratio: NDArray[np.float32], *, first: int) -> NDArray[np.float32]:
        """Return F/F0 of all volumes, having worked out those from `first` on.

        Parameters
        ----------
        ratio : ndarray of float32, shape (n_neurons, n_timepoints)
            All ratios so far, NaN where absent.
        first : int
            First volume that is new or has changed since the last call.

        Returns
        -------
        ndarray of float32, shape (n_neurons, n_timepoints)
            NaN where absent; a view that the next call writes into.
        """
        n_timepoints = ratio.shape[1]
        values = self._columns.view(*ratio.shape)
        for start in range(first, n_timepoints, _BLOCK_VOLUMES):
            stop = min(start + _BLOCK_VOLUMES, n_timepoints)
            baseline = running_baseline(ratio, start, stop, n_window=self.n_window)
            values[:, start:stop] = ratio[:, start:stop] / baseline
        return values
