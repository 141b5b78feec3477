"""Docks are readable on any monitor: text follows napari's size, and nothing lies over another."""

from itertools import pairwise

import pytest
from napari.settings import get_settings
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_acll.core import Check, Light
from napari_acll.widgets import LiveSessionWidget, TracePlotWidget
from napari_acll.widgets._check_list import CheckList
from napari_acll.widgets._neuron_table import NeuronTableView
from napari_acll.widgets._text_size import TextSize, text_scale

LONG = (
    "There is no recording at /nowhere/of/that/name/long_recording_of_worm.nd2; check the path, or"
    " use 'simulated' for the simulated worm."
)
RED = [Check(name=name, light=Light.RED, sentence=LONG) for name in ("Recording", "Folder")]


@pytest.fixture
def appearance(make_napari_viewer_proxy):
    """Give napari's settings of how it looks, which the next test gets back as they were."""
    make_napari_viewer_proxy()
    settings = get_settings().appearance
    before = settings.font_size
    yield settings
    settings.font_size = before


@pytest.mark.usefixtures("appearance")
def test_the_usual_size_changes_nothing(qtbot):
    dock = QWidget()
    qtbot.addWidget(dock)
    TextSize(dock)
    assert text_scale() == 1
    assert dock.styleSheet() == ""


def test_larger_text_is_larger_in_lines_that_napari_leaves_out(appearance, qtbot):
    dock = QWidget()
    qtbot.addWidget(dock)
    line = QLineEdit(dock)
    TextSize(dock)
    dock.show()
    before_px = line.fontMetrics().height()
    appearance.font_size = 2 * appearance.font_size
    assert text_scale() == 2
    line.ensurePolished()
    assert line.fontMetrics().height() > 1.7 * before_px
    appearance.font_size = appearance.font_size // 2
    line.ensurePolished()
    assert line.fontMetrics().height() == before_px


def test_the_list_of_neurons_has_room_for_larger_text(appearance, qtbot):
    neurons = NeuronTableView()
    qtbot.addWidget(neurons)
    header, rows = neurons.table.horizontalHeader(), neurons.table.verticalHeader()
    before = header.sectionSize(1), rows.defaultSectionSize()
    appearance.font_size = 2 * appearance.font_size
    assert (header.sectionSize(1), rows.defaultSectionSize()) == (2 * before[0], 2 * before[1])


def test_a_dock_that_is_gone_is_not_told_of_another_size(appearance):
    dock = QWidget()
    size = TextSize(dock)
    dock.deleteLater()
    QApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete.value))
    appearance.font_size = appearance.font_size + 1
    del size, dock
    appearance.font_size = appearance.font_size - 1
    assert text_scale() == 1


@pytest.mark.parametrize("height_px", [150, 400])
def test_lines_are_whole_where_there_is_room_and_scroll_where_not(qtbot, height_px):
    dock = QWidget()
    qtbot.addWidget(dock)
    layout = QVBoxLayout(dock)
    panel = CheckList("Before you start")
    layout.addWidget(panel)
    layout.addStretch(1)
    dock.resize(400, height_px)
    dock.show()
    panel.setValue(RED * 3)
    dock.layout().activate()
    qtbot.wait(50)
    sentences = [label for label in panel.findChildren(QLabel) if label.text() == LONG]
    assert len(sentences) == 6
    for label in sentences:
        assert label.height() >= label.heightForWidth(label.width())
    bar = panel._lines.verticalScrollBar()
    assert (bar.maximum() > 0) is bar.isVisible() is (height_px == 150)


def test_two_red_lines_and_the_traces_fit_a_small_monitor(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    window = viewer.__wrapped__.window._qt_window
    window.resize(1366, 768)
    live = LiveSessionWidget(viewer)
    viewer.window.add_dock_widget(live, name="live", area="right")
    traces = TracePlotWidget(viewer)
    viewer.window.add_dock_widget(traces, name="traces", area="right")
    live.preflight.setValue(RED)
    qtbot.wait(200)
    assert (window.width(), window.height()) == (1366, 768)
    shown = [live.setup, live.preflight, live.buttons, live.status]
    for above, below in pairwise(shown):
        assert above.geometry().bottom() < below.geometry().top()
    lines = live.preflight._lines
    assert lines.height() >= 5 * live.fontMetrics().lineSpacing()
    assert traces.height() > 150
