"""See which neurons of a saved session can be trusted: the dock Neurons.

python show_neurons.py [SESSION]

Without a session folder it makes one of the simulated worm, which takes some seconds.
"""

import sys

import napari

from napari_acll.widgets import NeuronsWidget


def main(session: str = "") -> None:
    """Open the viewer with the dock and a session."""
    viewer = napari.Viewer()
    dock = NeuronsWidget(viewer)
    viewer.window.add_dock_widget(dock, name="AutoCellLabel Neurons", area="right")
    if session:
        viewer.open(session, plugin="napari-acll")
    else:
        viewer.open_sample("napari-acll", "sample_session")
    napari.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
