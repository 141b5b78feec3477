"""The two plots of the traces dock, one above the other on the same horizontal axis."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QFontMetrics, QKeyEvent

from napari_acll.widgets._heat_map import HeatMap
from napari_acll.widgets._text_size import text_scale
from napari_acll.widgets._time_marks import TimeMark, TimeMarkLines
from napari_acll.widgets._trace_lines import StackedTraces
from napari_acll.widgets._trace_overlays import TraceOverlays
from napari_acll.widgets._trace_scaling import TraceScaling
from napari_acll.widgets._trace_view import TimeAxis

_MIN_AXIS_PX = 44
_NAME_PX = ((12, 11), (18, 9), (1000, 8))
"""Most traces that get names of a size, in px: they share the height of a small screen."""
_HEADROOM = 0.6
"""Room for the names of marks, in rows."""
_BACKGROUND = "#15171c"
_STEPS = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
_REFERENCE_KEY = Qt.Key.Key_F
_LABELS = {TimeAxis.SECONDS: ("time", "s"), TimeAxis.VOLUMES: ("volume", "")}


class TracePlots(pg.GraphicsLayoutWidget):
    """A heat map of all neurons above the traces of some.

    Attributes
    ----------
    rowClicked : Signal(int)
        Row of the heat map.
    rowHovered : Signal(int)
        Row of the heat map.
    lineClicked : Signal(int)
        Position of a trace, counted from the top.
    stepped : Signal(int)
        -1 for the arrow key up, 1 for down.
    panned : Signal()
        The user has moved or zoomed the horizontal axis.
    referenceWanted : Signal()
        The key F.
    """

    rowClicked = Signal(int)  # noqa: N815  Qt classes keep Qt's names
    rowHovered = Signal(int)  # noqa: N815
    lineClicked = Signal(int)  # noqa: N815
    stepped = Signal(int)
    panned = Signal()
    referenceWanted = Signal()  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.setBackground(_BACKGROUND)
        self.setAccessibleName("Traces")
        self.setToolTip(
            "Click a row or a trace: the viewer goes to the neuron. Arrow keys: next trace."
            " F: reference. Wheel and drag: zoom and move the time axis."
            "\nA red stroke: the value may be wrong. An orange tick below: cut off, or a step of"
            " the light"
        )
        self.ci.layout.setContentsMargins(2, 2, 6, 2)
        self.ci.layout.setSpacing(2)
        self.heat_plot = self.addPlot(row=0, col=0)
        self.line_plot = self.addPlot(row=1, col=0)
        self.ci.layout.setRowStretchFactor(0, 2)
        self.ci.layout.setRowStretchFactor(1, 3)
        self._set_up_axes()
        image = pg.ImageItem(axisOrder="row-major")
        self.heat_plot.addItem(image)
        self.heat_map = HeatMap(image)
        self.lines = StackedTraces(self.line_plot)
        self.overlays = TraceOverlays(self.line_plot)
        self.marks = TimeMarkLines((self.heat_plot, self.line_plot))
        self._n_rows = 0
        self.scene().sigMouseMoved.connect(self._on_moved)
        self.scene().sigMouseClicked.connect(self._on_clicked)

    def _set_up_axes(self) -> None:
        for plot in (self.heat_plot, self.line_plot):
            plot.disableAutoRange()
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.getAxis("left").setStyle(hideOverlappingLabels=False)
            plot.getViewBox().setMouseEnabled(x=True, y=False)
            plot.getViewBox().sigRangeChangedManually.connect(self._on_panned)
        self.heat_plot.getAxis("bottom").setStyle(showValues=False)
        self.heat_plot.getAxis("left").setStyle(showValues=False)
        self.heat_plot.getViewBox().invertY(True)
        self.line_plot.getAxis("bottom").enableAutoSIPrefix(False)
        self.heat_plot.setXLink(self.line_plot)
        self.set_axis(TimeAxis.SECONDS)

    @property
    def both(self) -> tuple[pg.PlotItem, pg.PlotItem]:
        """The plots that share the horizontal axis."""
        return self.heat_plot, self.line_plot

    def clear_traces(self) -> None:
        """Forget the recording, and which traces are drawn."""
        self._n_rows = 0
        self.set_names(())
        self.heat_map.clear()
        self.lines.clear()
        self.overlays.clear()
        self.marks.update((), np.zeros(0))

    def set_axis(self, axis: TimeAxis) -> None:
        """Name the horizontal axis."""
        text, units = _LABELS[axis]
        self.line_plot.setLabel("bottom", text, units=units)

    def set_names(self, names: Sequence[str]) -> None:
        """Make room for traces with these names, from the top."""
        usual_px = next(size for most, size in _NAME_PX if len(names) <= most)
        name_px = round(usual_px * max(1.0, text_scale()))
        self.lines.set_names(names, name_px=name_px)
        font = self.font()
        font.setPixelSize(name_px)
        self.line_plot.getAxis("left").setStyle(tickFont=font)
        self._scale_bottom_axis()
        longest = max((QFontMetrics(font).horizontalAdvance(name) for name in names), default=0)
        for plot in (self.heat_plot, self.line_plot):
            plot.getAxis("left").setWidth(max(_MIN_AXIS_PX, longest + 10))
        self.line_plot.setYRange(-0.1, max(1, len(names)) + _HEADROOM, padding=0)

    def _scale_bottom_axis(self) -> None:
        scale = text_scale()
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * scale)
        axis = self.line_plot.getAxis("bottom")
        axis.setStyle(tickFont=font)
        axis.label.setFont(font)

    def draw_all(
        self,
        values: NDArray[np.float32],
        confidence: NDArray[np.float32],
        scaling: TraceScaling,
        *,
        first: int,
        edges: tuple[float, float],
    ) -> None:
        """Draw the heat map of all neurons between two `edges` of the horizontal axis."""
        start, stop = edges
        self.heat_map.update(values, confidence, scaling, first=first, start=start, stop=stop)
        if len(values) != self._n_rows:
            self._n_rows = len(values)
            self.heat_plot.setYRange(0, self._n_rows, padding=0)

    def draw_marks(self, marks: Sequence[TimeMark], position: NDArray[np.float64]) -> None:
        """Draw vertical lines."""
        self.marks.update(marks, position)

    @property
    def span(self) -> tuple[float, float]:
        """What the horizontal axis shows, from left to right."""
        left, right = self.line_plot.viewRange()[0]
        return left, right

    def show_span(self, left: float, right: float) -> None:
        """Show this part of the horizontal axis."""
        self.line_plot.setXRange(left, right, padding=0)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Step through the traces by the arrow keys, make one the reference by F."""
        step = _STEPS.get(event.key())
        if step is not None:
            self.stepped.emit(step)
        elif event.key() == _REFERENCE_KEY:
            self.referenceWanted.emit()
        else:
            super().keyPressEvent(event)
            return
        event.accept()

    def row_at(self, scene_position: object) -> int | None:
        """Return the row of the heat map at a position of the scene."""
        box = self.heat_plot.getViewBox()
        if not box.sceneBoundingRect().contains(scene_position):
            return None
        row = int(np.floor(box.mapSceneToView(scene_position).y()))
        return row if 0 <= row < self._n_rows else None

    def line_at(self, scene_position: object) -> int | None:
        """Return the trace at a position of the scene, counted from the top."""
        box = self.line_plot.getViewBox()
        if not box.sceneBoundingRect().contains(scene_position):
            return None
        return self.lines.row_at(box.mapSceneToView(scene_position).y())

    def _on_panned(self) -> None:
        self.panned.emit()

    def _on_moved(self, scene_position: object) -> None:
        row = self.row_at(scene_position)
        if row is not None:
            self.rowHovered.emit(row)

    def _on_clicked(self, event: object) -> None:
        if event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            return
        position = event.scenePos()  # type: ignore[attr-defined]
        row, line = self.row_at(position), self.line_at(position)
        if row is not None:
            self.rowClicked.emit(row)
        elif line is not None:
            self.lineClicked.emit(line)
