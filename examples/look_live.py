"""Label a recording live in napari without keeping anything: the dock Live.

python look_live.py [RECORDING]

Without a recording it takes the simulated worm. `live.start` in the place of `live.look` records a
session into the folder that the form shows.
"""

import sys

import napari
from qtpy.QtCore import QTimer

from napari_acll.widgets import LiveSessionWidget


def main(recording: str) -> None:
    """Open the viewer with the dock and look at a recording."""
    viewer = napari.Viewer()
    live = LiveSessionWidget(viewer)
    viewer.window.add_dock_widget(live, name="AutoCellLabel Live", area="right")
    live.setup.set_recording(recording)
    QTimer.singleShot(0, live.look)
    napari.run()


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["simulated:volumes=100"]))
