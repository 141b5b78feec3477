"""What happens to a recording when docks are floated, hidden and closed while it runs."""

import pytest
from qtpy.QtWidgets import QDockWidget
from tests.widgets.test_real_session import _build

from napari_acll.core import SessionState
from napari_acll.testing import FakeLabeler, FakeSource, MemoryWriter
from napari_acll.widgets import NeuronsWidget, ReplayWidget, TracePlotWidget

N_VOLUMES = 3
PATIENCE_MS = 20_000
OTHERS = (TracePlotWidget, NeuronsWidget, ReplayWidget)


@pytest.fixture
def recording(live, tmp_path, qtbot):
    """A Live dock that has recorded three volumes of a microscope, and waits for more."""
    source = FakeSource(range(N_VOLUMES), is_live=True)
    live.engine.build = _build(source, FakeLabeler(), MemoryWriter())
    live.setup.set_recording("fake")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.window().show()
    live.buttons.start.click()
    qtbot.waitUntil(lambda: _n_traced(live) == N_VOLUMES, timeout=PATIENCE_MS)
    live.engine.poll()
    yield live
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=PATIENCE_MS)


def _n_traced(live):
    session = live.engine.run.session
    return 0 if session is None else session.counters.n_traced


def _dock_of(widget):
    dock = widget.parentWidget()
    while not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    return dock


def _runs(live):
    return live.engine.is_running and live.engine.state is SessionState.RUNNING


def test_floating_the_live_dock_and_putting_it_back_changes_nothing(recording, qtbot):
    dock = _dock_of(recording)
    for is_floating in (True, False):
        dock.setFloating(is_floating)
        qtbot.waitUntil(recording.isVisible, timeout=PATIENCE_MS)
        recording.engine.poll()
        assert _runs(recording)


@pytest.mark.parametrize("kind", OTHERS)
def test_another_dock_can_be_closed_and_opened_again(recording, kind, qtbot):
    window = recording._viewer.window
    widget = kind(recording._viewer)
    window.add_dock_widget(widget, name="other")
    recording.engine.poll()
    window.remove_dock_widget(widget)
    widget.deleteLater()
    recording.engine.poll()
    assert _runs(recording)
    again = kind(recording._viewer)
    window.add_dock_widget(again, name="again")
    qtbot.waitUntil(again.isVisible, timeout=PATIENCE_MS)
    recording.engine.poll()
    assert _runs(recording)
    window.remove_dock_widget(again)
    again.deleteLater()


def test_traces_that_are_opened_late_show_the_recording_from_its_beginning(recording, qtbot):
    traces = TracePlotWidget(recording._viewer)
    recording._viewer.window.add_dock_widget(traces, name="traces")
    qtbot.waitUntil(lambda: bool(traces.shown_neurons), timeout=PATIENCE_MS)
    left, right = traces._plots.span
    assert left <= 0
    assert right >= recording.engine.run.session.store.time_s[-1]
