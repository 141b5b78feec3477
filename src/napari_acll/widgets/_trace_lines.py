"""Stacked traces of a few neurons, every segment in the color of its confidence."""

import math
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from napari_acll.widgets._colors import N_CONFIDENCE_BINS, bin_colors, confidence_bins

CHUNK_VOLUMES = 100
"""Volumes per plot item: only the last items change as the recording grows."""
TRACE_HEIGHT = 0.85
"""Height of a trace; what is left of 1 keeps neighbors apart."""
_LOWEST, _HIGHEST = -0.1, 1.15
_DASH_SHARE = 0.35
_LINE_HEIGHT = 1.15
"""Of a line of text, in heights of its letters."""
_HIGHLIGHT = (255, 255, 255, 26)
Segments = tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
]


def trace_segments(
    position: NDArray[np.float64],
    height: NDArray[np.floating],
    confidence: NDArray[np.floating],
    columns: slice = slice(None),
) -> tuple[Segments, NDArray[np.uint8]]:
    """Return the line segments of traces and the confidence bin of each.

    A gap stays open. A value between two gaps becomes a short dash, so that it is seen. A
    segment is as confident as the less confident of its ends.

    Parameters
    ----------
    position : ndarray of float64, shape (n_timepoints,)
        Where volumes lie on the horizontal axis, NaN where nothing came.
    height : ndarray of float, shape (n_traces, n_timepoints)
        What is drawn, NaN where absent.
    confidence : ndarray of float, shape (n_traces, n_timepoints)
        0 to 1.
    columns : slice
        Volumes at which the segments begin; those of adjoining slices make up the whole.

    Returns
    -------
    (x0, x1, y0, y1), bins
        One entry per segment.
    """
    start, stop, _ = columns.indices(height.shape[1])
    first = max(0, start - 1)  # neighbors decide what is alone, and where a segment ends
    around = slice(first, stop + 1)
    height, confidence = height[:, around], confidence[:, around]
    place = np.broadcast_to(position[around], height.shape)
    is_seen = np.isfinite(height) & np.isfinite(place)
    joined = is_seen[:, :-1] & is_seen[:, 1:]
    alone = is_seen.copy()
    alone[:, :-1] &= ~joined
    alone[:, 1:] &= ~joined
    for begins in (joined, alone):
        begins[:, : start - first] = False
        begins[:, stop - first :] = False
    weaker = np.minimum(confidence[:, :-1], confidence[:, 1:])
    half_dash = _half_dash(position[around])
    segments = (
        np.concatenate([place[:, :-1][joined], place[alone] - half_dash]),
        np.concatenate([place[:, 1:][joined], place[alone] + half_dash]),
        np.concatenate([height[:, :-1][joined], height[alone]]),
        np.concatenate([height[:, 1:][joined], height[alone]]),
    )
    return segments, confidence_bins(np.concatenate([weaker[joined], confidence[alone]]))


def row_heights(normalized: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the heights at which traces are drawn above each other, the first at the top.

    Parameters
    ----------
    normalized : ndarray of float, shape (n_traces, n_timepoints)
        0 to 1 of each trace's range; what lies far outside is cut off.
    """
    offset = np.arange(len(normalized))[::-1, None]
    height: NDArray[np.floating] = offset + np.clip(normalized, _LOWEST, _HIGHEST) * TRACE_HEIGHT
    return height


def _half_dash(position: NDArray[np.float64]) -> float:
    steps = np.diff(position)
    steps = steps[np.isfinite(steps)]
    return _DASH_SHARE * float(np.median(steps)) if steps.size else _DASH_SHARE


class StackedTraces:
    """The traces of the chosen neurons above each other, the first at the top.

    One plot item per confidence bin and hundred volumes: an update sets the last few anew and
    leaves the rest alone, so that its cost does not grow with the recording.

    Parameters
    ----------
    plot : pyqtgraph.PlotItem
        Where the traces are drawn.
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        self._axis = plot.getAxis("left")
        self._box = plot.getViewBox()
        self._pens = [pg.mkPen(*color, width=1) for color in bin_colors()]
        self._chunks: list[list[pg.PlotCurveItem]] = []
        self._band = pg.LinearRegionItem(
            orientation="horizontal", movable=False, brush=_HIGHLIGHT, pen=pg.mkPen(None)
        )
        self._band.setZValue(-10)
        self._band.hide()
        self._box.addItem(self._band, ignoreBounds=True)
        self._names: Sequence[str] = ()
        self._name_px = 1
        self._highlighted: int | None = None
        for signal in (self._box.sigYRangeChanged, self._box.sigResized):
            signal.connect(self._write_names)

    @property
    def _n_rows(self) -> int:
        return len(self._names)

    def clear(self) -> None:
        """Draw nothing."""
        for chunk in self._chunks:
            for item in chunk:
                item.setData([], [])

    def set_names(self, names: Sequence[str], *, name_px: int) -> None:
        """Write the names of the traces on the axis, as many as there is room for.

        Parameters
        ----------
        names : sequence of str
            From the top.
        name_px : int
            Height of the letters.
        """
        self._names, self._name_px = names, name_px
        self._write_names()

    def written_rows(self) -> list[int]:
        """Return the traces that have their names on the axis, counted from the top.

        Where they lie closer than a line of text only every second, third, ... has, and the one
        that is highlighted.
        """
        bottom, top = self._box.viewRange()[1]
        row_px = max(self._box.height() / max(top - bottom, 1.0), 1.0)
        every, lit = max(1, math.ceil(_LINE_HEIGHT * self._name_px / row_px)), self._highlighted
        rows = range(0, self._n_rows, every)
        if lit is None or lit >= self._n_rows:
            return list(rows)
        return sorted([lit, *(row for row in rows if abs(row - lit) >= every)])

    def highlight(self, row: int | None) -> None:
        """Lay a bright band behind a trace, counted from the top; None: behind none."""
        self._highlighted = row
        self._write_names()
        self._band.setVisible(row is not None)
        if row is not None:
            bottom = self._n_rows - 1 - row
            self._band.setRegion((bottom - 0.06, bottom + TRACE_HEIGHT + 0.06))

    def row_at(self, height: float) -> int | None:
        """Return which trace lies at a height of the plot, counted from the top."""
        row = self._n_rows - 1 - int(np.floor(height))
        return row if 0 <= row < self._n_rows else None

    def update(
        self,
        position: NDArray[np.float64],
        normalized: NDArray[np.float32],
        confidence: NDArray[np.float32],
        *,
        first: int,
    ) -> None:
        """Draw what is new.

        Parameters
        ----------
        position : ndarray of float64, shape (n_timepoints,)
            Where volumes lie on the horizontal axis.
        normalized : ndarray of float32, shape (n_traces, n_timepoints)
            0 to 1 of each neuron's range, NaN where absent.
        confidence : ndarray of float32, shape (n_traces, n_timepoints)
            Decides the color of each segment.
        first : int
            First volume that is new or has changed since the last call.
        """
        n_timepoints = normalized.shape[1]
        height = row_heights(normalized)
        n_chunks = -(-n_timepoints // CHUNK_VOLUMES)
        while len(self._chunks) < n_chunks:
            self._chunks.append([self._make_item(pen) for pen in self._pens])
        # the segment that ends at the first new volume begins one before
        for number in range(max(0, first - 1) // CHUNK_VOLUMES, n_chunks):
            columns = slice(number * CHUNK_VOLUMES, (number + 1) * CHUNK_VOLUMES)
            segments, bins = trace_segments(position, height, confidence, columns)
            _set_segments(self._chunks[number], segments, bins)

    def _write_names(self, *_changed: object) -> None:
        last = self._n_rows - 1
        ticks = [(last - row + 0.4, self._names[row]) for row in self.written_rows()]
        self._axis.setTicks([ticks])

    def _make_item(self, pen: object) -> pg.PlotCurveItem:
        item = pg.PlotCurveItem(pen=pen, skipFiniteCheck=True)
        self._box.addItem(item, ignoreBounds=True)
        return item


def _set_segments(
    items: Sequence[pg.PlotCurveItem], segments: Segments, bins: NDArray[np.uint8]
) -> None:
    x0, x1, y0, y1 = segments
    for number in range(N_CONFIDENCE_BINS):
        chosen = np.flatnonzero(bins == number)
        item = items[number]
        if not chosen.size and (item.xData is None or not len(item.xData)):
            continue
        x, y = np.empty(2 * len(chosen)), np.empty(2 * len(chosen))
        x[0::2], x[1::2] = x0[chosen], x1[chosen]
        y[0::2], y[1::2] = y0[chosen], y1[chosen]
        item.setData(x, y, connect="pairs")
