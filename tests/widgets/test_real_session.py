"""The real session behind the docks: what it counts, loses and refuses is what the screen says."""

import threading

import numpy as np
import pytest

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    RecordingError,
    SessionState,
    TraceSettings,
)
from napari_acll.session import Session
from napari_acll.testing import (
    FakeLabeler,
    FakePreprocessor,
    FakeSource,
    GatedLabeler,
    MemoryWriter,
    expected_ratio,
    fake_volume,
)
from napari_acll.trace import RatioTraceEstimator


def _build(source, labeler, writer):
    def build(request):
        return Session(
            source=source,
            preprocessor=FakePreprocessor(source.spec),
            labeler=labeler,
            calibrator=None,
            trace_estimator=RatioTraceEstimator(labeler.neurons, TraceSettings()),
            writers=[writer],
            settings=request.settings,
            alignment=ChannelAlignment.identity("Nothing was calibrated."),
        )

    return build


@pytest.fixture
def start(live, tmp_path):
    def start_on(source, labeler=None):
        writer = MemoryWriter()
        live.engine.build = _build(source, labeler or FakeLabeler(), writer)
        live.setup.set_recording("fake")
        live.setup.out.setValue(str(tmp_path / "fake.acll"))
        live.buttons.start.click()
        return writer

    return start_on


def _wait_for_the_end(live, qtbot):
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=20_000)


def test_a_recording_is_shown_traced_and_counted(live, start, qtbot):
    start(FakeSource([0, 1, 3]))
    _wait_for_the_end(live, qtbot)
    assert live.engine.state is SessionState.FINISHED
    layers = {layer.name: layer for layer in live._viewer.layers}
    assert np.array_equal(layers["live marker"].data, fake_volume(3).marker)
    assert set(np.unique(layers["live labels"].data)) == {0, 1, 2, 3}
    assert "3 of 3 traced" in live.status.volumes.text()
    assert "1 lost" in live.status.volumes.text()
    assert "not trusted" in live.status.alignment.text()
    assert "These volumes are fake." in live.status.notes.toPlainText()
    assert "ms per volume, period 500 ms" in live.status.speed.text()
    store = live.engine.run.session.store
    assert np.allclose(store.ratio[:3, 3], expected_ratio(3), rtol=1e-3)


def test_stop_saves_what_was_traced(live, start, qtbot):
    labeler = GatedLabeler()
    writer = start(FakeSource(range(50)), labeler)
    labeler.allow(2)
    qtbot.waitUntil(lambda: len(writer.samples) == 2, timeout=20_000)
    live.buttons.stop.click()
    labeler.allow(50)
    _wait_for_the_end(live, qtbot)
    assert live.engine.state is SessionState.FINISHED
    assert writer.state == SessionState.FINISHED.value
    assert 2 <= len(writer.samples) < 50


def test_a_recording_that_breaks_off_is_told_with_its_own_sentence(live, start, qtbot):
    sentence = "Volume 2 is damaged; copy the recording again."
    writer = start(FakeSource(range(5), fails_at=2, error=RecordingError(sentence)))
    _wait_for_the_end(live, qtbot)
    assert live.engine.state is SessionState.FAILED
    qtbot.waitUntil(lambda: sentence in live.status.state.text(), timeout=5000)
    assert [sample.index for sample in writer.samples] == [0, 1]


def test_closing_the_dock_of_a_live_source_ends_its_threads(live, start, qtbot):
    source = FakeSource(range(3), is_live=True)
    start(source)
    qtbot.waitUntil(source.exhausted.is_set, timeout=20_000)
    live._viewer.window.remove_dock_widget(live)
    qtbot.waitUntil(lambda: live.engine.run.is_over, timeout=20_000)
    assert source.closed.is_set()
    live.deleteLater()


def test_a_recording_that_is_missing_is_told(live, tmp_path, qtbot):
    from napari_acll.widgets._run import SessionMaker

    live.engine.build = SessionMaker()
    live.setup.set_recording(str(tmp_path / "missing.nd2"))
    live.buttons.start.click()
    _wait_for_the_end(live, qtbot)
    qtbot.waitUntil(lambda: "missing.nd2" in live.status.state.text(), timeout=5000)
    assert not list(tmp_path.glob("*.acll"))


def test_settings_that_were_left_alone_stay_open_to_what_the_recording_says(live):
    assert live.setup.settings().model_fields_set <= set(AcllSettings.model_fields)
    assert "drop_policy" not in live.setup.settings().run.model_fields_set


def test_a_frozen_screen_costs_no_volume(live, start, qtbot):
    writer, waiting = start(FakeSource(range(60))), threading.Event()
    for _ in range(2000):  # no event of the screen is dealt with meanwhile
        if writer.state:
            break
        waiting.wait(0.01)
    assert [sample.index for sample in writer.samples] == list(range(60))
    _wait_for_the_end(live, qtbot)
    assert live.engine.state is SessionState.FINISHED
