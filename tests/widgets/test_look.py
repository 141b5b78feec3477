"""Looking before recording, from the buttons to the session that follows."""

import pytest

from napari_acll.core import ModelError, SessionState


@pytest.fixture
def looking(live, build_fake, qtbot, tmp_path):
    """A dock in which a look shows volumes and goes on."""
    live.engine.build = build_fake(n_volumes=3, lingers=True)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.look.click()
    qtbot.waitUntil(lambda: bool(live.look_list.value()), timeout=20_000)
    yield live
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)


def test_a_look_records_nothing_and_says_so(looking, sessions, tmp_path):
    assert sessions[0].request.out is None
    assert "looking, not recorded" in looking.status.state.text()
    assert looking.engine.is_looking
    assert not list(tmp_path.glob("*.acll"))


def test_a_look_shows_what_the_picture_is_like(looking):
    assert [check.name for check in looking.look_list.value()] == [
        "Focus",
        "Saturation",
        "Names",
        "Crop",
    ]
    assert not looking.look_list.isHidden()
    assert {"live marker", "live labels"} <= {layer.name for layer in looking._viewer.layers}


def test_nothing_can_be_marked_while_nothing_is_recorded(looking, sessions, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_acll.widgets._live_widget.show_error", shown.append)
    assert not looking.status.marks.isEnabled()
    looking.mark("light")
    assert "no session is being recorded" in shown[0]
    assert sessions[0].marked == []


def test_the_form_can_be_changed_while_it_is_looked(looking):
    assert looking.setup.isEnabled()
    assert looking.buttons.start.text() == "Record"


def test_record_ends_the_look_and_then_starts_on_what_the_form_says(
    looking, sessions, build_fake, qtbot, tmp_path
):
    looking.engine.build = build_fake(n_volumes=2, lingers=True)
    looking.setup.crop.setValue({"z_start_px": 1})
    looking.buttons.start.click()
    assert not looking.buttons.start.isEnabled()
    qtbot.waitUntil(lambda: len(sessions) == 2, timeout=5000)
    qtbot.waitUntil(lambda: looking.engine.state is SessionState.RUNNING, timeout=5000)
    assert sessions[0].state.is_over
    request = sessions[1].request
    assert request.out == tmp_path / "new.acll"
    assert request.settings.preprocess.crop.z_start_px == 1
    assert not looking.engine.is_looking
    assert looking.look_list.isHidden()
    assert "the model stays loaded" in looking.status.notes.toPlainText()
    assert looking.buttons.start.text() == "Start"


def test_stop_after_record_starts_nothing(looking, sessions, qtbot):
    looking.buttons.start.click()
    looking.buttons.stop.click()
    qtbot.waitUntil(lambda: looking.engine.state.is_over, timeout=5000)
    qtbot.wait(100)
    assert len(sessions) == 1


def test_a_look_that_fails_starts_no_recording(live, build_fake, qtbot, tmp_path, sessions):
    live.engine.build = build_fake(lingers=True, error=ModelError("The model is ill."))
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.look.click()
    qtbot.waitUntil(lambda: live.engine.state is SessionState.RUNNING, timeout=5000)
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state is SessionState.FAILED, timeout=5000)
    qtbot.waitUntil(lambda: "The model is ill." in live.status.state.text(), timeout=5000)
    assert len(sessions) == 1


def test_the_crop_is_dragged_on_the_volumes_that_are_shown(looking, qtbot):
    qtbot.waitUntil(lambda: "live marker" in looking._viewer.layers, timeout=5000)
    looking.setup.crop.drag_button.click()
    layers = looking._viewer.layers
    assert "crop" in layers
    assert "full frame" not in layers
    # the fake session labels a part of a frame of 90 x 132 stored pixels
    height_um = layers["crop"].data[0][:, -2].max() - layers["crop"].data[0][:, -2].min()
    assert height_um == pytest.approx(90 * 0.18)
    looking.setup.crop.drag_button.click()
    assert "crop" not in layers
