"""The example of each dock opens it, and something is to be seen in it."""

import runpy
from collections.abc import Callable
from pathlib import Path

import dask
import napari
import pytest
from qtpy.QtWidgets import QWidget
from tests.session.saved_sessions import N_VOLUMES, make_saved

from napari_acll.core import SessionState
from napari_acll.widgets import (
    AlignmentWidget,
    LiveSessionWidget,
    NeuronsWidget,
    ProjectionsPanel,
    ReplayWidget,
    TracePlotWidget,
)
from napari_acll.widgets._engine import engine_of

ROOT = Path(__file__).parents[2]
PATIENCE_MS = 30_000
WORM = "simulated:volumes=3,geometry=small"


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> str:
    return str(make_saved(tmp_path_factory.mktemp("examples")))


class Runner:
    """Runs an example, and looks at its window where `napari.run` would wait for the user."""

    def __init__(self, viewer, qtbot, monkeypatch):
        self.viewer, self._qtbot = viewer, qtbot
        self._is_done: Callable[[], bool] = lambda: True
        self._was_run = False
        monkeypatch.setattr(napari, "Viewer", lambda **_options: viewer)
        monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
        monkeypatch.setattr(napari, "run", self._look)

    def run(self, name: str, *arguments: str, until: Callable[[], bool]) -> None:
        self._is_done = until
        runpy.run_path(str(ROOT / "examples" / f"{name}.py"))["main"](*arguments)
        assert self._was_run

    def dock(self, kind: type[QWidget]) -> QWidget:
        (found,) = self.viewer.window._qt_window.findChildren(kind)
        return found

    def _look(self) -> None:
        self._was_run = True
        self._qtbot.waitUntil(self._is_done, timeout=PATIENCE_MS)


@pytest.fixture
def runner(make_napari_viewer, qtbot, monkeypatch, npe2pm):
    in_this_thread = dask.config.set(scheduler="synchronous")  # its pool stays for good
    with npe2pm.tmp_plugin(manifest=ROOT / "napari.yaml"), in_this_thread:
        runner = Runner(make_napari_viewer(show=True), qtbot, monkeypatch)
        yield runner
        engine = engine_of(runner.viewer)
        engine.stop()
        qtbot.waitUntil(lambda: not engine.is_running, timeout=PATIENCE_MS)


def test_the_dock_live_looks_at_a_recording(runner):
    engine = engine_of(runner.viewer)
    runner.run("look_live", WORM, until=lambda: engine.state is SessionState.FINISHED)
    assert engine.run.session.store.n_timepoints == 3
    assert runner.dock(LiveSessionWidget).engine is engine
    assert engine.run.request.is_look


def test_the_dock_traces_shows_a_session(runner, session):
    runner.run("show_traces", session, until=lambda: bool(_traces(runner).shown_neurons))
    assert engine_of(runner.viewer).run.session.store.n_timepoints == N_VOLUMES


def _traces(runner):
    return runner.dock(TracePlotWidget)


def test_the_dock_traces_shows_the_sample(runner):
    runner.run("show_traces", until=lambda: bool(_traces(runner).shown_neurons))
    assert engine_of(runner.viewer).run.session.store.n_timepoints == 12


def test_the_dock_neurons_lists_those_of_a_session(runner, session):
    def lists_neurons() -> bool:
        return runner.dock(NeuronsWidget).table.model.rowCount() > 0

    runner.run("show_neurons", session, until=lists_neurons)


def test_the_dock_alignment_calibrates(runner):
    runner.run(
        "align_channels",
        WORM,
        until=lambda: runner.dock(AlignmentWidget).report is not None,
    )


def test_the_dock_replay_opens_a_session(runner, session):
    runner.run("play_session", session, until=lambda: runner.dock(ReplayWidget).player is not None)
    assert runner.dock(ReplayWidget).path == session


def test_the_dock_projections_shows_a_volume(runner, session):
    def shows_volume() -> bool:
        return runner.dock(ProjectionsPanel)._shown is not None

    runner.run("show_projections", session, until=shows_volume)
