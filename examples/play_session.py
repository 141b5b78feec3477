"""Look at a saved session in napari, and play it.

python play_session.py SESSION
"""

import sys

import napari

from napari_acll.widgets import ReplayWidget


def main(session: str) -> None:
    """Open a session folder in a window with the Replay dock."""
    viewer = napari.Viewer()
    replay = ReplayWidget(viewer)
    viewer.window.add_dock_widget(replay, name="AutoCellLabel Replay")
    replay.open(session)
    napari.run()


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["example.acll"]))
