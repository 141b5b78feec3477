"""The dock of neurons on a real session: what it shows, and what its commands correct."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QInputDialog

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    DropPolicy,
    LabelSettings,
    NeuronTable,
    RunSettings,
    TraceSettings,
)
from napari_acll.quality import Verdict
from napari_acll.session import Session
from napari_acll.testing import FakePreprocessor, FakeSource, GatedLabeler, expected_ratio
from napari_acll.trace import RatioTraceEstimator
from napari_acll.widgets import NeuronsWidget
from napari_acll.widgets._correction_actions import ActionButton, swaps, toggles
from napari_acll.widgets._neuron_columns import ALL_COLUMNS
from napari_acll.widgets._neuron_table import NeuronTableView
from napari_acll.widgets._run import RunRequest

AVAL, AVAR, RIBL, OLLR = range(4)
NAME, NOW, SEEN, JUMP, SIGNAL_TO_NOISE, CORRELATION, FORECAST, VERDICT, PIN, MUTE = range(10)
N_VOLUMES = 40
PATIENCE_MS = 20_000


class Bench:
    """A dock whose session labels as many volumes as it is allowed to."""

    def __init__(self, widget, qtbot, told):
        self.widget, self.engine, self._qtbot = widget, widget.engine, qtbot
        self.told = told
        self.labeler = GatedLabeler()
        self.n_allowed = 0
        self.engine.build = self._build
        settings = AcllSettings(
            run=RunSettings(drop_policy=DropPolicy.BLOCK), label=LabelSettings(batch_size=1)
        )
        self.engine.start(RunRequest(recording="fake", settings=settings, out=None))
        self.go_on(1)

    @property
    def session(self):
        return self.engine.run.session

    def _build(self, request):
        source = FakeSource(range(N_VOLUMES))
        return Session(
            source=source,
            preprocessor=FakePreprocessor(source.spec),
            labeler=self.labeler,
            calibrator=None,
            trace_estimator=RatioTraceEstimator(self.labeler.neurons, TraceSettings()),
            writers=[],
            settings=request.settings,
            alignment=ChannelAlignment.identity("Nothing was calibrated."),
        )

    def go_on(self, n_volumes):
        """Let volumes through, wait until they are traced, and show them."""
        self.labeler.allow(n_volumes)
        self.n_allowed += n_volumes
        self._qtbot.waitUntil(self._is_traced, timeout=PATIENCE_MS)
        self.engine.poll()
        self.widget.refresh(is_forced=True)

    def show_when(self, is_there):
        """Wait for what the session does after it has stored a volume, and show it."""
        self._qtbot.waitUntil(is_there, timeout=PATIENCE_MS)
        self.widget.refresh(is_forced=True)

    def _is_traced(self):
        return self.session is not None and self.session.store.n_timepoints >= self.n_allowed

    def end(self):
        self.labeler.allow(N_VOLUMES)
        self.engine.stop()
        self._qtbot.waitUntil(lambda: not self.engine.is_running, timeout=PATIENCE_MS)
        self.engine.poll()

    def text(self, row, column):
        model = self.widget.table.model
        return model.data(model.index(row, column))

    def is_checked(self, row, column):
        model = self.widget.table.model
        state = model.data(model.index(row, column), Qt.ItemDataRole.CheckStateRole)
        return state == Qt.CheckState.Checked

    def place_of(self, row, column):
        """Return the middle of a cell on screen."""
        view = self.widget.table.table
        shown = _shown_rows(self.widget).index(row)
        return view.visualRect(view.model().index(shown, column)).center()

    def click(self, row, column=NAME, modifier=Qt.KeyboardModifier.NoModifier):
        port = self.widget.table.table.viewport()
        QTest.mouseClick(port, Qt.MouseButton.LeftButton, modifier, self.place_of(row, column))

    def press(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        QTest.keyClick(self.widget.table.table, key, modifier)

    def corrections(self):
        return [
            (made.kind.value, made.name, made.new_name)
            for made in self.session.corrections.history
        ]

    def listed(self):
        shown = self.widget.corrections
        return [shown.item(row).text() for row in range(shown.count())]


def _shown_rows(widget):
    """Return the neurons of the list as it is on screen, from the top."""
    shown = widget.table.table.model()
    return [shown.mapToSource(shown.index(at, 0)).row() for at in range(shown.rowCount())]


@pytest.fixture
def told(monkeypatch):
    sentences = []
    monkeypatch.setattr("napari_acll.widgets._neurons_widget.show_error", sentences.append)
    return sentences


@pytest.fixture
def bench(make_napari_viewer_proxy, qtbot, told):
    viewer = make_napari_viewer_proxy(show=True)
    widget = NeuronsWidget(viewer)
    viewer.window.add_dock_widget(widget, name="neurons")
    bench = Bench(widget, qtbot, told)
    qtbot.waitUntil(widget.isVisible, timeout=PATIENCE_MS)
    widget.window().activateWindow()  # keys go to the window that is active
    qtbot.waitUntil(widget.window().isActiveWindow, timeout=PATIENCE_MS)
    widget.table.table.setFocus()
    yield bench
    bench.end()


def test_names_and_all_columns_can_be_read_in_the_narrowest_list(qtbot):
    view = NeuronTableView(ALL_COLUMNS)
    qtbot.addWidget(view)
    view.model.set_names([f"AMS{number:02d}?" for number in range(60)])
    view.show()
    view.resize(10, 200)
    qtbot.waitUntil(view.table.verticalScrollBar().isVisible, timeout=PATIENCE_MS)
    header = view.table.horizontalHeader()
    assert header.length() <= header.viewport().width()
    assert header.sectionSize(0) > header.fontMetrics().horizontalAdvance("AMSOR?") + 8
    assert not header.highlightSections()
    for section, column in enumerate(ALL_COLUMNS):
        needed_px = header.fontMetrics().horizontalAdvance(column.title)
        assert header.sectionSize(section) > needed_px, column.title


def test_it_shows_what_is_known_and_leaves_empty_what_nobody_knows(bench):
    assert [bench.text(row, NAME) for row in (AVAL, RIBL, OLLR)] == ["AVAL?", "RIBL", "OLLR"]
    assert [bench.text(row, NOW) for row in range(4)] == ["0.90", "0.80", "0.70", "-"]
    assert [bench.text(row, SEEN) for row in range(4)] == ["100%", "100%", "100%", "0%"]
    assert {bench.text(row, column) for row in range(4) for column in (JUMP, FORECAST)} == {""}
    bench.go_on(25)
    # the ratio climbs by the same step in each volume: all of it is "noise", nothing is slow
    # beyond it but the climb itself, whose deviation over 26 steps is 26 / sqrt(12) steps
    climbed = float(bench.text(AVAL, SIGNAL_TO_NOISE))
    assert climbed == pytest.approx(26 / np.sqrt(12) / (np.sqrt(np.pi) / 2), rel=0.1)
    assert bench.text(OLLR, SIGNAL_TO_NOISE) == ""


def test_after_thirty_volumes_it_shows_the_forecast_and_what_it_rests_on(bench):
    assert {bench.text(row, VERDICT) for row in range(4)} == {""}
    bench.go_on(29)
    bench.show_when(lambda: bench.session.forecast is not None)  # made after the sample is stored
    forecast = bench.session.forecast
    for row in (AVAL, AVAR, RIBL):
        assert bench.text(row, FORECAST) == f"{forecast.accuracy.value[row]:.0%}"
        assert bench.text(row, VERDICT) == Verdict(forecast.verdict[row]).words != ""
    assert (bench.text(OLLR, FORECAST), bench.text(OLLR, VERDICT)) == ("", "")
    model = bench.widget.table.model
    tip = model.data(model.index(AVAL, FORECAST), Qt.ItemDataRole.ToolTipRole)
    assert tip == forecast.reason(AVAL)
    assert model.data(model.index(OLLR, VERDICT), Qt.ItemDataRole.ToolTipRole) is None


def test_only_neurons_with_a_good_verdict_can_be_shown(bench):
    table, choice = bench.widget.table, bench.widget.by_verdict
    verdict = np.array(
        [Verdict.USABLE, Verdict.DOUBTFUL, Verdict.REJECT, Verdict.UNKNOWN], np.int8
    )
    known = np.ones(4, np.float32)
    table.model.set_values(known, known, verdict=verdict)
    for least, rows in (
        (Verdict.USABLE, {AVAL}),
        (Verdict.DOUBTFUL, {AVAL, AVAR}),
        (Verdict.UNKNOWN, {AVAL, AVAR, RIBL, OLLR}),
    ):
        choice.setCurrentIndex(choice.findData(least))
        assert set(_shown_rows(bench.widget)) == rows


def test_choosing_rows_chooses_their_neurons_everywhere(bench):
    bench.click(AVAR)
    assert bench.engine.chosen == {AVAR + 1}
    bench.click(RIBL, modifier=Qt.KeyboardModifier.ControlModifier)
    assert bench.engine.chosen == {AVAR + 1, RIBL + 1}


def test_what_another_dock_chooses_is_selected_here(bench):
    bench.engine.choose([RIBL + 1, OLLR + 1])
    assert bench.widget.chosen_names() == ["OLLR", "RIBL"]


def test_a_double_click_or_return_goes_to_the_neuron(bench, monkeypatch):
    gone_to = []
    monkeypatch.setattr(bench.engine, "go_to", gone_to.append)
    port, place = bench.widget.table.table.viewport(), bench.place_of(RIBL, NAME)
    bench.click(RIBL)
    QTest.mouseDClick(port, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    assert gone_to == [RIBL + 1]
    bench.press(Qt.Key.Key_Return)
    assert gone_to == [RIBL + 1] * 2


def test_the_text_filter_shows_names_that_contain_it_and_keeps_what_is_chosen(bench):
    bench.engine.choose([RIBL + 1])
    QTest.keyClicks(bench.widget.table.search, "av")
    assert _shown_rows(bench.widget) == [AVAL, AVAR]
    assert bench.engine.chosen == {RIBL + 1}
    bench.widget.table.search.clear()
    assert bench.widget.chosen_names() == ["RIBL"]


def test_only_good_now_follows_the_slider_and_the_newest_volume(bench):
    bench.widget.only_good.click()
    assert _shown_rows(bench.widget) == [AVAL, AVAR]
    bench.widget.least.setValue(85)
    assert _shown_rows(bench.widget) == [AVAL]
    bench.click(AVAL)
    bench.press(Qt.Key.Key_M)
    bench.go_on(1)
    assert _shown_rows(bench.widget) == []
    bench.widget.only_good.click()
    assert len(_shown_rows(bench.widget)) == 4


def test_sorting_by_a_column_puts_the_best_first(bench):
    bench.widget.table.table.sortByColumn(NOW, Qt.SortOrder.DescendingOrder)
    assert _shown_rows(bench.widget) == [AVAL, AVAR, RIBL, OLLR]
    bench.widget.table.table.sortByColumn(NOW, Qt.SortOrder.AscendingOrder)
    assert _shown_rows(bench.widget) == [OLLR, RIBL, AVAR, AVAL]


def test_swapping_sides_swaps_the_traces_from_the_next_volume_on_and_undo_takes_it_back(bench):
    bench.click(AVAR)
    bench.press(Qt.Key.Key_S)
    bench.go_on(1)
    bench.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    bench.go_on(1)
    bench.press(
        Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    )
    bench.go_on(1)
    ratio = bench.session.store.ratio
    for index, is_swapped in enumerate([False, True, False, True]):
        aval, avar, _ = expected_ratio(index)
        given = [avar, aval] if is_swapped else [aval, avar]
        np.testing.assert_allclose(ratio[:2, index], given, rtol=1e-6)
    assert [kind for kind, *_ in bench.corrections()] == ["swap", "undo", "redo"]
    assert bench.listed() == [
        "3: the last correction is made again (AVAR and AVAL are swapped)",
        "2: the last correction is taken back (AVAR and AVAL are swapped)",
        "1: AVAR and AVAL are swapped",
    ]


def test_pin_and_mute_by_key_switch_on_and_off_and_show_in_the_boxes(bench):
    bench.click(AVAL)
    bench.click(RIBL, modifier=Qt.KeyboardModifier.ControlModifier)
    bench.press(Qt.Key.Key_P)
    assert [bench.is_checked(row, PIN) for row in range(4)] == [True, False, True, False]
    bench.press(Qt.Key.Key_P)
    assert not any(bench.is_checked(row, PIN) for row in range(4))
    bench.press(Qt.Key.Key_M)
    assert bench.is_checked(AVAL, MUTE)
    bench.go_on(1)
    assert bench.text(AVAL, NOW) == "-"
    assert np.isnan(bench.session.store.ratio[AVAL, 1])


def test_a_click_on_a_box_pins_or_mutes_that_neuron(bench):
    view = bench.widget.table.table
    for column, kind in ((PIN, "pin"), (MUTE, "mute")):
        area = view.visualRect(view.model().index(AVAR, column))
        place = QPoint(area.left() + 10, area.center().y())
        QTest.mouseClick(
            view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place
        )
        assert bench.corrections()[-1] == (kind, "AVAR", "")
        assert bench.is_checked(AVAR, column)


def test_renaming_asks_for_the_name_while_the_session_goes_on(bench, qtbot):
    bench.click(RIBL)
    bench.press(Qt.Key.Key_R)
    dialog = bench.widget.findChild(QInputDialog)
    bench.go_on(1)
    dialog.setTextValue("OLLR")
    dialog.accept()
    qtbot.waitUntil(lambda: bench.corrections() == [("rename", "RIBL", "OLLR")])
    bench.go_on(1)
    ratio = bench.session.store.ratio
    assert np.isnan(ratio[RIBL, 2])
    np.testing.assert_allclose(ratio[OLLR, 2], expected_ratio(2)[2], rtol=1e-6)


def test_a_name_that_the_model_does_not_know_is_told_and_nothing_changes(bench):
    bench.click(RIBL)
    bench.press(Qt.Key.Key_R)
    dialog = bench.widget.findChild(QInputDialog)
    dialog.setTextValue("RIBX")
    dialog.accept()
    assert bench.told == [
        "This model gives 4 names and 'RIBX' is none of them; choose one of the list of neurons."
    ]
    assert bench.corrections() == []


def test_only_what_can_be_done_is_enabled(bench):
    commands = bench.widget.commands
    assert not any(action.isEnabled() for action in commands.for_buttons())
    bench.click(OLLR)
    assert commands.pin.isEnabled()
    assert commands.rename.isEnabled()
    assert not commands.swap.isEnabled()
    bench.click(AVAL, modifier=Qt.KeyboardModifier.ControlModifier)
    assert commands.swap.isEnabled()
    assert not commands.rename.isEnabled()
    commands.pin.trigger()
    assert commands.undo.isEnabled()
    assert not commands.redo.isEnabled()
    commands.undo.trigger()
    assert commands.redo.isEnabled()


def test_each_command_is_a_button_with_its_key_in_the_tooltip_and_in_the_menu(bench):
    buttons = bench.widget.findChildren(ActionButton)
    commands = bench.widget.commands
    assert [button.action for button in buttons] == list(commands.for_buttons())
    assert [action.toolTip().rpartition("(")[2] for action in commands.for_buttons()] == [
        "P)",
        "M)",
        "R)",
        "S)",
        "Ctrl+Z)",
        "Ctrl+Shift+Z)",
    ]
    view = bench.widget.table.table
    assert view.contextMenuPolicy() == Qt.ContextMenuPolicy.ActionsContextMenu
    assert set(commands.for_buttons()) <= set(view.actions())


def test_a_button_does_what_its_command_does_when_that_is_possible(bench):
    pin = bench.widget.findChildren(ActionButton)[0]
    pin.click()
    assert bench.corrections() == []
    bench.click(AVAL)
    assert pin.isEnabled()
    pin.click()
    assert bench.corrections() == [("pin", "AVAL", "")]


def test_after_the_end_nothing_can_be_corrected_and_the_values_stay(bench):
    bench.click(AVAL)
    bench.end()
    bench.widget.refresh(is_forced=True)
    assert not any(action.isEnabled() for action in bench.widget.commands.for_buttons())
    assert bench.text(AVAL, SEEN) == "100%"
    bench.press(Qt.Key.Key_P)
    assert bench.corrections() == []


def test_a_box_that_is_clicked_after_the_end_is_told_and_nothing_changes(bench):
    bench.end()
    bench.widget.table.model.boxClicked.emit("is_pinned", AVAL)
    assert len(bench.told) == 1
    assert "session is over" in bench.told[0]
    assert not bench.is_checked(AVAL, PIN)


def test_go_to_moves_the_viewer_to_the_plane_of_the_neuron(bench):
    bench.engine.go_to(RIBL + 1)
    viewer = bench.engine.layers._viewer()
    assert viewer.dims.point[-3] == pytest.approx(2.5, abs=0.51)
    assert viewer.scene.camera.center[-2:] == pytest.approx((9 * 0.5, 15 * 0.5))


def test_names_that_are_on_already_are_only_switched_off_together():
    made = toggles(["A", "B"], {"A"}, on="pin", off="unpin")
    assert [(one.kind, one.name) for one in made] == [("pin", "B")]
    made = toggles(["A", "B"], {"A", "B", "C"}, on="pin", off="unpin")
    assert [(one.kind, one.name) for one in made] == [("unpin", "A"), ("unpin", "B")]


def test_a_pair_of_which_both_are_chosen_is_swapped_once():
    neurons = NeuronTable(("AVAL", "AVAR", "ALA", "RIML", "RIMR"))
    made = swaps(["AVAL", "ALA", "RIMR", "AVAR"], neurons)
    assert [(one.name, one.new_name) for one in made] == [("AVAL", "AVAR"), ("RIMR", "RIML")]


def test_the_correlation_with_a_reference_is_shown_while_there_is_one(bench):
    bench.go_on(29)
    assert bench.text(AVAR, CORRELATION) == ""
    bench.click(AVAL)
    bench.press(Qt.Key.Key_F)
    assert bench.engine.reference == AVAL + 1
    expected = np.corrcoef(bench.session.store.ratio[:3])[0]
    shown = [bench.text(row, CORRELATION) for row in (AVAL, AVAR, RIBL)]
    assert shown == [f"{value:+.2f}" for value in expected]
    assert bench.text(OLLR, CORRELATION) == ""  # it was never seen
    bench.press(Qt.Key.Key_F)
    assert bench.engine.reference == 0
    assert bench.text(AVAR, CORRELATION) == ""


def test_before_enough_volumes_there_is_no_correlation(bench):
    bench.go_on(10)
    bench.engine.compare_with(AVAL + 1)
    assert bench.text(AVAR, CORRELATION) == ""


def test_what_has_no_correlation_comes_below_the_most_unlike(bench):
    model = bench.widget.table.model
    model.set_values(
        np.ones(4, np.float32),
        np.ones(4, np.float32),
        correlation=np.array([1.0, -1.0, np.nan, 0.2], np.float32),
    )
    bench.widget.table.table.sortByColumn(CORRELATION, Qt.SortOrder.DescendingOrder)
    assert _shown_rows(bench.widget) == [AVAL, OLLR, AVAR, RIBL]
