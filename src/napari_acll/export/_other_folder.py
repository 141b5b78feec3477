"""Where a session goes on if its own folder cannot be written."""

import shutil
from itertools import count
from pathlib import Path

from napari_acll.export._header import SessionHeader
from napari_acll.export._layout import SESSION_FILE
from napari_acll.export._writer import ZarrSessionWriter


def other_folder(
    writer: ZarrSessionWriter, header: SessionHeader, place: str | None
) -> ZarrSessionWriter | None:
    """Return the writer of a new session folder that goes on where another one had to stop.

    Parameters
    ----------
    writer : ZarrSessionWriter
        The one that cannot write.
    header : SessionHeader
        What it was created with.
    place : str, optional
        Folder in which the new one is made. None: beside the old one, but only if that was
        removed: beside a folder on a full disk there is no room, either.

    Returns
    -------
    ZarrSessionWriter, optional
        None if there is no other place.

    Raises
    ------
    SessionError
        If the new folder cannot be created.
    """
    parent = writer.path.parent if place is None else Path(place)
    if place is None and ((writer.path / SESSION_FILE).exists() or not parent.is_dir()):
        return None
    path = _free(parent / writer.path.name)
    try:
        return ZarrSessionWriter.create(path, header)
    except Exception:
        shutil.rmtree(path, ignore_errors=True)  # what was begun of it is ours
        raise


def _free(path: Path) -> Path:
    """Return a name such as `worm-continued.acll` that nothing has yet."""
    names = (
        path.with_name(f"{path.stem}-continued{'' if n == 1 else f'-{n}'}{path.suffix}")
        for n in count(1)
    )
    return next(name for name in names if not name.exists())
