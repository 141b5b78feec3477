"""Calibrate how the two channels of a recording lie on each other, and look at the result.

python align_channels.py [RECORDING]

Without a recording it takes the simulated worm, whose true alignment is printed.
"""

import sys

import napari
from qtpy.QtCore import QTimer

from napari_acll.core import SourceSettings
from napari_acll.simulate import SimulatedSource
from napari_acll.widgets import AlignmentWidget

SIMULATED = "simulated:volumes=10"


def main(recording: str) -> None:
    """Open the viewer with the dock and start the calibration."""
    viewer = napari.Viewer(title="Channel alignment")
    widget = AlignmentWidget(viewer)
    viewer.window.add_dock_widget(widget, name="AutoCellLabel Alignment", area="right")
    widget.calibration.setup.set_recording(recording)
    QTimer.singleShot(0, widget.calibration.start)
    if recording == SIMULATED:
        source = SimulatedSource.from_recording(recording, SourceSettings())
        truth = source.worm.alignment
        print(
            f"true shift y {truth.dy_um:+.3f} um, x {truth.dx_um:+.3f} um,"
            f" rotation {truth.theta_deg:+.3f} degrees"
        )
    napari.run()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else SIMULATED)
