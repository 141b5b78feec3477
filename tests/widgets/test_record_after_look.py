"""From a look at a live recording to its session, by the buttons, without opening it anew."""

import numpy as np
import pytest
from tests.session.test_handover import StepSource

from napari_acll.core import AcllSettings, AlignmentSettings, SessionState, VolumeStatus
from napari_acll.export import SavedSession
from napari_acll.testing import FakeLabeler
from napari_acll.widgets._run import SessionMaker

PATIENCE_MS = 20_000
N_LOOKED, N_RECORDED = 3, 4


@pytest.fixture
def opened(monkeypatch):
    """Live sources that were opened, in order."""
    sources = []

    def open_source(_recording, _settings):
        sources.append(StepSource())
        return sources[-1]

    monkeypatch.setattr("napari_acll.sources.open_source", open_source)
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: FakeLabeler())
    yield sources
    for source in sources:
        source.close()


@pytest.fixture
def looking(live, opened, tmp_path, qtbot):
    """A dock in which three volumes were looked at, and a fourth is waited for."""
    live.engine.build = SessionMaker()
    live.setup.set_settings(AcllSettings(alignment=AlignmentSettings(n_volumes=0)))
    live.setup.set_recording("rig")
    live.setup.out.setValue(str(tmp_path / "worm.acll"))
    live.look()
    qtbot.waitUntil(lambda: bool(opened), timeout=PATIENCE_MS)
    opened[0].give(N_LOOKED)
    qtbot.waitUntil(lambda: _n_traced(live) == N_LOOKED, timeout=PATIENCE_MS)
    yield live
    live.stop()
    for source in opened:
        source.close()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=PATIENCE_MS)


def _n_traced(live):
    run = live.engine.run
    return 0 if run is None or run.session is None else run.session.counters.n_traced


def _wait_until_recording(live, qtbot):
    qtbot.waitUntil(
        lambda: (
            live.engine.is_running
            and not live.engine.is_looking
            and live.engine.run.session is not None
        ),
        timeout=PATIENCE_MS,
    )


def test_the_session_begins_with_the_next_volume_of_the_same_recording(
    looking, opened, tmp_path, qtbot
):
    looking.buttons.start.click()
    _wait_until_recording(looking, qtbot)
    opened[0].give(N_RECORDED)
    qtbot.waitUntil(lambda: _n_traced(looking) == N_RECORDED, timeout=PATIENCE_MS)
    assert len(opened) == 1
    assert f"goes on with volume {N_LOOKED}" in looking.status.notes.toPlainText()
    opened[0].close()
    qtbot.waitUntil(lambda: looking.engine.state.is_over, timeout=PATIENCE_MS)
    saved = SavedSession.open(tmp_path / "worm.acll")
    assert saved.status.tolist() == [VolumeStatus.PENDING] * 3 + [VolumeStatus.TRACED] * 4
    assert saved.header["recording"] == "rig"


def test_the_canvas_stays_as_it_was_arranged_during_the_look(looking, opened, qtbot):
    viewer = looking._viewer
    qtbot.waitUntil(lambda: "live names" in viewer.layers, timeout=PATIENCE_MS)
    viewer.scene.camera.zoom = 12.5
    viewer.layers["live marker"].contrast_limits = (101.0, 123.0)
    viewer.layers["live activity"].visible = False
    viewer.layers.selection = {viewer.layers["live marker"]}
    looking.buttons.start.click()
    _wait_until_recording(looking, qtbot)
    opened[0].give(N_RECORDED)
    qtbot.waitUntil(lambda: _n_traced(looking) == N_RECORDED, timeout=PATIENCE_MS)
    looking.engine.poll()
    newest = looking.engine.run.session.latest().volume
    qtbot.waitUntil(
        lambda: np.array_equal(viewer.layers["live marker"].data, newest.marker),
        timeout=PATIENCE_MS,
    )
    assert viewer.scene.camera.zoom == 12.5
    assert tuple(viewer.layers["live marker"].contrast_limits) == (101.0, 123.0)
    assert not viewer.layers["live activity"].visible
    assert [layer.name for layer in viewer.layers.selection] == ["live marker"]


def test_stop_instead_of_recording_closes_what_was_to_be_handed_over(looking, opened, qtbot):
    looking.buttons.start.click()
    looking.buttons.stop.click()
    assert opened[0].closed.is_set()
    qtbot.waitUntil(lambda: looking.engine.state.is_over, timeout=PATIENCE_MS)
    assert len(opened) == 1


def test_a_recording_that_is_read_in_another_way_is_opened_anew(looking, opened, qtbot):
    settings = {**looking.setup._advanced["source"].values(), "period_s": 0.25}
    looking.setup._advanced["source"].setValues(settings)
    looking.buttons.start.click()
    qtbot.waitUntil(lambda: len(opened) == 2, timeout=PATIENCE_MS)
    assert opened[0].closed.is_set()
    qtbot.waitUntil(
        lambda: "opened anew" in looking.status.notes.toPlainText(), timeout=PATIENCE_MS
    )


def test_a_folder_that_cannot_be_made_closes_the_recording(looking, opened, tmp_path, qtbot):
    (tmp_path / "worm.acll").mkdir()
    (tmp_path / "worm.acll" / "mine.txt").write_text("mine")
    looking.buttons.start.click()
    qtbot.waitUntil(lambda: looking.engine.state is SessionState.FAILED, timeout=PATIENCE_MS)
    qtbot.waitUntil(opened[0].closed.is_set, timeout=PATIENCE_MS)
    assert "worm.acll" in looking.status.state.text()
