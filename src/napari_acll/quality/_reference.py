"""How alike each trace is to one that a person chose."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import TraceStore
from napari_acll.quality._trace_quality import FEWEST_PAIRS

REFERENCE_VOLUMES = 500
"""Volumes that count: 5 minutes at the usual pace, so that bouts of behavior come more than once
and bleaching does not yet rule."""


def correlation_with(
    ratio: NDArray[np.float32], row: int, *, n_volumes: int = REFERENCE_VOLUMES
) -> NDArray[np.float32]:
    """Return Pearson's correlation of each trace with one of them, over the last volumes.

    Parameters
    ----------
    ratio : ndarray of float32, shape (n_neurons, n_timepoints)
        NaN where absent; a volume in which either of a pair is absent does not count for it.
    row : int
        The reference.
    n_volumes : int
        How many of the last volumes count.

    Returns
    -------
    ndarray of float32, shape (n_neurons,)
        -1 to 1; NaN where a pair has fewer than 20 volumes in common, or one of it never changes.
    """
    window = ratio[:, max(0, ratio.shape[1] - n_volumes) :]
    window = window[:, np.isfinite(window[row])].astype(np.float64)
    is_seen = np.isfinite(window)
    n = is_seen.sum(axis=1)
    count = np.maximum(n, 1)
    reference = np.where(is_seen, window[row], 0.0)
    values = np.where(is_seen, window, 0.0)
    # the mean over what a pair has in common is another one for each pair
    reference -= np.where(is_seen, (reference.sum(axis=1) / count)[:, None], 0.0)
    values -= np.where(is_seen, (values.sum(axis=1) / count)[:, None], 0.0)
    scale = np.sqrt((reference**2).sum(axis=1) * (values**2).sum(axis=1))
    found = np.full(len(ratio), np.nan)
    is_known = (n >= FEWEST_PAIRS) & (scale > 0)
    np.divide((reference * values).sum(axis=1), scale, out=found, where=is_known)
    correlation: NDArray[np.float32] = np.clip(found, -1, 1).astype(np.float32)
    return correlation


class ReferenceCorrelation:
    """Correlations with a reference, worked out once per volume whoever asks.

    Volumes of the calibration are traced late, and skipped ones may be labeled at the end, so
    what became of the volumes counts, and not only how many there are.
    """

    def __init__(self) -> None:
        self._store: TraceStore | None = None
        self._key = (-1, -1, b"")
        self._found: NDArray[np.float32] = np.zeros(0, np.float32)

    def of(self, store: TraceStore, row: int) -> NDArray[np.float32]:
        """Return what `correlation_with` says of the traces so far, shape `(n_neurons,)`."""
        status = store.status
        key = (len(status), row, status[-REFERENCE_VOLUMES:].tobytes())
        if store is not self._store or key != self._key:
            self._store, self._key = store, key
            self._found = correlation_with(store.ratio, row)
        return self._found
