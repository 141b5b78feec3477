"""What is drawn around the traces: how far off they may be, what is flagged, and the reference."""

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from napari_acll.core import TraceFlag
from napari_acll.widgets._trace_lines import CHUNK_VOLUMES, row_heights

WORTH_KNOWING = TraceFlag.CUT_OFF | TraceFlag.LIGHT_STEP
"""Flags that say under what conditions a value was taken: a tick under it."""
_BAND, _SUSPECT, _TICK, _REFERENCE = (
    (190, 196, 210, 90),
    (255, 96, 96, 255),
    (255, 176, 70, 230),
    (150, 156, 172, 130),
)
_STROKE = 0.14
_TICK_FROM, _TICK_TO = -0.06, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSurroundings:
    """What is known of the drawn traces besides their values.

    Parameters
    ----------
    height_sd : ndarray of float, shape (n_traces, n_timepoints), optional
        Standard deviation in parts of a trace's range; None: no band is drawn.
    flags : ndarray of uint8, shape (n_traces, n_timepoints)
        `TraceFlag` of each sample.
    reference : ndarray of float, shape (n_timepoints,), optional
        The reference in parts of its own range; None: there is none.
    """

    height_sd: NDArray[np.floating] | None
    flags: NDArray[np.uint8]
    reference: NDArray[np.floating] | None


class TraceOverlays:
    """A band, two kinds of ticks and the reference behind the stacked traces.

    Parameters
    ----------
    plot : pyqtgraph.PlotItem
        Where the traces are drawn.
    """

    def __init__(self, plot: pg.PlotItem) -> None:
        box = plot.getViewBox()
        self.reference = _Strokes(box, _REFERENCE, z=-8)
        self.band = _Strokes(box, _BAND, z=-6)
        self.ticks = _Strokes(box, _TICK, z=-4)
        self.suspects = _Strokes(box, _SUSPECT, z=4)

    def clear(self) -> None:
        """Draw nothing."""
        for strokes in (self.reference, self.band, self.ticks, self.suspects):
            strokes.clear()

    def update(
        self,
        position: NDArray[np.float64],
        normalized: NDArray[np.float32],
        around: TraceSurroundings,
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
        around : TraceSurroundings
            What is drawn of them.
        first : int
            First volume that is new or has changed since the last call.
        """
        middle = row_heights(normalized)
        bottom = row_heights(np.zeros_like(normalized))
        is_seen = np.isfinite(normalized)
        is_suspect = is_seen & ((around.flags & TraceFlag.SUSPECT) > 0)
        is_told = is_seen & ((around.flags & WORTH_KNOWING) > 0)
        self.suspects.update(position, middle - _STROKE, middle + _STROKE, is_suspect, first=first)
        self.ticks.update(position, bottom + _TICK_FROM, bottom + _TICK_TO, is_told, first=first)
        self._draw_band(position, normalized, around.height_sd, first)
        self._draw_reference(position, around.reference, len(normalized), first)

    def _draw_band(
        self,
        position: NDArray[np.float64],
        normalized: NDArray[np.float32],
        height_sd: NDArray[np.floating] | None,
        first: int,
    ) -> None:
        if height_sd is None:
            self.band.clear()
            return
        low, high = row_heights(normalized - height_sd), row_heights(normalized + height_sd)
        self.band.update(position, low, high, np.isfinite(low), first=first)

    def _draw_reference(
        self,
        position: NDArray[np.float64],
        reference: NDArray[np.floating] | None,
        n_traces: int,
        first: int,
    ) -> None:
        if reference is None:
            self.reference.clear()
            return
        height = row_heights(np.broadcast_to(reference, (n_traces, len(reference))))
        after = np.full_like(height, np.nan)
        after[:, :-1] = height[:, 1:]
        is_joined = np.isfinite(height) & np.isfinite(after)
        self.reference.update(position, height, after, is_joined, first=first, step=1)


class _Strokes:
    """Line segments of one color; only the chunks of volumes that are new are set.

    Parameters
    ----------
    box : pyqtgraph.ViewBox
        Where they are drawn.
    color : tuple of int
        Red, green, blue and opacity.
    z : float
        What lies above what.
    """

    def __init__(self, box: pg.ViewBox, color: tuple[int, int, int, int], *, z: float) -> None:
        self._box, self._pen, self._z = box, pg.mkPen(*color, width=1), z
        self.items: list[pg.PlotCurveItem] = []
        self._is_empty = True

    def clear(self) -> None:
        """Draw nothing."""
        if not self._is_empty:
            for item in self.items:
                item.setData([], [])
            self._is_empty = True

    def update(
        self,
        position: NDArray[np.float64],
        start: NDArray[np.floating],
        stop: NDArray[np.floating],
        is_drawn: NDArray[np.bool_],
        *,
        first: int,
        step: int = 0,
    ) -> None:
        """Set the chunks from the first new volume on; after `clear`, all of them.

        Parameters
        ----------
        position : ndarray of float64, shape (n_timepoints,)
            Where volumes lie on the horizontal axis.
        start, stop : ndarray of float, shape (n_traces, n_timepoints)
            Heights between which there is a segment for each volume.
        is_drawn : ndarray of bool, shape (n_traces, n_timepoints)
            Where there is one.
        first : int
            First volume that is new or has changed.
        step : int
            How many volumes later a segment ends; 0: it is upright.
        """
        first = 0 if self._is_empty else max(0, first - 1)
        n_chunks = -(-len(position) // CHUNK_VOLUMES)
        while len(self.items) < n_chunks:
            self.items.append(self._make_item())
        for number in range(first // CHUNK_VOLUMES, n_chunks):
            item, begin = self.items[number], number * CHUNK_VOLUMES
            row, column = np.nonzero(is_drawn[:, begin : begin + CHUNK_VOLUMES])
            if not len(row) and (item.xData is None or not len(item.xData)):
                continue
            column += begin
            x, y = np.empty(2 * len(row)), np.empty(2 * len(row))
            x[0::2], x[1::2] = position[column], position[column + step]
            y[0::2], y[1::2] = start[row, column], stop[row, column]
            item.setData(x, y, connect="pairs")
        self._is_empty = False

    def _make_item(self) -> pg.PlotCurveItem:
        item = pg.PlotCurveItem(pen=self._pen, skipFiniteCheck=True)
        item.setZValue(self._z)
        self._box.addItem(item, ignoreBounds=True)
        return item
