"""What happened in a session, for another folder with the same volumes."""

from pathlib import Path

from napari_acll.core import SessionError
from napari_acll.export._corrections import CORRECTIONS_FILE
from napari_acll.export._layout import EVENTS_FILE
from napari_acll.export._marks import MARKS_FILE
from napari_acll.export._store import replace_bytes


def copy_history(session: Path, folder: Path) -> None:
    """Copy the events, marks and corrections of a session as they stand there.

    Parameters
    ----------
    session : Path
        Where they are.
    folder : Path
        A session folder that has none yet.

    Raises
    ------
    SessionError
        If they cannot be read or written.
    """
    for name in (EVENTS_FILE, MARKS_FILE, CORRECTIONS_FILE):
        file = session / name
        if not file.exists():
            continue
        try:
            replace_bytes(folder / name, file.read_bytes(), is_synced=True)
        except OSError as error:
            raise SessionError(
                f"{file} cannot be copied to {folder} ({error.strerror or error}); free space and"
                " try again."
            ) from error
