import sys
import threading

import pytest
from qtpy.QtCore import Qt

from napari_acll.trace import why_no_deconvolution
from napari_acll.widgets import _trace_controls
from napari_acll.widgets._trace_controls import TraceControls
from napari_acll.widgets._trace_view import TimeAxis, TraceValues, TraceView


@pytest.fixture
def controls(qtbot):
    controls = TraceControls()
    qtbot.addWidget(controls)
    return controls


@pytest.fixture
def _without_oasis(monkeypatch):
    monkeypatch.setitem(sys.modules, "oasis", None)
    monkeypatch.setitem(sys.modules, "oasis.oasis_methods", None)
    why_no_deconvolution.cache_clear()
    yield
    why_no_deconvolution.cache_clear()


@pytest.mark.parametrize("window_s", [None, 60.0, 45.0])
def test_what_is_set_is_what_is_shown(controls, window_s):
    view = TraceView(
        values=TraceValues.Z_SCORE, axis=TimeAxis.VOLUMES, window_s=window_s, has_band=False
    )
    controls.setValue(view)
    assert controls.value() == view


def test_a_choice_is_told_once(controls):
    told = []
    controls.valueChanged.connect(told.append)
    controls.values.setCurrentText("F/F0")
    assert told == [TraceView(values=TraceValues.OVER_BASELINE)]
    controls.setValue(controls.value())
    assert len(told) == 1


def test_choosing_how_much_is_followed_follows_again(controls):
    controls.live.setChecked(False)
    controls.window_length.setCurrentIndex(2)
    controls.window_length.activated.emit(2)
    assert controls.is_following
    assert controls.value().window_s == 60


def test_every_control_says_what_it_does(controls):
    for control in (
        controls.live,
        controls.window_length,
        controls.axis,
        controls.values,
        controls.band,
    ):
        assert control.toolTip()


def _deconvolved(controls):
    return controls.values.model().item(controls.values.findData(TraceValues.DECONVOLVED))


def test_deconvolved_values_are_a_fourth_choice(controls, qtbot):
    pytest.importorskip("oasis")
    assert [controls.values.itemText(index) for index in range(controls.values.count())] == [
        "ratio",
        "F/F0",
        "z-score",
        "Deconvolved",
    ]
    qtbot.waitUntil(_deconvolved(controls).isEnabled, timeout=10_000)
    controls.setValue(TraceView(values=TraceValues.DECONVOLVED))
    assert controls.value().values is TraceValues.DECONVOLVED
    assert not controls.band.isEnabled()
    assert controls.band.isChecked()  # for the others
    controls.setValue(TraceView())
    assert controls.band.isEnabled()


def test_the_dock_does_not_wait_until_the_package_is_loaded(qtbot, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(_trace_controls, "deconvolution_is_known", lambda: False)
    monkeypatch.setattr(
        _trace_controls, "why_no_deconvolution", lambda: "" if gate.wait(20) else "in vain"
    )
    controls = TraceControls()
    qtbot.addWidget(controls)
    item = _deconvolved(controls)
    assert not item.isEnabled()
    assert "being loaded" in item.data(Qt.ItemDataRole.ToolTipRole)
    gate.set()
    qtbot.waitUntil(item.isEnabled, timeout=10_000)
    assert not item.data(Qt.ItemDataRole.ToolTipRole)


@pytest.mark.usefixtures("_without_oasis")
def test_without_the_package_the_choice_is_gray_and_says_what_to_install(qtbot):
    controls = TraceControls()
    qtbot.addWidget(controls)
    item = _deconvolved(controls)
    assert not item.isEnabled()
    tip = 'pip install "napari-acll[deconvolution]"'
    qtbot.waitUntil(lambda: tip in item.data(Qt.ItemDataRole.ToolTipRole), timeout=10_000)
    assert not item.isEnabled()
    controls.setValue(TraceView(values=TraceValues.Z_SCORE))
    controls.setValue(TraceView(values=TraceValues.DECONVOLVED))
    assert controls.value().values is TraceValues.RATIO
