"""Stacked traces of a few neurons, every segment in the colour of its confidence."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from napari_acll.widgets._colors import N_CONFIDENCE_BINS, bin_colors, confidence_bins

_TRACE_HEIGHT = 0.85
_DASH_SHARE = 0.35
Segments = tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
]


def trace_segments(
    time_s: NDArray[np.float64],
    height: NDArray[np.floating],
    confidence: NDArray[np.floating],
) -> tuple[Segments, NDArray[np.uint8]]:
    """Return the line segments of traces and the confidence bin of each.

    A gap stays open. A value between two gaps becomes a short dash, so that it is seen. A
    segment is as confident as the less confident of its ends.

    Parameters
    ----------
    time_s : ndarray of float64, shape (n_timepoints,)
        NaN where nothing came.
    height : ndarray of float, shape (n_traces, n_timepoints)
        What is drawn, NaN where absent.
    confidence : ndarray of float, shape (n_traces, n_timepoints)
        0 to 1.

    Returns
    -------
    (x0, x1, y0, y1), bins
        One entry per segment.
    """
    time = np.broadcast_to(time_s, height.shape)
    is_seen = np.isfinite(height) & np.isfinite(time)
    joined = is_seen[:, :-1] & is_seen[:, 1:]
    alone = is_seen.copy()
    alone[:, :-1] &= ~joined
    alone[:, 1:] &= ~joined
    weaker = np.minimum(confidence[:, :-1], confidence[:, 1:])
    steps = np.diff(time_s)
    steps = steps[np.isfinite(steps)]
    dash_s = _DASH_SHARE * float(np.median(steps)) if steps.size else _DASH_SHARE
    segments = (
        np.concatenate([time[:, :-1][joined], time[alone] - dash_s]),
        np.concatenate([time[:, 1:][joined], time[alone] + dash_s]),
        np.concatenate([height[:, :-1][joined], height[alone]]),
        np.concatenate([height[:, 1:][joined], height[alone]]),
    )
    return segments, confidence_bins(np.concatenate([weaker[joined], confidence[alone]]))


class StackedTraces:
    """The traces of the chosen neurons above each other, the first at the top.

    One plot item per confidence bin, not per neuron: drawing 20 traces of 1600 points then
    costs less than half of what 20 gradient pens would.

    Parameters
    ----------
    plot : pyqtgraph.PlotItem
        Where the traces are drawn.
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        self._axis = plot.getAxis("left")
        self._items = []
        for color in bin_colors():
            item = pg.PlotCurveItem(pen=pg.mkPen(*color, width=1), skipFiniteCheck=True)
            plot.addItem(item)
            self._items.append(item)

    def clear(self) -> None:
        """Draw nothing."""
        for item in self._items:
            item.setData([], [])

    def set_names(self, names: Sequence[str]) -> None:
        """Write the names of the traces on the axis."""
        last = len(names) - 1
        self._axis.setTicks([[(last - row + 0.4, name) for row, name in enumerate(names)]])

    def update(
        self,
        time_s: NDArray[np.float64],
        normalized: NDArray[np.float32],
        confidence: NDArray[np.float32],
    ) -> None:
        """Draw all traces.

        Parameters
        ----------
        time_s : ndarray of float64, shape (n_timepoints,)
            In s.
        normalized : ndarray of float32, shape (n_traces, n_timepoints)
            0 to 1 of each neuron's range, NaN where absent.
        confidence : ndarray of float32, shape (n_traces, n_timepoints)
            Decides the colour of each segment.
        """
        offset = np.arange(len(normalized))[::-1, None]
        height = offset + np.clip(normalized, -0.1, 1.15) * _TRACE_HEIGHT
        (x0, x1, y0, y1), bins = trace_segments(time_s, height, confidence)
        for number in range(N_CONFIDENCE_BINS):
            chosen = np.flatnonzero(bins == number)
            x, y = np.empty(2 * len(chosen)), np.empty(2 * len(chosen))
            x[0::2], x[1::2] = x0[chosen], x1[chosen]
            y[0::2], y[1::2] = y0[chosen], y1[chosen]
            self._items[number].setData(x, y, connect="pairs")
