"""Below the device stands how fast the model is on it, once somebody has measured that."""

import threading

import pytest
from tests.session.test_label_speed import STORED, report

from napari_acll.core import AcllSettings, LabelSettings, ModelError
from napari_acll.session import LabelSpeed
from napari_acll.session._label_speed import remember_session_speed
from napari_acll.widgets import _speed_tool
from napari_acll.widgets._lights import FLAGGED, GOOD
from napari_acll.widgets._setup_panel import SetupPanel
from napari_acll.widgets._speed_tool import SpeedTool

PATIENCE_MS = 5000


def _remember(label_s):
    settings = AcllSettings(label=LabelSettings(device="cpu"))
    remember_session_speed(settings, STORED, report(label_s), device="cpu")


@pytest.fixture
def setup(qtbot, make_napari_viewer_proxy):
    make_napari_viewer_proxy()
    panel = SetupPanel()
    qtbot.addWidget(panel)
    panel.tool = SpeedTool(panel)
    return panel


def test_only_devices_that_may_be_here_are_offered(setup, monkeypatch):
    from napari_acll.label import _device_check

    box = setup._front["label", "device"]._box
    offered = [box.itemText(number) for number in range(box.count())]
    assert offered == list(_device_check.offered_devices())
    monkeypatch.setattr(_device_check, "torch_cuda_version", lambda: "")
    assert _device_check.offered_devices() == ("auto", "cpu")
    monkeypatch.setattr(_device_check, "torch_cuda_version", lambda: "12.8")
    monkeypatch.setattr(_device_check, "has_nvidia_gpu", lambda: False)
    assert _device_check.offered_devices() == ("auto", "cpu")
    monkeypatch.setattr(_device_check, "has_nvidia_gpu", lambda: True)
    assert _device_check.offered_devices()[:3] == ("auto", "cpu", "cuda:0")


def test_what_was_never_measured_is_said_to_be_so(setup, qtbot):
    qtbot.waitUntil(lambda: setup.tool._shown is not None, timeout=PATIENCE_MS)
    qtbot.wait(200)
    assert setup.speed.value() is None
    assert "not measured" in setup.speed.text.text()


@pytest.mark.parametrize(("label_s", "color"), [(0.3, GOOD), (0.59, FLAGGED)])
def test_the_last_live_session_on_this_device_is_shown(setup, qtbot, label_s, color):
    _remember(label_s)
    setup._front["label", "device"].setValue("cpu")
    qtbot.waitUntil(lambda: setup.speed.value() is not None, timeout=PATIENCE_MS)
    text = setup.speed.text.text()
    assert f"{1000 * label_s:.0f} ms per volume on cpu, of 600 ms" in text
    assert "last live session" in text
    assert color in setup.speed.text.styleSheet()
    setup._front["label", "model"].setValue("another")
    qtbot.waitUntil(lambda: setup.speed.value() is None, timeout=PATIENCE_MS)


def test_the_button_measures_in_the_background(setup, qtbot, monkeypatch):
    asked = []
    speed = LabelSpeed(label_s=0.2, n_volumes=5, shape=(1, 2, 3), device="cpu", is_trial=True)

    def measure(settings, *, progress):
        asked.append((settings.device, threading.current_thread().name))
        progress(1, 8)
        return speed

    monkeypatch.setattr(_speed_tool, "measure_label_speed", measure)
    monkeypatch.setattr(_speed_tool, "measured_label_speed", lambda _settings: speed)
    setup._front["label", "device"].setValue("cpu")
    with qtbot.waitSignal(setup.tool.measured, timeout=PATIENCE_MS):
        setup.speed.button.click()
        assert "measuring" in setup.speed.text.text()
    assert asked == [("cpu", "acll-measure")]
    assert "200 ms per volume on cpu, of 600 ms (trial)" in setup.speed.text.text()


def test_measuring_can_be_canceled(setup, qtbot, monkeypatch):
    begun, let_go = threading.Event(), threading.Event()

    def measure(_settings, *, progress):
        begun.set()
        let_go.wait(10)
        progress(1, 8)
        raise AssertionError("it went on")

    monkeypatch.setattr(_speed_tool, "measure_label_speed", measure)
    setup.speed.button.click()
    assert begun.wait(5)
    setup.speed.button.click()
    let_go.set()
    qtbot.waitUntil(lambda: not setup.tool.work.is_busy, timeout=PATIENCE_MS)
    assert setup.speed.button.text() == "Measure"
    assert "not measured" in setup.speed.text.text()


def test_a_model_that_is_not_there_is_told(setup, qtbot, monkeypatch):
    def measure(_settings, *, progress):
        del progress
        raise ModelError("There is no model 'nonesuch'; choose another.")

    monkeypatch.setattr(_speed_tool, "measure_label_speed", measure)
    with qtbot.waitSignal(setup.tool.failed, timeout=PATIENCE_MS) as told:
        setup.speed.button.click()
    assert "nonesuch" in told.args[0]
    assert setup.speed.button.text() == "Measure"
