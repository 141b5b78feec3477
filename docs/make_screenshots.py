"""Take the pictures of napari that the documentation shows.

Run after a change of the docks or the bundled model, on a screen of at least 1440 x 900 pixels:
`xvfb-run -a -s "-screen 0 1440x900x24" python docs/make_screenshots.py`.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_acll.core import Correction, CorrectionKind, CropSettings

IMAGES = Path(__file__).parent / "images"
N_VOLUMES = 60
NEURONS_PX = (560, 460)
N_COLORS = 200
PATIENCE_MS = 600_000
_CROP = CropSettings(
    z_start_px=4, z_stop_px=66, y_start_px=24, y_stop_px=196, x_start_px=12, x_stop_px=300
)
STEP_MS = 100


def take(width_px: int, height_px: int, path: Path, out: Path, *, zoom: float) -> None:
    """Run a session on the simulated worm in a window of this size and save its picture."""
    viewer, live = _open(width_px, height_px)
    _start(live, out)
    _wait_until(lambda: _has_traced(live, N_VOLUMES - 2))
    viewer.scene.camera.zoom *= zoom
    QTest.qWait(1500)
    _save(live.window(), path)
    _close(viewer, live)


def take_look(width_px: int, height_px: int, path: Path) -> None:
    """Look at the simulated worm in a window of this size and save its picture."""
    viewer, live = _open(width_px, height_px)
    live.buttons.look.click()
    _wait_until(lambda: bool(live.look_list.value()))
    live.look_list.fold_button.setChecked(True)
    QTest.qWait(1500)
    _save(live.window(), path)
    _close(viewer, live)


def take_crop(width_px: int, height_px: int, path: Path) -> None:
    """Drag the crop on the first volume in a window of this size and save its picture."""
    viewer, live = _open(width_px, height_px)
    _drag_crop(viewer, live)
    _save(live.window(), path)
    viewer.close()


def take_look_crop(width_px: int, height_px: int, path: Path) -> None:
    """Drag the crop during a look in a window of this size and save its picture."""
    viewer, live = _open(width_px, height_px)
    live.buttons.look.click()
    _wait_until(lambda: bool(live.look_list.value()))
    live.buttons.setup.setChecked(True)
    _drag_crop(viewer, live)
    _save(live.window(), path)
    _close(viewer, live)


def _drag_crop(viewer: Any, live: Any) -> None:
    live.setup.crop_section.expand(animate=False)
    live.setup.crop.drag_button.click()
    _wait_until(lambda: "from the side" in viewer.layers)
    live.setup.crop.setValue(_CROP)
    viewer.layers["crop"].selected_data = {1}
    QTest.qWait(1000)
    live.setup.ensureWidgetVisible(live.setup.crop)
    QTest.qWait(1000)


def take_armed(address: str, path: Path) -> None:
    """Arm a session on something that sends volumes, with the form shown, and save its picture."""
    viewer, live = _open(1366, 768)
    live.setup.set_recording(address, is_live=True)
    live.preflight.check()
    _wait_until(lambda: bool(live.preflight.value()))
    live.preflight.fold_button.setChecked(True)
    QTest.qWait(500)
    _save(live.window(), path)
    viewer.close()


def take_neurons(path: Path, out: Path) -> None:
    """Correct some names in a session on the simulated worm and save the dock that shows them."""
    viewer, live = _open(1366, 768)
    dock, neurons = viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Neurons")
    dock.setFloating(True)
    dock.resize(*NEURONS_PX)
    QTest.qWait(1000)
    _start(live, out)
    for n_traced, (kind, name) in (
        (20, ("swap", "AVAL")),
        (25, ("mute", "AVL")),
        (30, ("pin", "RIML")),
    ):
        _wait_until(partial(_has_traced, live, n_traced))
        neurons.correct([Correction(kind=CorrectionKind(kind), name=name)])
    neurons.correct([Correction(kind=CorrectionKind.PIN, name="RIMR")])
    neurons.commands.undo.trigger()
    _wait_until(lambda: _has_traced(live, N_VOLUMES - 2))
    neurons.refresh(is_forced=True)
    neurons.table.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    neurons.table.table.scrollToTop()
    QTest.qWait(500)
    _save(neurons, path)
    _close(viewer, live)


def take_alignment(width_px: int, height_px: int, path: Path) -> None:
    """Calibrate on the simulated worm in a window of this size and save its picture."""
    viewer = napari.Viewer(show=True)
    viewer.window.set_geometry(0, 0, width_px, height_px)
    _, dock = viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Alignment")
    QTest.qWait(1000)
    dock.calibration.setup.set_recording("simulated:volumes=5")
    dock.calibration.calibrate_button.click()
    _wait_until(lambda: dock.report is not None)
    QTest.qWait(1500)
    _save(dock.window(), path)
    viewer.close()


def _open(width_px: int, height_px: int) -> tuple[Any, Any]:
    viewer = napari.Viewer(show=True)
    viewer.window.set_geometry(0, 0, width_px, height_px)
    _, live = viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Live")
    QTest.qWait(1000)
    live.setup.set_recording(f"simulated:volumes={N_VOLUMES}")
    return viewer, live


def _start(live: Any, out: Path) -> None:
    live.setup.out.setValue(str(out))
    _wait_until(live.buttons.start.isEnabled)
    live.buttons.start.click()


def _wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(PATIENCE_MS // STEP_MS):
        QTest.qWait(STEP_MS)
        if is_so():
            return
    raise SystemExit("It takes too long.")


def _has_traced(live: Any, n_volumes: int) -> bool:
    session = live.engine.run.session
    n_traced = 0 if session is None else session.counters.n_traced
    return bool(live.engine.state.is_over or n_traced >= n_volumes)


def _save(widget: Any, path: Path) -> None:
    widget.grab().save(str(path))
    picture = Image.open(path).convert("RGB")
    picture.quantize(N_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def _close(viewer: Any, live: Any) -> None:
    live.stop()
    live.engine.run.wait()
    QTest.qWait(500)
    viewer.close()


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        take(1440, 900, IMAGES / "napari-live.png", Path(folder) / "large.acll", zoom=1.2)
        take(1366, 768, IMAGES / "napari-small-screen.png", Path(folder) / "small.acll", zoom=1.0)
        take_neurons(IMAGES / "neurons.png", Path(folder) / "neurons.acll")
    take_armed("shm:acll", IMAGES / "napari-nis-jobs.png")
    take_armed("micromanager:", IMAGES / "napari-micro-manager.png")
    take_look(1366, 768, IMAGES / "napari-look.png")
    take_crop(1366, 768, IMAGES / "napari-crop.png")
    take_look_crop(1366, 768, IMAGES / "napari-look-crop.png")
    take_alignment(1366, 768, IMAGES / "napari-alignment.png")


if __name__ == "__main__":
    main()
