"""What the status says of a session: words, latency, disk, what was given up, marks."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QMessageBox, QShortcut
from tests.widgets.fake_session import PERIOD_S, make_deadlines

from napari_acll.core import Light, SessionCounters, SessionState
from napari_acll.widgets import _shortcuts
from napari_acll.widgets._lights import BAD, FLAGGED
from napari_acll.widgets._status_panel import StatusPanel, state_words


@pytest.fixture
def panel(qtbot):
    made = StatusPanel()
    qtbot.addWidget(made)
    return made


@pytest.mark.parametrize(
    ("state", "is_live", "is_built", "is_ready", "is_look", "words"),
    [
        ("warming up", True, False, False, False, "armed: loading the model, or waiting"),
        ("warming up", True, False, True, False, "armed and ready: start the microscope"),
        ("warming up", True, True, True, False, "warming up"),
        ("warming up", False, False, False, False, "warming up"),
        ("running", True, True, True, False, "running"),
        ("running", False, True, False, True, "looking, not recorded (running)"),
        ("finished", False, True, False, True, "finished"),
    ],
)
def test_the_words_say_what_to_do_at_the_microscope(
    state, is_live, is_built, is_ready, is_look, words
):
    told = state_words(
        SessionState(state),
        is_live=is_live,
        is_built=is_built,
        is_ready=is_ready,
        is_look=is_look,
    )
    assert told.startswith(words)


def test_what_was_given_up_stands_beside_what_was_lost(panel):
    panel.show_counters(SessionCounters(n_read=9, n_traced=8), ("label maps are not saved",))
    assert "to catch up (step 1): label maps are not saved" in panel.volumes.text()
    assert FLAGGED in panel.volumes.styleSheet()
    panel.show_counters(SessionCounters(n_read=9, n_traced=8))
    assert "catch up" not in panel.volumes.text()
    assert panel.volumes.styleSheet() == ""


def test_how_much_of_it_was_shown_stands_beside_what_was_traced(panel):
    panel.show_counters(SessionCounters(n_read=9, n_traced=8), n_shown=3, shown_after_s=0.0451)
    assert panel.volumes.text().startswith("8 of 9 traced · 3 shown 45 ms later · 0 waiting")
    assert panel.volumes.styleSheet() == ""  # nothing is lost by it


def test_little_room_on_the_disk_stands_out(panel):
    panel.show_disk("3 MB written · 9 MB left, 2 min", Light.RED)
    assert "2 min" in panel.disk.text()
    assert BAD in panel.disk.styleSheet()
    panel.show_disk("3 MB written · 900 GB left", Light.GREEN)
    assert panel.disk.styleSheet() == ""


def test_every_line_has_a_tooltip(panel):
    for line in (panel.state, panel.volumes, panel.speed, panel.latency, panel.disk):
        assert line.toolTip()


@pytest.fixture
def running(live, build_fake, qtbot, tmp_path, sessions):
    live.engine.build = build_fake(n_volumes=3, lingers=True)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state is SessionState.RUNNING, timeout=5000)
    qtbot.waitUntil(lambda: sessions[0].counters.n_read == 3, timeout=5000)
    yield live
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)


def test_a_running_session_shows_its_latency_and_what_it_wrote(running, sessions, qtbot):
    qtbot.waitUntil(lambda: "written" in running.status.disk.text(), timeout=5000)
    assert running.status.latency.value() == make_deadlines()
    sessions[0].deadlines = make_deadlines(label_s=2 * PERIOD_S)
    qtbot.waitUntil(lambda: running.status.latency.value() == sessions[0].deadlines, timeout=5000)
    sessions[0].given_up = ("label maps are not saved",)
    qtbot.waitUntil(lambda: "catch up" in running.status.volumes.text(), timeout=5000)


def test_the_button_marks_what_the_line_says(running, sessions):
    running.status.marks.setValue("light,0.5,470 nm")
    running.status.marks.button.click()
    assert sessions[0].marked == [("light", 0.5, "470 nm", "key")]
    assert "after volume 2: light 0.5 470 nm" in running.status.marks.listed.toPlainText()
    assert running.status.marks.value() == "light,0.5,470 nm"


def test_enter_marks_too_and_an_empty_line_does_not(running, sessions, qtbot, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_acll.widgets._live_widget.show_error", shown.append)
    running.status.marks.setValue("touch")
    qtbot.keyClick(running.status.marks.line, Qt.Key.Key_Return)
    running.status.marks.setValue("  ")
    running.status.marks.button.click()
    assert [mark[0] for mark in sessions[0].marked] == ["touch"]
    assert "needs a name" in shown[0]


def _shortcut(live, keys):
    found = [s for s in live.findChildren(QShortcut) if s.key() == QKeySequence(keys)]
    assert len(found) == 1
    return found[0]


def test_a_key_marks_from_anywhere_in_the_window(running, sessions):
    key = _shortcut(running, "F8")
    assert key.context() == Qt.ShortcutContext.WindowShortcut
    key.activated.emit()
    assert [mark[0] for mark in sessions[0].marked] == ["mark"]


def test_keys_stop_and_start(running, build_fake, qtbot, tmp_path, sessions):
    _shortcut(running, "Shift+F7").activated.emit()
    qtbot.waitUntil(lambda: running.engine.state.is_over, timeout=5000)
    running.engine.build = build_fake(n_volumes=1, lingers=True)
    running.setup.out.setValue(str(tmp_path / "second.acll"))
    _shortcut(running, "F7").activated.emit()
    qtbot.waitUntil(lambda: len(sessions) == 2, timeout=5000)
    assert sessions[1].request.out == tmp_path / "second.acll"


def test_the_help_lists_every_key(live, monkeypatch):
    shown = []
    monkeypatch.setattr(
        QMessageBox, "information", lambda _parent, _title, text: shown.append(text)
    )
    live.buttons.help.click()
    for shortcut in live._shortcuts:
        assert f"{shortcut.keys}: {shortcut.text}" in shown[0]
    assert len({shortcut.keys for shortcut in live._shortcuts}) == len(live._shortcuts)
    assert _shortcuts.shortcuts_text(live._shortcuts) == shown[0]


def test_marks_of_the_last_session_are_not_those_of_the_next(running, build_fake, qtbot, tmp_path):
    running.status.marks.button.click()
    assert running.status.marks.listed.toPlainText()
    running.stop()
    qtbot.waitUntil(lambda: running.engine.state.is_over, timeout=5000)
    running.engine.build = build_fake(n_volumes=1, lingers=True)
    running.setup.out.setValue(str(tmp_path / "second.acll"))
    running.buttons.start.click()
    assert running.status.marks.listed.toPlainText() == ""
