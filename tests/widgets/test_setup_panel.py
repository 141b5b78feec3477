"""Choosing sources, profiles and what was chosen last."""

from pathlib import Path

import pytest
from qtpy.QtWidgets import QFileDialog, QInputDialog, QPushButton, QWidget

from napari_acll.core import AcllSettings
from napari_acll.session import load_settings, profile_names
from napari_acll.widgets._preferences import Preferences
from napari_acll.widgets._recent_choices import RecentChoices
from napari_acll.widgets._session_paths import fresh_session_path, is_address
from napari_acll.widgets._setup_panel import SetupPanel


@pytest.fixture
def make_setup(qtbot):
    def make():
        panel = SetupPanel()
        qtbot.addWidget(panel)
        return panel

    return make


@pytest.fixture
def setup(make_setup):
    return make_setup()


def _is_live(setup):
    return setup.settings().source.live.is_live


def _choose_live(setup, beginning):
    actions = setup.recording_row.live_menu.actions()
    (action,) = [action for action in actions if action.text().startswith(beginning)]
    action.trigger()


def test_an_untouched_form_gives_the_defaults(setup):
    assert setup.settings() == AcllSettings()


@pytest.mark.parametrize(
    ("beginning", "address"),
    [
        ("Micro-Manager", "micromanager:"),
        ("Shared memory", "shm:nis"),
        ("Another computer", "tcp://127.0.0.1:5570"),
    ],
)
def test_each_sender_of_volumes_can_be_chosen_and_arms(setup, beginning, address):
    assert not _is_live(setup)
    _choose_live(setup, beginning)
    assert setup.recording.value() == address
    assert _is_live(setup)


@pytest.mark.parametrize(
    ("beginning", "dialog", "answer"),
    [
        ("A folder", "getExistingDirectory", "worm7"),
        ("An ND2 file", "getSaveFileName", "worm7.nd2"),
    ],
)
def test_a_recording_to_come_is_chosen_and_arms(
    setup, monkeypatch, tmp_path, beginning, dialog, answer
):
    path = str(tmp_path / answer)
    result = path if dialog == "getExistingDirectory" else (path, "")
    monkeypatch.setattr(QFileDialog, dialog, lambda *_, **__: result)
    _choose_live(setup, beginning)
    assert setup.recording.value() == path
    assert _is_live(setup)
    assert RecentChoices().folder("recording") == str(tmp_path)


def test_a_file_that_is_chosen_for_replay_is_not_followed(setup, monkeypatch, tmp_path):
    _choose_live(setup, "Micro-Manager")
    path = str(tmp_path / "worm.nd2")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (path, ""))
    (button,) = [b for b in setup.findChildren(QPushButton) if b.text() == "File..."]
    button.click()
    assert setup.recording.value() == path
    assert not _is_live(setup)


def test_the_simulated_worm_is_never_followed_and_an_address_always_is(setup):
    setup.set_recording("tcp://127.0.0.1:5570")
    assert _is_live(setup)
    setup.set_recording("simulated:seed=3")
    assert not _is_live(setup)


@pytest.mark.parametrize(
    ("recording", "is_one"),
    [
        ("shm:nis", True),
        ("tcp://127.0.0.1:5570", True),
        ("micromanager:", True),
        ("simulated:seed=3", False),
        ("C:/worm.nd2", False),
        ("/data/worm.nd2", False),
    ],
)
def test_an_address_is_told_from_a_path(recording, is_one):
    assert is_address(recording) is is_one


def test_the_session_of_an_address_has_a_name_that_any_disk_takes(tmp_path):
    path = fresh_session_path("tcp://127.0.0.1:5570", tmp_path)
    assert path == tmp_path / "tcp_127.0.0.1_5570_001.acll"
    assert fresh_session_path("micromanager:", tmp_path).name == "micromanager_001.acll"


def test_a_profile_is_shown_and_leaves_the_animal_alone(setup):
    setup._animal.setValues({"animal": "worm 7"})
    setup.profile.box.setCurrentText("flavell_raw")
    setup.profile.box.textActivated.emit("flavell_raw")
    expected = load_settings("flavell_raw")
    shown = setup.settings()
    assert shown.preprocess == expected.preprocess
    assert shown.source.marker_channel == 1
    assert shown.animal.animal == "worm 7"


def test_a_form_is_kept_as_a_profile_and_found_again(setup, make_setup, monkeypatch):
    setup.set_settings(AcllSettings(preprocess={"bin_px": 4}, animal={"animal": "worm 7"}))
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("my rig", True))
    setup.profile.save_button.click()
    assert "my rig" in profile_names()
    assert setup.profile.value() == "my rig"
    other = make_setup()
    other.load_profile("my rig")
    assert other.settings() == AcllSettings(preprocess={"bin_px": 4})


def test_a_profile_with_an_impossible_name_is_told(setup, monkeypatch, qtbot):
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("../rig", True))
    with qtbot.waitSignal(setup.failed, timeout=1000) as told:
        setup.profile.save_button.click()
    assert "cannot be called" in told.args[0]


def test_a_recording_that_was_used_is_offered_again(setup, make_setup):
    setup.set_recording("shm:nis")
    setup.remember()
    other = make_setup()
    assert other.recording.line.completer().model().stringList() == ["shm:nis"]
    _choose_live(other, "Again: shm:nis")
    assert other.recording.value() == "shm:nis"


def test_the_memory_of_recordings_is_short_and_has_each_once():
    for number in [*range(12), 11]:
        RecentChoices().remember_recording(f"worm {number}")
    kept = RecentChoices().recordings
    assert kept[:2] == ("worm 11", "worm 10")
    assert len(kept) == len(set(kept)) == 10


def test_a_memory_that_is_damaged_is_an_empty_one(monkeypatch, tmp_path):
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path))
    (tmp_path / "recent.json").write_text("[1, 2")
    assert RecentChoices().recordings == ()
    (tmp_path / "recent.json").write_text("[1, 2]")
    assert RecentChoices().folder("recording") == ""


def test_a_folder_that_is_gone_is_not_offered(tmp_path):
    folder = tmp_path / "rig"
    folder.mkdir()
    RecentChoices().remember_folder("session", str(folder))
    assert RecentChoices().folder("session") == str(folder)
    folder.rmdir()
    assert RecentChoices().folder("session") == ""


def test_sessions_lie_where_the_user_wants_them(setup, tmp_path):
    setup.show_preferences(Preferences(folder=str(tmp_path)))
    setup.set_recording("/data/worm.nd2")
    assert Path(setup.out.value()) == tmp_path / "worm_001.acll"


def test_every_change_is_told(setup, qtbot):
    for change in (
        lambda: setup.set_recording("simulated"),
        lambda: setup.out.setValue("elsewhere.acll"),
        lambda: setup.armed.setValue(True),
        lambda: setup.crop.setValue({"z_start_px": 4}),
        lambda: setup._animal.setValues({"animal": "worm 7"}),
        lambda: setup._advanced["run"].setValues({"spool_mb": 9}),
    ):
        with qtbot.waitSignal(setup.valueChanged, timeout=1000):
            change()


def test_every_control_in_front_has_a_tooltip(setup):
    named = [setup.profile.box, setup.profile.save_button, setup.recording_row.live_button]
    controls: list[QWidget] = [*named, *setup._front.values(), setup.recording, setup.out]
    assert all(control.toolTip() for control in controls)
