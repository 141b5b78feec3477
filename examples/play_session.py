"""Look at a saved session in napari, and play it: the dock Replay.

python play_session.py [SESSION]

Without a session folder it makes one of the simulated worm, which takes some seconds.
"""

import sys

import napari

from napari_acll.widgets import ReplayWidget


def main(session: str = "") -> None:
    """Open a session folder in a window with the Replay dock."""
    viewer = napari.Viewer()
    replay = ReplayWidget(viewer)
    viewer.window.add_dock_widget(replay, name="AutoCellLabel Replay")
    if session:
        replay.open(session)
    else:
        viewer.open_sample("napari-acll", "sample_session")
    napari.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
