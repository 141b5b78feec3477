"""Look at a saved session from above and from the side: the dock Projections.

python show_projections.py [SESSION]

Without a session folder it makes one of the simulated worm, which takes some seconds.
"""

import sys

import napari

from napari_acll.widgets import ProjectionsPanel


def main(session: str = "") -> None:
    """Open the viewer with the dock and a session."""
    viewer = napari.Viewer()
    dock = ProjectionsPanel(viewer)
    viewer.window.add_dock_widget(dock, name="AutoCellLabel Projections", area="left")
    if session:
        viewer.open(session, plugin="napari-acll")
    else:
        viewer.open_sample("napari-acll", "sample_session")
    napari.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
