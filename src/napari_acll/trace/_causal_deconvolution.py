"""F/F0 without the decay of the indicator, for whoever looks at a recording while it grows."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import PluginError
from napari_acll.trace._growing_columns import GrowingColumns
from napari_acll.trace._running_baseline import RunningBaseline

INDICATOR_DECAY_S = 0.52
"""Time constant that the original pipeline takes for its GCaMP."""
_WINDOW_DECAYS = 10.0
"""What is older has decayed to 1 / 20,000."""
_FEWEST_VOLUMES = 8
Oasis: TypeAlias = Callable[[NDArray[np.float64], float], tuple[NDArray[np.float64], ...]]


@cache
def why_no_deconvolution() -> str:
    """Return why traces cannot be deconvolved here and what to do, empty if they can.

    The first call imports the package, which may take a second.
    """
    try:
        _load_oasis()
    except PluginError as error:
        return str(error)
    return ""


def deconvolution_is_known() -> bool:
    """Return whether `why_no_deconvolution` answers at once."""
    return why_no_deconvolution.cache_info().currsize > 0


def _load_oasis() -> Oasis:
    try:
        from oasis.oasis_methods import oasisAR1
    except (ImportError, ValueError) as error:  # ValueError: it was built for another numpy
        raise PluginError(
            "Deconvolution needs the package oasis-deconv (license: GPL-3), which is not"
            f" installed or does not work here ({error}); install it with pip install"
            ' "napari-acll[deconvolution]".'
        ) from error
    solve: Oasis = oasisAR1
    return solve


class CausalDeconvolution:
    """F/F0 deconvolved with the decay of the indicator, worked out for new volumes only.

    OASIS finds the non-negative drive that explains F/F0 best, each unit of which decays
    exponentially. As it goes back on what it said of earlier volumes, it is run on the window
    that ends with a volume, 10 decay times long and at least 8 volumes, and the drive of that
    last volume is kept. So a value rests on nothing after it, and what was shown once stays as
    it was. The price is noise: what came with the newest sample cannot be told from drive yet,
    and is 1 / (1 - exp(-period_s / decay_s)) times as large as in F/F0. OASIS can punish small
    drives; that costs more signal than noise in graded neurons, and is not done.

    The drive is in units of F/F0: of a neuron that is steadily active it is F/F0 itself. After
    volumes in which the neuron is absent it is the mean drive since it was last seen. If that is
    longer ago than the window, and at the first sample, F/F0 itself is given.

    Parameters
    ----------
    period_s : float
        Time from one volume to the next, in s.
    decay_s : float
        Time in which the indicator's light falls to 1 / e, in s; above 0.

    Raises
    ------
    PluginError
        If the package oasis-deconv is not installed.
    ValueError
        If one of the times is not above 0.

    References
    ----------
    Friedrich, Zhou and Paninski, Fast online deconvolution of calcium imaging data, PLOS
    Computational Biology 13:e1005423 (2017), algorithm 1.
    """

    def __init__(self, period_s: float, *, decay_s: float = INDICATOR_DECAY_S) -> None:
        if not (period_s > 0 and decay_s > 0):
            raise ValueError(
                "Expected a time between volumes and a decay time above 0 s, got"
                f" {period_s:g} and {decay_s:g} s; give both in seconds."
            )
        self._solve = _load_oasis()
        self.decay = float(np.exp(-period_s / decay_s))
        """What is left of the light one volume later."""
        self.n_window = max(_FEWEST_VOLUMES, int(np.ceil(_WINDOW_DECAYS * decay_s / period_s)))
        self._baseline = RunningBaseline(period_s)
        self._columns = GrowingColumns()

    def update(self, ratio: NDArray[np.float32], *, first: int) -> NDArray[np.float32]:
        """Return the deconvolved F/F0 of all volumes, having worked out those from `first` on.

        Parameters
        ----------
        ratio : ndarray of float32, shape (n_neurons, n_timepoints)
            All ratios so far, NaN where absent.
        first : int
            First volume that is new or has changed since the last call.

        Returns
        -------
        ndarray of float32, shape (n_neurons, n_timepoints)
            0 or more, in units of F/F0; NaN where F/F0 is not a finite number; a view that the
            next call writes into.
        """
        over_baseline = self._baseline.update(ratio, first=first)
        values = self._columns.view(*ratio.shape)
        begin = max(0, first - self.n_window + 1)
        for row, trace in enumerate(over_baseline[:, begin:]):
            known = np.where(np.isfinite(trace), trace, np.nan).astype(np.float64)
            values[row, first:] = self._newest_drives(known, first - begin)
        return values

    def _newest_drives(self, trace: NDArray[np.float64], first: int) -> NDArray[np.float64]:
        """Return the drive of each volume from `first` on, of one neuron."""
        drive = np.maximum(trace[first:], 0)
        seen = np.flatnonzero(np.isfinite(trace))
        for before, index in pairwise(seen):
            n_since = int(index - before)
            if index < first or n_since >= self.n_window:
                continue
            start = max(0, index - self.n_window + 1)
            _, drives = self._solve(trace[start : index + 1], self.decay)
            drive[index - first] = max(0.0, drives[-1]) / (1 - self.decay**n_since)
        return drive
