"""Take the pictures of napari that the documentation shows.

Run after a change of the docks or the bundled model, on a screen of at least 1440 x 900 pixels:
`xvfb-run -a -s "-screen 0 1440x900x24" python docs/make_screenshots.py`.
"""

import tempfile
from pathlib import Path

import napari
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_acll.core import Correction, CorrectionKind

IMAGES = Path(__file__).parent / "images"
N_VOLUMES = 60
N_COLORS = 200
PATIENCE_MS = 600_000
STEP_MS = 100


def take(width_px: int, height_px: int, path: Path, out: Path, *, zoom: float) -> None:
    """Run a session on the simulated worm in a window of this size and save its picture."""
    viewer = napari.Viewer(show=True)
    viewer.window.set_geometry(0, 0, width_px, height_px)
    _, live = viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Live")
    QTest.qWait(1000)
    _start(live, out)
    _wait_for(live, N_VOLUMES - 2)
    viewer.scene.camera.zoom *= zoom
    QTest.qWait(1500)
    _save(live.window(), path)
    live.stop()
    live.engine.run.wait()
    QTest.qWait(500)
    viewer.close()


def take_neurons(path: Path, out: Path) -> None:
    """Correct some names in a session on the simulated worm and save the dock that shows them."""
    viewer = napari.Viewer(show=True)
    viewer.window.set_geometry(0, 0, 1366, 768)
    _, live = viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Live")
    dock, neurons = viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Neurons")
    QTest.qWait(1000)
    _start(live, out)
    dock.setFloating(True)
    dock.resize(460, 480)
    for n_traced, (kind, name) in (
        (20, ("swap", "AVAL")),
        (25, ("mute", "AVL")),
        (30, ("pin", "RIML")),
    ):
        _wait_for(live, n_traced)
        neurons.correct([Correction(kind=CorrectionKind(kind), name=name)])
    neurons.correct([Correction(kind=CorrectionKind.PIN, name="RIMR")])
    neurons.commands.undo.trigger()
    _wait_for(live, N_VOLUMES - 2)
    neurons.refresh(is_forced=True)
    neurons.table.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    QTest.qWait(500)
    _save(neurons, path)
    live.stop()
    live.engine.run.wait()
    QTest.qWait(500)
    viewer.close()


def _start(live: object, out: Path) -> None:
    live.setup.set_recording(f"simulated:volumes={N_VOLUMES}")  # type: ignore[attr-defined]
    live.setup.out.setValue(str(out))  # type: ignore[attr-defined]
    live.start_button.click()  # type: ignore[attr-defined]


def _wait_for(live: object, n_traced: int) -> None:
    for _ in range(PATIENCE_MS // STEP_MS):
        QTest.qWait(STEP_MS)
        if live.engine.state.is_over or _n_traced(live) >= n_traced:  # type: ignore[attr-defined]
            return


def _save(widget: object, path: Path) -> None:
    widget.grab().save(str(path))  # type: ignore[attr-defined]
    picture = Image.open(path).convert("RGB")
    picture.quantize(N_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def take_alignment(width_px: int, height_px: int, path: Path) -> None:
    """Calibrate on the simulated worm in a window of this size and save its picture."""
    viewer = napari.Viewer(show=True)
    viewer.window.set_geometry(0, 0, width_px, height_px)
    _, dock = viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Alignment")
    QTest.qWait(1000)
    dock.calibration.setup.set_recording("simulated:volumes=5")
    dock.calibration.calibrate_button.click()
    for _ in range(PATIENCE_MS // STEP_MS):
        QTest.qWait(STEP_MS)
        if dock.report is not None:
            break
    QTest.qWait(1500)
    dock.window().grab().save(str(path))
    picture = Image.open(path).convert("RGB")
    picture.quantize(N_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    viewer.close()


def _n_traced(live: object) -> int:
    session = live.engine.run.session  # type: ignore[attr-defined]
    return 0 if session is None else session.counters.n_traced


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        take(1440, 900, IMAGES / "napari-live.png", Path(folder) / "large.acll", zoom=1.2)
        take(1366, 768, IMAGES / "napari-small-screen.png", Path(folder) / "small.acll", zoom=1.0)
        take_neurons(IMAGES / "neurons.png", Path(folder) / "neurons.acll")
    take_alignment(1366, 768, IMAGES / "napari-alignment.png")


if __name__ == "__main__":
    main()
