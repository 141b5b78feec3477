"""Take the pictures of napari that the documentation shows.

Run after a change of the docks or the bundled model, on a screen of at least 1440 x 900 pixels:
`xvfb-run -a -s "-screen 0 1440x900x24" python docs/make_screenshots.py`.
"""

import tempfile
from pathlib import Path
from typing import Any

import napari
from PIL import Image
from qtpy.QtTest import QTest

IMAGES = Path(__file__).parent / "images"
N_VOLUMES = 60
N_COLORS = 200
PATIENCE_MS = 600_000
STEP_MS = 100


def take(width_px: int, height_px: int, path: Path, out: Path, *, zoom: float) -> None:
    """Run a session on the simulated worm in a window of this size and save its picture."""
    viewer, live = _open(width_px, height_px)
    live.setup.out.setValue(str(out))
    live.start_button.click()
    for _ in range(PATIENCE_MS // STEP_MS):
        QTest.qWait(STEP_MS)
        if live.engine.state.is_over or _n_traced(live) >= N_VOLUMES - 2:
            break
    viewer.scene.camera.zoom *= zoom
    _save_and_close(viewer, live, path)


def take_look(width_px: int, height_px: int, path: Path) -> None:
    """Look at the simulated worm in a window of this size and save its picture."""
    viewer, live = _open(width_px, height_px)
    live.look_button.click()
    for _ in range(PATIENCE_MS // STEP_MS):
        QTest.qWait(STEP_MS)
        if live.look_list.value():
            break
    live.look_list.fold_button.setChecked(True)
    _save_and_close(viewer, live, path)


def _open(width_px: int, height_px: int) -> tuple[Any, Any]:
    viewer = napari.Viewer(show=True)
    viewer.window.set_geometry(0, 0, width_px, height_px)
    _, live = viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Live")
    QTest.qWait(1000)
    live.setup.set_recording(f"simulated:volumes={N_VOLUMES}")
    return viewer, live


def _save_and_close(viewer: Any, live: Any, path: Path) -> None:
    QTest.qWait(1500)
    live.window().grab().save(str(path))
    picture = Image.open(path).convert("RGB")
    picture.quantize(N_COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    live.stop()
    live.engine.run.wait()
    QTest.qWait(500)
    viewer.close()


def _n_traced(live: object) -> int:
    session = live.engine.run.session  # type: ignore[attr-defined]
    return 0 if session is None else session.counters.n_traced


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        take(1440, 900, IMAGES / "napari-live.png", Path(folder) / "large.acll", zoom=1.2)
        take(1366, 768, IMAGES / "napari-small-screen.png", Path(folder) / "small.acll", zoom=1.0)
    take_look(1366, 768, IMAGES / "napari-look.png")


if __name__ == "__main__":
    main()
