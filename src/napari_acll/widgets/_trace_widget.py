"""The dock of traces: all neurons as a heat map, some as lines, and the list of neurons."""

from collections.abc import Sequence
from time import monotonic

import napari.viewer
import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from napari_acll.core import NeuronTable, TraceStore, VolumeStatus
from napari_acll.widgets._confidence_legend import ConfidenceLegend
from napari_acll.widgets._dock_size import dock_width_px
from napari_acll.widgets._engine import engine_of
from napari_acll.widgets._heat_map import HeatMap
from napari_acll.widgets._neuron_table import NeuronTableView
from napari_acll.widgets._time_cursor import TimeCursor
from napari_acll.widgets._trace_lines import StackedTraces
from napari_acll.widgets._trace_scaling import TraceScaling

_N_AUTO = 12
_MAX_LINES = 24
_AUTO_EVERY_S = 5.0
_TABLE_EVERY_S = 0.5
_MIN_AXIS_PX = 44
_BACKGROUND = "#15171c"


class TracePlotWidget(QWidget):
    """Live traces coloured by confidence.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its session is what is shown.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._engine = engine_of(viewer)
        self._store: TraceStore | None = None
        self._period_s = 1.0
        self._rows: list[int] = []
        self._next_auto_s = 0.0
        self._next_table_s = 0.0
        self._table = NeuronTableView()
        self._table.rowsChosen.connect(self._choose)
        self._build_plots()
        self._build_layout()
        self._cursor = TimeCursor(self._engine, (self._heat_plot, self._line_plot))
        self._reset()
        self._engine.started.connect(self._reset)
        self._engine.updated.connect(self.refresh)
        self._engine.neuron_picked.connect(self.pick)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size that leaves the canvas room on a small screen."""
        return QSize(dock_width_px(self), 420)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Draw what came while the dock was hidden; of a saved session nothing more comes."""
        super().showEvent(event)
        self.refresh()

    @property
    def shown_neurons(self) -> list[str]:
        """Names of the neurons whose traces are drawn, from the top."""
        names = self._store.neurons.names if self._store is not None else ()
        return [names[row] for row in self._rows]

    def pick(self, class_number: int) -> None:
        """Add a neuron to the traces, or take it away if it is drawn already."""
        if self._present_store() is None:
            return
        row = class_number - 1
        rows = [other for other in self._rows if other != row]
        if row not in self._rows:
            rows = [row] if self._auto.isChecked() else [*rows, row]
        self._table.choose(rows)
        self._choose(rows)

    def refresh(self) -> None:
        """Draw what the session has traced since the last time."""
        store = self._present_store() if self.isVisible() else None
        if store is not None and (n_timepoints := store.n_timepoints):
            self._draw(store, n_timepoints)

    def _present_store(self) -> TraceStore | None:
        run = self._engine.run
        if run is None or run.session is None:
            return None
        store = run.session.store
        if store is not self._store:
            self._reset()
            self._store = store
            self._period_s = run.session.spec.period_s
            self._table.model.set_names(store.neurons.names)
        return store

    def _reset(self) -> None:
        self._store = None
        self._rows = []
        self._next_auto_s = self._next_table_s = 0.0
        self._scaling = TraceScaling()
        self._heat_map.clear()
        self._lines.clear()
        self._table.model.set_names(())

    def _build_plots(self) -> None:
        self._graphics = pg.GraphicsLayoutWidget()
        self._graphics.setBackground(_BACKGROUND)
        self._graphics.ci.layout.setContentsMargins(2, 2, 6, 2)
        self._graphics.ci.layout.setSpacing(2)
        self._heat_plot = self._graphics.addPlot(row=0, col=0)
        self._line_plot = self._graphics.addPlot(row=1, col=0)
        self._graphics.ci.layout.setRowStretchFactor(0, 2)
        self._graphics.ci.layout.setRowStretchFactor(1, 3)
        for plot in (self._heat_plot, self._line_plot):
            plot.disableAutoRange()
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.getAxis("left").setStyle(hideOverlappingLabels=False)
            plot.getViewBox().setMouseEnabled(x=True, y=False)
            plot.getViewBox().sigRangeChangedManually.connect(self._stop_following)
        self._heat_plot.getAxis("bottom").setStyle(showValues=False)
        self._heat_plot.getAxis("left").setStyle(showValues=False)
        self._heat_plot.getViewBox().invertY(True)
        self._line_plot.setLabel("bottom", "time", units="s")
        self._line_plot.getAxis("bottom").enableAutoSIPrefix(False)
        self._heat_plot.setXLink(self._line_plot)
        image = pg.ImageItem(axisOrder="row-major")
        self._heat_plot.addItem(image)
        self._heat_map = HeatMap(image)
        self._lines = StackedTraces(self._line_plot)
        self._heat_plot.scene().sigMouseMoved.connect(self._tell_place)
        self._heat_plot.scene().sigMouseClicked.connect(self._click_heat_map)

    def _build_layout(self) -> None:
        self._follow = _toggle("Follow", "Always show the whole recording; zoom or drag to stop")
        self._auto = _toggle(
            "Most confident", f"Plot the {_N_AUTO} neurons that were named most confidently so far"
        )
        self._hint = QLabel()
        self._hint.setTextFormat(Qt.TextFormat.PlainText)
        top = QHBoxLayout()
        top.addWidget(self._follow)
        top.addWidget(self._auto)
        top.addWidget(self._hint, 1)
        top.addWidget(ConfidenceLegend())
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.addWidget(self._table)
        splitter.addWidget(self._graphics)
        splitter.setStretchFactor(1, 1)
        # napari adds empty room below a dock in which nothing wants to grow
        splitter.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        splitter.setSizes([176, 400])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(splitter, 1)

    def _draw(self, store: TraceStore, n_timepoints: int) -> None:
        ratio = store.ratio[:, :n_timepoints]
        confidence = store.confidence[:, :n_timepoints]
        time_s = _filled_times(store.time_s[:n_timepoints], self._period_s)
        start_s, stop_s = time_s[0] - self._period_s / 2, time_s[-1] + self._period_s / 2
        self._scaling.update(ratio)
        self._heat_map.update(ratio, confidence, self._scaling, start_s=start_s, stop_s=stop_s)
        self._update_table(store, n_timepoints)
        rows = np.asarray(self._rows, np.intp)
        shown = self._scaling.normalized(ratio[rows], rows)
        self._lines.update(store.time_s[:n_timepoints], shown, confidence[rows])
        if self._follow.isChecked():
            self._heat_plot.setYRange(0, len(ratio), padding=0)
            self._line_plot.setXRange(start_s, stop_s, padding=0)

    def _update_table(self, store: TraceStore, n_timepoints: int) -> None:
        now_s = monotonic()
        if now_s < self._next_table_s:
            return
        self._next_table_s = now_s + _TABLE_EVERY_S
        confidence = store.confidence[:, :n_timepoints]
        with_names = (VolumeStatus.TRACED, VolumeStatus.BACKFILLED)
        is_traced = np.isin(store.status[:n_timepoints], with_names)
        n_traced = max(1, int(is_traced.sum()))
        is_seen = np.isfinite(confidence)
        newest = confidence[:, np.flatnonzero(is_traced)[-1]] if is_traced.any() else None
        if newest is None:
            return
        self._table.model.set_side_doubt(self._side_doubt(store.neurons))
        self._table.model.set_values(newest, (is_seen.sum(axis=1) / n_traced).astype(np.float32))
        if self._auto.isChecked() and (now_s >= self._next_auto_s or not self._rows):
            self._next_auto_s = now_s + _AUTO_EVERY_S
            # an absence counts as no confidence at all
            standing = np.where(is_seen, confidence, 0).sum(axis=1) / n_traced
            best = np.argsort(-standing, kind="stable")[:_N_AUTO]
            self._set_rows(sorted(int(row) for row in best if standing[row] > 0))
            self._table.choose(self._rows)

    def _side_doubt(self, neurons: NeuronTable) -> NDArray[np.bool_]:
        """Return which names of the newest volume may be those of the other body side."""
        run = self._engine.run
        newest = None if run is None or run.session is None else run.session.latest()
        if newest is None:
            return np.zeros(len(neurons), bool)
        has_doubt: NDArray[np.bool_] = newest.labeled.detections.side_doubt(neurons)
        return has_doubt

    def _choose(self, rows: Sequence[int]) -> None:
        self._auto.setChecked(False)
        self._set_rows(rows)
        self.refresh()

    def _set_rows(self, rows: Sequence[int]) -> None:
        self._rows = list(rows[:_MAX_LINES])
        too_many = len(rows) > _MAX_LINES
        self._hint.setText(f"first {_MAX_LINES} of {len(rows)}" if too_many else "")
        names = self.shown_neurons
        self._lines.set_names(names)
        longest = max((self.fontMetrics().horizontalAdvance(name) for name in names), default=0)
        for plot in (self._heat_plot, self._line_plot):
            plot.getAxis("left").setWidth(max(_MIN_AXIS_PX, longest + 10))
        self._line_plot.setYRange(-0.1, max(1, len(self._rows)) + 0.05, padding=0)

    def _stop_following(self) -> None:
        self._follow.setChecked(False)

    def _row_at(self, scene_position: object) -> int | None:
        box = self._heat_plot.getViewBox()
        if self._store is None or not box.sceneBoundingRect().contains(scene_position):
            return None
        row = int(box.mapSceneToView(scene_position).y())
        return row if 0 <= row < len(self._store.neurons) else None

    def _tell_place(self, scene_position: object) -> None:
        row = self._row_at(scene_position)
        if self._store is not None and row is not None:
            self._hint.setText(self._store.neurons.names[row])

    def _click_heat_map(self, event: object) -> None:
        row = self._row_at(event.scenePos())  # type: ignore[attr-defined]
        if row is not None:
            self.pick(row + 1)


def _toggle(text: str, tip: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setToolTip(tip)
    box.setChecked(True)
    return box


def _filled_times(time_s: NDArray[np.float64], period_s: float) -> NDArray[np.float64]:
    """Return the times with those of lost volumes filled in, by the period at both ends."""
    index = np.arange(len(time_s), dtype=np.float64)
    known = np.flatnonzero(np.isfinite(time_s))
    if known.size == 0:
        return index * period_s
    filled = np.interp(index, known, time_s[known])
    before = np.minimum(index - known[0], 0)
    after = np.maximum(index - known[-1], 0)
    times: NDArray[np.float64] = filled + (before + after) * period_s
    return times
