import threading

import pytest

from napari_acll.core import Check, Light
from napari_acll.widgets import _preflight_panel

GREEN = Check(name="Disk", light=Light.GREEN, sentence="9 GB are left.")
RED = Check(name="Recording", light=Light.RED, sentence="It is not there.", exit_code=3)


@pytest.fixture
def looked(monkeypatch):
    """What the preflight was asked, and what it answers, which a test may change."""
    asked, answer = [], [GREEN]

    def preflight(recording, *, settings, out):
        asked.append((recording, settings, out, threading.current_thread().name))
        return list(answer)

    monkeypatch.setattr(_preflight_panel, "preflight", preflight)
    return asked, answer


def _wait_for_lines(live, qtbot):
    qtbot.waitUntil(lambda: bool(live.preflight.value()), timeout=5000)


def _red_sentences(panel):
    return " ".join(check.sentence for check in panel.value() if check.light is Light.RED)


def test_a_recording_is_looked_at_in_the_background_before_start(live, looked, qtbot, tmp_path):
    asked, _ = looked
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "worm.acll"))
    _wait_for_lines(live, qtbot)
    assert len(asked) == 1  # not once for each change
    recording, settings, out, thread = asked[0]
    assert (recording, out, thread) == ("simulated", tmp_path / "worm.acll", "acll-preflight")
    assert settings == live.setup.settings()
    assert live.buttons.start.isEnabled()


def test_a_red_line_keeps_start_from_starting_until_it_is_mended(live, looked, qtbot):
    _, answer = looked
    answer[:] = [GREEN, RED]
    live.setup.set_recording("gone.nd2")
    _wait_for_lines(live, qtbot)
    assert not live.buttons.start.isEnabled()
    assert live.buttons.look.isEnabled()
    live.start()  # as the key does
    assert live.engine.run is None
    assert "It is not there." in _red_sentences(live.preflight)
    answer[:] = [GREEN]
    live.preflight.again_button.click()
    qtbot.waitUntil(live.buttons.start.isEnabled, timeout=5000)
    _wait_for_lines(live, qtbot)


def test_a_setting_that_is_not_valid_is_a_red_line(live, looked, qtbot):
    asked, _ = looked
    live.setup.set_recording("simulated")
    live.setup._advanced["source"].setValues({"marker_channel": 1, "activity_channel": 1})
    _wait_for_lines(live, qtbot)
    assert "they must differ" in _red_sentences(live.preflight)
    assert asked == []


def test_without_a_recording_nothing_is_looked_at(live, looked):
    asked, _ = looked
    live.preflight.check()
    assert asked == []
    assert live.preflight.value() == ()


@pytest.mark.usefixtures("looked")
def test_starting_ends_the_looking(live, build_fake, qtbot, tmp_path):
    live.engine.build = build_fake(lingers=True)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.preflight.check()
    live.buttons.start.click()
    assert live.preflight.value() == ()
    assert live.preflight.isHidden()
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)


def test_the_real_preflight_of_the_virtual_worm_lets_start(live, qtbot, tmp_path):
    live.setup.set_recording("simulated:volumes=5,geometry=small")
    live.setup.out.setValue(str(tmp_path / "worm.acll"))
    live.preflight.check()
    qtbot.waitUntil(lambda: bool(live.preflight.value()), timeout=30_000)
    assert not live.preflight.is_red
    assert {"Recording", "Disk", "Device"} <= {check.name for check in live.preflight.value()}
