"""The dock of neurons: which of them can be trusted, and what is corrected in their names."""

from collections.abc import Iterable
from time import monotonic

import napari.viewer
import numpy as np
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_acll.core import AcllError, Correction, CorrectionKind, NeuronTable
from napari_acll.quality import Forecast, Verdict
from napari_acll.widgets._correction_actions import ActionButton, CorrectionActions, swaps, toggles
from napari_acll.widgets._correction_list import CorrectionList
from napari_acll.widgets._dock_size import dock_width_px
from napari_acll.widgets._engine import engine_of
from napari_acll.widgets._live_session import LiveSession
from napari_acll.widgets._neuron_columns import (
    ALL_COLUMNS,
    CORRELATION,
    FORECAST,
    PINNED,
    VERDICT,
)
from napari_acll.widgets._neuron_table import NeuronTableView
from napari_acll.widgets._text_size import TextSize

_EVERY_S = 0.5
_GOOD_PERCENT = 75


class NeuronsWidget(QWidget):
    """All neurons with how far they can be trusted; corrects names while the session runs.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its session is what is shown.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        TextSize(self)
        self.engine = engine_of(viewer)
        self._session: LiveSession | None = None
        self._next_s = 0.0
        self.table = NeuronTableView(ALL_COLUMNS)
        self.commands = CorrectionActions(self.table.table)
        self.corrections = CorrectionList()
        self._build_layout()
        self._connect()
        self.refresh(is_forced=True)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size that leaves the canvas room on a small screen."""
        return QSize(dock_width_px(self), 420)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Show what came while the dock was hidden."""
        super().showEvent(event)
        self.refresh(is_forced=True)

    def refresh(self, *, is_forced: bool = False) -> None:
        """Show what is new of the session, at most twice a second unless forced."""
        now_s = monotonic()
        if not is_forced and (now_s < self._next_s or not self.isVisible()):
            return
        self._next_s = now_s + _EVERY_S
        self._take_session()
        self._show_values()
        self._show_what_can_be_done()

    def chosen_names(self) -> list[str]:
        """Return the chosen neurons that the filters let through, in the order of the list."""
        return [self._neurons().names[row] for row in self.table.chosen_rows()]

    def correct(self, corrections: Iterable[Correction]) -> None:
        """Hand corrections to the session; what it refuses is told."""
        session = self._session
        if session is None:
            return
        try:
            for correction in corrections:
                session.correct(correction)
        except AcllError as error:
            show_error(str(error))
        self.refresh(is_forced=True)

    def _build_layout(self) -> None:
        self.only_good = QCheckBox("Only good now")
        self.only_good.setToolTip("Show only neurons whose name is at least so sure just now")
        self.least = QSlider(Qt.Orientation.Horizontal)
        self.least.setRange(0, 100)
        self.least.setValue(_GOOD_PERCENT)
        self.least.setToolTip("Least confidence of a neuron that is shown")
        self._least_text = QLabel()
        self.by_verdict = QComboBox()
        self.by_verdict.addItem("all", Verdict.UNKNOWN)
        self.by_verdict.addItem("not rejected", Verdict.DOUBTFUL)
        self.by_verdict.addItem("usable", Verdict.USABLE)
        self.by_verdict.setToolTip("Show only neurons of which the forecast is at least so good")
        top = QHBoxLayout()
        top.addWidget(self.only_good)
        top.addWidget(self.least, 1)
        top.addWidget(self._least_text)
        top.addWidget(self.by_verdict)
        buttons = QHBoxLayout()
        buttons.setSpacing(2)
        for action in self.commands.for_buttons():
            buttons.addWidget(ActionButton(action))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(self.table, 1)
        layout.addLayout(buttons)
        layout.addWidget(self.corrections)
        self.corrections.setMaximumHeight(self.corrections.sizeHint().height())

    def _connect(self) -> None:
        self.only_good.toggled.connect(self._filter)
        self.least.valueChanged.connect(self._filter)
        self.by_verdict.currentIndexChanged.connect(self._filter)
        self.table.rowsChosen.connect(self._choose)
        self.table.rowActivated.connect(self._go_to)
        self.table.model.boxClicked.connect(self._click_box)
        self.commands.pinWanted.connect(self._pin)
        self.commands.muteWanted.connect(self._mute)
        self.commands.renameWanted.connect(self._ask_new_name)
        self.commands.swapWanted.connect(self._swap)
        self.commands.undoWanted.connect(self._undo)
        self.commands.redoWanted.connect(self._redo)
        self.commands.goToWanted.connect(self._go_to_chosen)
        self.commands.referenceWanted.connect(self._compare_with_chosen)
        self.engine.updated.connect(self._on_update)
        self.engine.started.connect(self._on_start)
        self.engine.state_changed.connect(self._on_start)
        self.engine.chosen_changed.connect(self._show_chosen)
        self.engine.reference_changed.connect(self._on_start)
        self._filter()

    def _on_update(self) -> None:
        self.refresh()

    def _on_start(self) -> None:
        self.refresh(is_forced=True)

    def _neurons(self) -> NeuronTable:
        return NeuronTable(()) if self._session is None else self._session.store.neurons

    def _take_session(self) -> None:
        run = self.engine.run
        session = None if run is None else run.session
        if session is not self._session:
            self._session = session
            self.table.model.set_names(self._neurons().names)
            self._show_chosen()

    def _show_values(self) -> None:
        session = self._session
        self.corrections.show_corrections(None if session is None else session.corrections)
        if session is None:
            return
        measures, state = session.quality.measures(), session.corrections.state
        forecast = session.forecast
        expected = {} if forecast is None else _columns_of(forecast)
        if forecast is not None:
            self.table.model.set_reason(forecast.reason)
        newest = session.latest()
        if newest is not None:
            doubt = newest.labeled.detections.side_doubt(self._neurons())
            self.table.model.set_side_doubt(doubt)
        self.table.model.set_values(
            measures.confidence,
            measures.coverage,
            jump_um=measures.jump_um,
            signal_to_noise=measures.signal_to_noise,
            **expected,
            **self._alike(),
            is_pinned=self._flags(state.pinned),
            is_muted=self._flags(state.muted),
        )
        if self.only_good.isChecked() or self.by_verdict.currentData():
            self._filter()

    def _alike(self) -> dict[str, NDArray[np.float32]]:
        correlations = self.engine.correlations()
        return {} if correlations is None else {CORRELATION.key: correlations}

    def _flags(self, names: frozenset[str]) -> NDArray[np.bool_]:
        return np.array([name in names for name in self._neurons().names], np.bool_)

    def _show_what_can_be_done(self) -> None:
        session = self._session
        is_open = session is not None and not session.state.is_over
        names = self.chosen_names() if is_open else []
        corrections = session.corrections if session is not None and is_open else None
        self.commands.enable(
            n_chosen=len(names),
            has_partner=bool(names and swaps(names, self._neurons())),
            can_undo=bool(corrections and corrections.holding),
            can_redo=bool(corrections and corrections.undone),
        )

    def _filter(self) -> None:
        least = self.least.value() / 100
        is_on = self.only_good.isChecked()
        self.least.setEnabled(is_on)
        self._least_text.setText(f"{least:.2f}")
        self.table.set_least_confidence(least if is_on else None)
        self.table.set_least_verdict(int(self.by_verdict.currentData()))

    def _choose(self, rows: list[int]) -> None:
        self.engine.choose(row + 1 for row in rows)
        self._show_what_can_be_done()

    def _show_chosen(self) -> None:
        n_neurons = len(self._neurons())
        rows = sorted(number - 1 for number in self.engine.chosen if number <= n_neurons)
        if rows != sorted(self.table.chosen_rows()):
            self.table.choose(rows)
        self._show_what_can_be_done()

    def _go_to(self, row: int) -> None:
        self.engine.go_to(row + 1)

    def _go_to_chosen(self) -> None:
        for row in self.table.chosen_rows()[:1]:
            self._go_to(row)

    def _compare_with_chosen(self) -> None:
        """Make the chosen neuron the reference; the same one again, or none chosen: no longer."""
        rows = self.table.chosen_rows()
        self.engine.compare_with(rows[0] + 1 if rows else self.engine.reference)

    def _click_box(self, key: str, row: int) -> None:
        toggle = self._toggle_pins if key == PINNED.key else self._toggle_mutes
        toggle([self._neurons().names[row]])

    def _pin(self) -> None:
        self._toggle_pins(self.chosen_names())

    def _mute(self) -> None:
        self._toggle_mutes(self.chosen_names())

    def _toggle_pins(self, names: list[str]) -> None:
        if self._session is not None:
            pinned = self._session.corrections.state.pinned
            on, off = CorrectionKind.PIN, CorrectionKind.UNPIN
            self.correct(toggles(names, pinned, on=on, off=off))

    def _toggle_mutes(self, names: list[str]) -> None:
        if self._session is not None:
            muted = self._session.corrections.state.muted
            on, off = CorrectionKind.MUTE, CorrectionKind.UNMUTE
            self.correct(toggles(names, muted, on=on, off=off))

    def _swap(self) -> None:
        self.correct(swaps(self.chosen_names(), self._neurons()))

    def _undo(self) -> None:
        self.correct([Correction(kind=CorrectionKind.UNDO)])

    def _redo(self) -> None:
        self.correct([Correction(kind=CorrectionKind.REDO)])

    def _ask_new_name(self) -> None:
        """Ask for the new name of the chosen neuron; nothing waits for the answer."""
        for name in self.chosen_names()[:1]:
            dialog = QInputDialog(self)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.setWindowTitle("Rename a neuron")
            dialog.setLabelText(f"What is called {name} from the next volume on is:")
            dialog.setComboBoxItems(list(self._neurons().names))
            dialog.setComboBoxEditable(True)
            dialog.setTextValue(name)  # so that Return alone changes nothing
            dialog.textValueSelected.connect(lambda text, name=name: self._rename(name, text))
            dialog.open()

    def _rename(self, name: str, new_name: str) -> None:
        self.correct(
            [Correction(kind=CorrectionKind.RENAME, name=name, new_name=new_name.strip())]
        )


def _columns_of(forecast: Forecast) -> dict[str, NDArray[np.generic]]:
    return {FORECAST.key: forecast.accuracy.value, VERDICT.key: forecast.verdict}
