"""The values that are drawn, worked out of the ratios a few volumes at a time."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.trace import CausalDeconvolution, RunningBaseline
from napari_acll.widgets._trace_view import TraceValues

_MOST_AT_ONCE = 5000
"""Values that are deconvolved before the screen is looked after again: some 20 ms."""


class ShownValues:
    """Keeps what is drawn of each neuron up to date with the ratios.

    Parameters
    ----------
    values : TraceValues
        What is drawn.
    period_s : float
        Time from one volume to the next, in s.

    Raises
    ------
    PluginError
        If deconvolved values are wanted, and the package for it is not installed.
    """

    def __init__(self, values: TraceValues, period_s: float) -> None:
        self._worker: RunningBaseline | CausalDeconvolution | None = None
        if values is TraceValues.OVER_BASELINE:
            self._worker = RunningBaseline(period_s)
        elif values is TraceValues.DECONVOLVED:
            self._worker = CausalDeconvolution(period_s)
        self._n_done = self._n_timepoints = 0
        self._changed: int | None = None

    @property
    def share_done(self) -> float:
        """The part of the volumes that is worked out, from 0 to 1."""
        return self._n_done / self._n_timepoints if self._n_timepoints else 1.0

    @property
    def is_behind(self) -> bool:
        """Whether the next call works out what this one was too short for."""
        return self.share_done < 1 or self._changed is not None

    @property
    def stale_from(self) -> int:
        """First volume that changed after it was worked out; the number of volumes if none did."""
        return self._n_timepoints if self._changed is None else self._changed

    def update(self, ratio: NDArray[np.float32], *, first: int) -> NDArray[np.float32]:
        """Return the values of the volumes that are worked out.

        A long recording takes several calls to be deconvolved; see `share_done`. What changes
        meanwhile behind the present volume is worked out after the last one: a session that labels
        skipped volumes late would otherwise let nothing be finished.

        Parameters
        ----------
        ratio : ndarray of float32, shape (n_neurons, n_timepoints)
            All ratios so far, NaN where absent.
        first : int
            First volume that is new or has changed since the last call.

        Returns
        -------
        ndarray of float32, shape (n_neurons, n_done)
            NaN where there is none.
        """
        begin = self._begin(first)
        self._n_timepoints = ratio.shape[1]
        self._n_done = min(self._n_timepoints, begin + self._n_at_once(len(ratio)))
        if self._worker is None:
            return ratio
        return self._worker.update(ratio[:, : self._n_done], first=begin)

    def _begin(self, first: int) -> int:
        """Return the volume to go on with, having taken note of the first that has changed."""
        if first < self._n_done:
            self._changed = min(first, self.stale_from)
        if self._changed is None or self.share_done < 1:
            return self._n_done
        begin, self._changed = self._changed, None
        return begin

    def _n_at_once(self, n_neurons: int) -> int:
        if isinstance(self._worker, CausalDeconvolution):
            return max(1, _MOST_AT_ONCE // max(1, n_neurons))
        return self._n_timepoints
