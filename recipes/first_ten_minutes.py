"""Play a first user's ten minutes in a real window and take a picture of each step.

The user opens the docks, drops an ND2 file, calibrates, starts, pins six good neurons, marks a
stimulus, corrects a swap, pauses, stops, exports, and looks at it all once more. Only what a user
can reach is used: docks, buttons, drops. The file is written by the simulator, so the pictures
show no real animal. Needs a screen of at least 1440 x 900 pixels and takes some minutes::

    xvfb-run -a -s "-screen 0 1440x900x24" python recipes/first_ten_minutes.py

The pictures go to `docs/images/first-ten-minutes`, the recording and its session to a temporary
folder.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from napari_acll.core import Pace, SessionState, SourceSettings
from napari_acll.simulate import SimulatedSource, write_nd2

IMAGES = Path(__file__).parents[1] / "docs" / "images" / "first-ten-minutes"
PLUGIN = "napari-acll"
SIZE_PX = (1440, 900)
N_COLORS = 200
N_PINNED = 6
STEP_MS = 100
SETTLE_MS = 1500
PATIENCE_MS = 600_000


class TenMinutes:
    """The steps, in the order in which a user takes them.

    Parameters
    ----------
    recording : Path
        An ND2 file.
    images : Path
        Folder of the pictures.
    """

    def __init__(self, recording: Path, images: Path) -> None:
        self.recording = recording
        self.images = images
        self.n_taken = 0
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.set_geometry(0, 0, *SIZE_PX)
        self.live: Any = self.open_dock("AutoCellLabel Live")

    def open_dock(self, name: str) -> Any:
        """Open a dock of the plugin, or bring it to the front."""
        dock, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, name)
        dock.show()
        dock.raise_()
        QTest.qWait(SETTLE_MS)
        return widget

    def close_dock(self, widget: Any) -> None:
        """Close a dock that is not needed any more."""
        self.viewer.window.remove_dock_widget(widget)
        QTest.qWait(SETTLE_MS)

    def take(self, step: str) -> None:
        """Save a picture of the window as it is now."""
        QTest.qWait(SETTLE_MS)
        self.n_taken += 1
        path = self.images / f"{self.n_taken:02d}-{step}.png"
        self.live.window().grab().save(str(path))
        picture = Image.open(path).convert("RGB")
        picture.quantize(N_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)

    def drop_recording(self) -> None:
        """Drop the file onto the Live dock."""
        self.take("open")
        drop(self.live, self.recording)
        setup = self.live.setup
        settings = setup.settings()
        run = settings.run.model_copy(update={"pace": Pace.RECORDED})
        setup.set_settings(settings.model_copy(update={"run": run}))
        self.take("recording-dropped")

    def calibrate(self) -> None:
        """Calibrate the channels on the file, and let the session apply the result."""
        alignment = self.open_dock("AutoCellLabel Alignment")
        drop(alignment, self.recording)
        alignment.calibration.calibrate_button.click()
        wait_until(lambda: alignment.report is not None, "a calibration")
        self.take("calibrated")
        alignment.apply_button.click()
        self.close_dock(alignment)

    def start(self) -> None:
        """Start, and look on until some volumes are labeled."""
        wait_until(self.live.buttons.start.isEnabled, "the start button")
        self.live.buttons.start.click()
        wait_until(lambda: self.state is SessionState.RUNNING, "a running session")
        self.wait_for_volumes(10)
        self.take("running")

    def pin(self) -> None:
        """Pin the neurons that are named most surely."""
        neurons = self.open_dock("AutoCellLabel Neurons")
        self.choose(neurons, self.surest_rows()[:N_PINNED])
        wait_until(neurons.commands.pin.isEnabled, "neurons that can be pinned")
        neurons.commands.pin.trigger()
        self.take("pinned")

    def mark(self) -> None:
        """Mark a stimulus."""
        self.live.status.marks.setValue("light,1")
        self.live.status.marks.button.click()
        self.take("stimulus-marked")

    def swap(self) -> None:
        """Let a neuron and its partner on the other side change names."""
        neurons = self.open_dock("AutoCellLabel Neurons")
        homologues = self.session.store.neurons.homologues()
        row = next(row for row in self.surest_rows() if homologues[row])
        self.choose(neurons, [row])
        wait_until(neurons.commands.swap.isEnabled, "a neuron with a partner")
        neurons.commands.swap.trigger()
        self.wait_for_volumes(self.session.counters.n_traced + 3)
        self.take("swap-corrected")
        self.close_dock(neurons)

    def pause(self) -> None:
        """Pause, and go on."""
        self.live.buttons.pause.click()
        self.take("paused")
        self.live.buttons.pause.click()

    def stop_and_export(self) -> None:
        """Stop, and write the table of traces beside the session."""
        self.live.buttons.stop.click()
        wait_until(lambda: self.state.is_over, "the end of the session")
        self.take("stopped")
        export = self.live.after.export
        export.export(self.folder.with_suffix(".csv"))  # as after a click and a file dialog
        wait_until(lambda: not export.is_busy, "the export")

    def replay(self) -> None:
        """Open what was saved, and step through it."""
        replay = self.open_dock("AutoCellLabel Replay")
        drop(replay, self.folder)
        wait_until(lambda: replay.path == str(self.folder), "the saved session")
        replay.seek(replay.player.n_volumes // 2)
        QTest.qWait(SETTLE_MS)
        replay.controls.next_button.click()
        self.take("replayed")
        replay.play_or_pause()
        replay.play_or_pause()
        self.close_dock(replay)

    def close(self) -> None:
        """End the session, if it runs still, and close the window."""
        self.live.stop()
        run = self.live.engine.run
        if run is not None:
            run.wait()
        QTest.qWait(SETTLE_MS)
        self.viewer.close()

    def choose(self, neurons: Any, rows: list[int]) -> None:
        """Choose neurons as a user does in the list."""
        neurons.table.choose(rows)
        neurons.table.rowsChosen.emit(neurons.table.chosen_rows())

    def surest_rows(self) -> list[int]:
        """Return the rows of the neurons that are present, most confident first."""
        store = self.session.store
        confidence = np.nan_to_num(store.confidence).mean(axis=1)
        return [int(row) for row in np.argsort(-confidence, kind="stable") if confidence[row] > 0]

    def wait_for_volumes(self, n_volumes: int) -> None:
        """Wait until so many are traced, or the session ends."""
        wait_until(
            lambda: self.session.counters.n_traced >= n_volumes or self.state.is_over, "volumes"
        )

    @property
    def session(self) -> Any:
        """The session that runs, or the last one."""
        return self.live.engine.run.session

    @property
    def state(self) -> SessionState:
        """Where it stands."""
        return SessionState(self.live.engine.state)

    @property
    def folder(self) -> Path:
        """The session folder."""
        return Path(self.live.engine.run.request.out)


def drop(widget: QWidget, path: Path) -> None:
    """Drop a file or folder onto a dock."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(QPoint(5, 5)),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    widget.dropEvent(event)
    QTest.qWait(SETTLE_MS)


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    """Let the window live until something holds.

    Raises
    ------
    TimeoutError
        If it does not come true in ten minutes.
    """
    for _ in range(PATIENCE_MS // STEP_MS):
        if is_true():
            return
        QTest.qWait(STEP_MS)
    raise TimeoutError(f"Waited in vain for {what}.")


def main() -> None:
    """Play all steps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--volumes", type=int, default=120, help="length of the recording")
    parser.add_argument("--images", type=Path, default=IMAGES, help="folder of the pictures")
    options = parser.parse_args()
    options.images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        recording = f"simulated:volumes={options.volumes}"
        source = SimulatedSource.from_recording(recording, SourceSettings())
        user = TenMinutes(
            write_nd2(source, Path(folder) / "worm.nd2", options.volumes), options.images
        )
        try:
            user.drop_recording()
            user.calibrate()
            user.start()
            user.pin()
            user.mark()
            user.swap()
            user.pause()
            user.stop_and_export()
            user.replay()
        finally:
            user.close()


if __name__ == "__main__":
    main()
