"""The dock of traces: all neurons as a heat map, some as lines, and the list of neurons."""

from collections import deque
from collections.abc import Sequence
from time import monotonic

import napari.viewer
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, QTimer
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
from napari_acll.widgets._neuron_table import NeuronTableView
from napari_acll.widgets._reference_button import ReferenceButton
from napari_acll.widgets._text_size import TextSize, text_scale
from napari_acll.widgets._time_cursor import TimeCursor
from napari_acll.widgets._time_marks import MarkKind, TimeMark
from napari_acll.widgets._trace_controls import TraceControls
from napari_acll.widgets._trace_picture import TracePicture
from napari_acll.widgets._trace_plots import TracePlots
from napari_acll.widgets._trace_view import TraceView

_LIST_PX = 176
_N_AUTO = 12
_MAX_LINES = 24
_AUTO_EVERY_S = 5.0
_TABLE_EVERY_S = 0.5
_DRAWN_EVENTS = (
    "degraded",
    "recovered",
    "late",
    "in time",
    "unusual",
    "usual again",
    "mirrored",
    "bad animal",
)
_MOST_EVENTS = 100
_PAUSE_MS = 5
"""For clicks and drawing, while values are worked out in steps."""


class TracePlotWidget(QWidget):
    """Live traces colored by confidence.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its session is what is shown.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        TextSize(self)
        self._engine = engine_of(viewer)
        self._store: TraceStore | None = None
        self._rows: list[int] = []
        self._events: deque[TimeMark] = deque(maxlen=_MOST_EVENTS)
        self._next_auto_s = 0.0
        self._next_table_s = 0.0
        self._table = NeuronTableView()
        self._plots = TracePlots()
        self._picture = TracePicture(self._plots)
        self._controls = TraceControls()
        self._next_step = QTimer(self)
        self._next_step.setSingleShot(True)
        self._next_step.setInterval(_PAUSE_MS)
        self._build_layout()
        self._cursor = TimeCursor(self._engine, self._plots.both, self._picture.places)
        self._reset()
        self._connect()

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
        return [names[row] for row in self._rows[:_MAX_LINES]]

    def refresh(self) -> None:
        """Draw what the session has traced since the last time."""
        store = self._present_store() if self.isVisible() else None
        run = self._engine.run
        if store is None or run is None or run.session is None or not store.n_timepoints:
            return
        self._update_table(store, store.n_timepoints)
        was_behind = self._picture.is_behind
        self._picture.update(store, run.session.marks, self._events)
        self._cursor.follow_axis()
        if self._picture.is_behind:
            self._next_step.start()
        if was_behind or self._picture.is_behind:
            self._tell()

    def step(self, by: int) -> None:
        """Go to the trace below the current one (1) or above it (-1), round the ends."""
        drawn = self._rows[:_MAX_LINES]
        if not drawn:
            return
        current = self._engine.current - 1
        position = (drawn.index(current) + by) % len(drawn) if current in drawn else min(by, 0)
        self._go_to(drawn[position])

    def _connect(self) -> None:
        engine, plots, controls = self._engine, self._plots, self._controls
        engine.started.connect(self._reset)
        engine.updated.connect(self.refresh)
        self._next_step.timeout.connect(self.refresh)
        engine.event_happened.connect(self._note_event)
        engine.chosen_changed.connect(self._follow_choice)
        engine.current_changed.connect(self._highlight)
        self._table.rowsChosen.connect(self._choose)
        self._auto.toggled.connect(self._choose_soon)
        self._all_names.toggled.connect(engine.name_all)
        plots.rowClicked.connect(self._choose_and_go_to)
        plots.rowHovered.connect(self._tell_neuron)
        plots.lineClicked.connect(self._go_to_line)
        plots.stepped.connect(self.step)
        plots.panned.connect(self._stop_following)
        plots.referenceWanted.connect(self._reference.press)
        engine.reference_changed.connect(self._compare)
        controls.followed.connect(self._follow)
        controls.valueChanged.connect(self._show_view)

    def _present_store(self) -> TraceStore | None:
        run = self._engine.run
        if run is None or run.session is None:
            return None
        store = run.session.store
        if store is not self._store:
            self._reset()
            self._store = store
            self._picture.begin(run.session.spec.period_s)
            self._table.model.set_names(store.neurons.names)
            if not self._auto.isChecked():
                self._take_over(self._engine.chosen)
            self._reference.show_reference()
        return store

    def _reset(self) -> None:
        self._store = None
        self._rows = []
        self._events.clear()
        self._next_auto_s = self._next_table_s = 0.0
        self._picture.clear()
        self._table.model.set_names(())

    def _build_layout(self) -> None:
        self._auto = _toggle(
            "Most confident", f"Plot the {_N_AUTO} neurons that were named most confidently so far"
        )
        self._auto.setChecked(not self._engine.chosen)
        self._all_names = _toggle(
            "All names", "Write all confident names on the canvas, not only those that are plotted"
        )
        self._hint = QLabel()
        self._hint.setTextFormat(Qt.TextFormat.PlainText)
        self._hint.setToolTip("The row under the mouse, and what the height of a row stands for")
        self._reference = ReferenceButton(self._engine)
        above, top = QHBoxLayout(), QHBoxLayout()
        above.addWidget(self._controls)
        above.addWidget(self._hint, 1)
        top.addWidget(self._auto)
        top.addWidget(self._all_names)
        top.addWidget(self._reference)
        top.addStretch(1)
        top.addWidget(ConfidenceLegend())
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.addWidget(self._table)
        splitter.addWidget(self._plots)
        splitter.setStretchFactor(1, 1)
        # napari adds empty room below a dock in which nothing wants to grow
        splitter.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        splitter.setSizes([round(_LIST_PX * max(1.0, text_scale())), 400])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(3)
        layout.addLayout(above)
        layout.addLayout(top)
        layout.addWidget(splitter, 1)

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
        if self._engine.reference:
            self._label_rows()
        if self._auto.isChecked() and (now_s >= self._next_auto_s or not self._rows):
            self._next_auto_s = now_s + _AUTO_EVERY_S
            # an absence counts as no confidence at all
            standing = np.where(is_seen, confidence, 0).sum(axis=1) / n_traced
            best = np.argsort(-standing, kind="stable")[:_N_AUTO]
            self._set_rows(sorted(int(row) for row in best if standing[row] > 0))

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

    def _choose_soon(self, is_auto: bool) -> None:
        if is_auto:
            self._next_auto_s = self._next_table_s = 0.0
            self.refresh()

    def _compare(self) -> None:
        """Draw the reference behind all traces, and how alike each is to it."""
        reference = self._engine.reference
        self._picture.set_reference(reference - 1 if reference else None)
        self._label_rows()
        self.refresh()

    def _label_rows(self) -> None:
        self._picture.set_rows(self._rows[:_MAX_LINES], self._labels())

    def _labels(self) -> list[str]:
        """Return what stands beside each trace: its name, and its correlation if there is one."""
        names, correlations = self.shown_neurons, self._engine.correlations()
        if correlations is None:
            return names
        shown = zip(names, self._rows, strict=False)
        return [
            f"{name} {correlations[row]:+.2f}" if np.isfinite(correlations[row]) else name
            for name, row in shown
        ]

    def _follow_choice(self, chosen: frozenset[int]) -> None:
        """Plot what another dock, or a click on the canvas, has chosen."""
        if self._present_store() is not None:
            self._take_over(chosen)

    def _take_over(self, chosen: frozenset[int]) -> None:
        if self._store is None or chosen == {row + 1 for row in self._rows}:
            return
        wanted = {number - 1 for number in chosen if 1 <= number <= len(self._store.neurons)}
        rows = [row for row in self._rows if row in wanted]
        rows += sorted(wanted - set(rows))
        self._choose(rows)

    def _set_rows(self, rows: Sequence[int]) -> None:
        self._rows = list(rows)
        self._label_rows()
        self._table.choose(self._rows)
        self._engine.choose(row + 1 for row in self._rows)
        self._highlight(self._engine.current)
        self._tell()

    def _highlight(self, class_number: int) -> None:
        drawn, row = self._rows[:_MAX_LINES], class_number - 1
        self._plots.lines.highlight(drawn.index(row) if row in drawn else None)

    def _choose_and_go_to(self, row: int) -> None:
        if self._store is not None and row not in self._rows:
            self._choose([*self._rows, row])
        self._go_to(row)

    def _go_to_line(self, position: int) -> None:
        self._go_to(self._rows[position])

    def _go_to(self, row: int) -> None:
        if not self._engine.go_to(row + 1) and self._store is not None:
            self._hint.setText(f"{self._store.neurons.names[row]} was not seen yet")
        elif self._store is not None:
            self._tell_neuron(row)

    def _note_event(self, kind: str, message: str) -> None:  # noqa: ARG002  names are short
        if kind in _DRAWN_EVENTS and self._store is not None:
            newest = self._store.n_timepoints - 1
            self._events.append(TimeMark(float(newest), kind, MarkKind.EVENT))

    def _show_view(self, view: TraceView) -> None:
        self._picture.set_view(view)
        self._cursor.follow_axis()
        self.refresh()
        self._tell()

    def _follow(self, is_following: bool) -> None:
        self._picture.is_following = is_following
        if is_following:
            self._picture.follow()

    def _stop_following(self) -> None:
        self._controls.live.setChecked(False)

    def _tell_neuron(self, row: int) -> None:
        if self._store is not None:
            self._hint.setText(f"{self._store.neurons.names[row]} · {self._picture.sentence()}")

    def _tell(self) -> None:
        n_chosen = len(self._rows)
        text = f"first {_MAX_LINES} of {n_chosen}" if n_chosen > _MAX_LINES else ""
        self._hint.setText(text or self._picture.sentence())


def _toggle(text: str, tip: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setToolTip(tip)
    return box
