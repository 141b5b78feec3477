"""Long work has a bar in napari's activity dock, and leaves nothing when it is canceled."""

import gc
import threading

import pytest
from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
from qtpy.QtCore import QObject, QTimer

from napari_acll.core import RecordingError
from napari_acll.widgets import _long_work
from napari_acll.widgets._long_work import CanceledError, LongWork, wait_for

PATIENCE_MS = 5000


class Gate:
    """Work of four steps, each of which waits until it is let go."""

    def __init__(self):
        self.let_go = threading.Semaphore(0)
        self.n_begun = 0

    def __call__(self, steps):
        for number in range(4):
            steps(number, 4)
            self.n_begun = number + 1
            self.let_go.acquire(timeout=10)
        steps(4, 4)
        return "done"


@pytest.fixture
def gate():
    made = Gate()
    yield made
    for _ in range(8):
        made.let_go.release()


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def work(viewer, qtbot):
    parent = QObject()
    made = LongWork("acll-test", parent)
    made.parent_, made.viewer, made.told = parent, viewer, []
    made.done.connect(lambda result: made.told.append(("done", result)))
    made.failed.connect(lambda why: made.told.append(("failed", why)))
    made.canceled.connect(lambda: made.told.append(("canceled", None)))
    yield made
    made.cancel()
    qtbot.waitUntil(lambda: not made.is_busy, timeout=PATIENCE_MS)


def _bars(viewer):
    bars = viewer.__wrapped__.window._qt_window.findChildren(QtLabeledProgressBar)
    return [bar for bar in bars if bar.progress is not None]


def test_a_bar_says_what_is_done_and_how_far_it_is(work, gate, qtbot):
    work.start("Counting to four", gate)
    gate.let_go.release()
    gate.let_go.release()
    (bar,) = _bars(work.viewer)
    assert bar.description_label.text() == "Counting to four: "
    qtbot.waitUntil(lambda: bar.qt_progress_bar.value() == 2, timeout=PATIENCE_MS)
    assert bar.qt_progress_bar.maximum() == 4
    assert not bar.cancel_button.isHidden()
    gate.let_go.release()
    gate.let_go.release()
    qtbot.waitUntil(lambda: work.told == [("done", "done")], timeout=PATIENCE_MS)
    assert not work.is_busy


def test_the_button_in_the_activity_dock_cancels(work, gate, qtbot):
    work.start("Counting to four", gate)
    qtbot.waitUntil(lambda: gate.n_begun == 1, timeout=PATIENCE_MS)
    (bar,) = _bars(work.viewer)
    bar.cancel_button.click()
    qtbot.wait(200)
    gate.let_go.release()
    qtbot.waitUntil(lambda: work.told == [("canceled", None)], timeout=PATIENCE_MS)
    assert gate.n_begun == 1


def test_an_error_is_told_in_its_own_words(work, qtbot):
    def fail(_steps):
        raise RecordingError("It is gone.")

    work.start("Failing", fail)
    qtbot.waitUntil(lambda: work.told == [("failed", "It is gone.")], timeout=PATIENCE_MS)
    work.start("Failing worse", lambda _steps: 1 / 0)
    qtbot.waitUntil(lambda: len(work.told) == 2, timeout=PATIENCE_MS)
    assert "ZeroDivisionError" in work.told[1][1]


def test_only_one_thing_is_done_at_a_time(work, gate, qtbot):
    work.start("Counting to four", gate)
    work.start("Something else", lambda _steps: "else")
    for _ in range(4):
        gate.let_go.release()
    qtbot.waitUntil(lambda: work.told == [("done", "done")], timeout=PATIENCE_MS)


def test_work_is_canceled_when_its_owner_goes(viewer, gate, qtbot):
    parent = QObject()
    LongWork("acll-test", parent).start("Counting to four", gate)
    qtbot.waitUntil(lambda: gate.n_begun == 1, timeout=PATIENCE_MS)
    assert len(_bars(viewer)) == 1
    parent.deleteLater()
    del parent
    gc.collect()
    qtbot.wait(100)
    gate.let_go.release()
    qtbot.wait(300)
    assert gate.n_begun == 1


def test_the_bar_goes_too_if_the_owner_goes_while_it_is_made(viewer, gate, qtbot, monkeypatch):
    """Making it lets napari deal with events."""
    parent = QObject()
    work = LongWork("acll-test", parent)
    make = _long_work._Bar

    def make_slowly(description, steps):
        bar = make(description, steps)
        work._switch.turn_off()
        return bar

    monkeypatch.setattr(_long_work, "_Bar", make_slowly)
    work.start("Counting to four", gate)
    qtbot.waitUntil(lambda: not _bars(viewer), timeout=PATIENCE_MS)
    assert not work.is_busy


def test_a_result_can_be_waited_for_while_napari_goes_on(viewer, gate):
    seen = []
    QTimer.singleShot(100, lambda: seen.append(len(_bars(viewer))))
    QTimer.singleShot(200, lambda: [gate.let_go.release() for _ in range(4)])
    assert wait_for("Counting to four", gate, name="acll-test") == "done"
    assert seen == [1]


def test_waiting_can_be_canceled(viewer, gate):
    def cancel():
        _bars(viewer)[0].cancel_button.click()
        QTimer.singleShot(200, gate.let_go.release)

    QTimer.singleShot(200, cancel)
    with pytest.raises(CanceledError):
        wait_for("Counting to four", gate, name="acll-test")
    assert gate.n_begun == 1
