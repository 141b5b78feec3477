"""`python -m napari_acll.widgets`: napari with the simulated worm being labeled in it."""

import argparse

import napari
from qtpy.QtCore import QTimer

from napari_acll.widgets import LiveSessionWidget

SIZE_PX = (1500, 900)


def main() -> None:
    """Open the viewer, start a session on the simulated worm, and stay until it is closed."""
    parser = argparse.ArgumentParser(prog="python -m napari_acll.widgets", description=__doc__)
    parser.add_argument("--volumes", type=int, default=200, help="length of the recording")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another animal")
    options = parser.parse_args()
    viewer = napari.Viewer(title="AutoCellLabel Live: the simulated worm")
    widget = LiveSessionWidget(viewer)
    viewer.window.add_dock_widget(widget, name="AutoCellLabel Live", area="right")
    viewer.window.resize(*SIZE_PX)
    widget.setup.set_recording(f"simulated:seed={options.seed},volumes={options.volumes}")
    QTimer.singleShot(0, widget.start)
    napari.run()


if __name__ == "__main__":
    main()
