"""Look at the traces of a saved session in napari: the dock Traces.

python show_traces.py [SESSION]

Without a session folder it makes one of the simulated worm, which takes some seconds.
"""

import sys

import napari


def main(session: str = "") -> None:
    """Open the viewer with the dock and a session."""
    viewer = napari.Viewer()
    # by its name, so that napari knows it is there when the session asks for it
    viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Traces")
    if session:
        viewer.open(session, plugin="napari-acll")
    else:
        viewer.open_sample("napari-acll", "sample_session")
    napari.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
