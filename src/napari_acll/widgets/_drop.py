"""What a user drops on a dock."""

from qtpy.QtGui import QDropEvent


def dropped_path(event: QDropEvent) -> str:
    """Return the first file or folder that is dropped, empty if there is none."""
    paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
    return str(paths[0]) if paths else ""
