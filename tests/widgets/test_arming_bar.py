"""While a model is loaded and warmed up, napari's activity dock says so and can cancel it."""

import threading

import pytest
from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
from tests.widgets.fake_session import FakeSession

from napari_acll.core import SessionState

PATIENCE_MS = 5000


class Loading:
    """Builds a session as slowly as a model is loaded."""

    def __init__(self):
        self.let_go, self.made = threading.Event(), []

    def __call__(self, request):
        self.let_go.wait(10)
        session = FakeSession(n_volumes=0, lingers=True)
        session.start = lambda: setattr(session, "state", SessionState.WARMING_UP)
        session.join = lambda _timeout=None: None
        session.stop = lambda: setattr(session, "state", SessionState.FINISHED)
        session.request = request
        self.made.append(session)
        return session


@pytest.fixture
def loading(live, tmp_path, qtbot):
    build = live.engine.build = Loading()
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.start()
    live.loading = build
    yield live
    build.let_go.set()
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=PATIENCE_MS)


def _bars(live):
    window = live._viewer.__wrapped__.window._qt_window
    bars = window.findChildren(QtLabeledProgressBar)
    return [bar for bar in bars if bar.progress is not None]


def _words(live):
    return [bar.description_label.text() for bar in _bars(live)]


def test_the_bar_says_what_is_waited_for_and_goes_when_volumes_can_come(loading, qtbot):
    qtbot.waitUntil(lambda: _words(loading) == ["Loading the model: "], timeout=PATIENCE_MS)
    loading.loading.let_go.set()
    qtbot.waitUntil(lambda: _words(loading) == ["Warming up the model: "], timeout=PATIENCE_MS)
    loading.loading.made[0].state = SessionState.RUNNING
    qtbot.waitUntil(lambda: not loading.arming.is_shown, timeout=PATIENCE_MS)
    assert loading.engine.is_running


def test_cancel_in_the_activity_dock_ends_the_session(loading, qtbot):
    qtbot.waitUntil(lambda: len(_bars(loading)) == 1, timeout=PATIENCE_MS)
    _bars(loading)[0].cancel_button.click()
    qtbot.waitUntil(loading.engine.run.closing.is_set, timeout=PATIENCE_MS)
    assert not loading.arming.is_shown
    loading.loading.let_go.set()
    qtbot.waitUntil(lambda: loading.engine.state is SessionState.FINISHED, timeout=PATIENCE_MS)
    assert loading.buttons.start.isEnabled()
