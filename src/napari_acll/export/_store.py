"""Files that are written while another program reads them."""

import errno
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from zarr.core.buffer import Buffer
from zarr.storage import LocalStore

_ATTEMPTS = 50
_PAUSE_S = 0.02


def replace_bytes(path: Path, data: bytes | memoryview, *, is_synced: bool = False) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Parameters
    ----------
    path : Path
        The file.
    data : bytes
        Its new content.
    is_synced : bool
        Whether to wait until the disk has it, so that it survives a power cut.

    Raises
    ------
    OSError
        If it cannot be written; the old content stays.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            if is_synced:
                sync(file)
        replace_file(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    if is_synced:
        _sync_name(path)


def overwrite_bytes(path: Path, offset: int, data: bytes, *, is_synced: bool = False) -> None:
    """Write into the middle of a file that is long enough.

    Parameters
    ----------
    path : Path
        The file.
    offset : int
        Where in the file.
    data : bytes
        What is written there.
    is_synced : bool
        Whether to wait until the disk has it, so that it survives a power cut.

    Raises
    ------
    OSError
        If it cannot be written; the rest of the file stays.
    """
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
        if is_synced:
            sync(file)


def sync(file: BinaryIO) -> None:
    """Wait until the disk has what was written to a file."""
    file.flush()
    os.fsync(file.fileno())


def _sync_name(path: Path) -> None:
    """Let the disk have a new name; Windows does so by itself and opens no folder."""
    if os.name == "nt":
        return
    with suppress(OSError):  # some network shares cannot
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def append_bytes(path: Path, data: bytes) -> None:
    """Add to a file that is there already, all or nothing.

    The file is not kept open: one that was deleted meanwhile is an error, and a share that went
    away and came back is not.

    Raises
    ------
    OSError
        If it cannot be written; what it held stays.
    """
    with path.open("r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            written = file.write(data)
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with suppress(OSError):
                file.truncate(end)
            raise


def replace_file(partial: Path, path: Path) -> None:
    """Move a finished file over another.

    On Windows this fails for as long as somebody reads the other one, which for our files is
    milliseconds, so it is tried again for a second.

    Raises
    ------
    OSError
        If it still fails.
    """
    for attempt in range(_ATTEMPTS):
        try:
            partial.replace(path)
        except PermissionError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


class AtomicLocalStore(LocalStore):
    """A Zarr store on disk whose every file is replaced as a whole.

    Small files are written at once instead of by a helper thread, which halves the cost of a
    volume.

    Parameters
    ----------
    root : Path
        The folder.
    is_synced : bool
        Whether to wait until the disk has each file.
    """

    def __init__(self, root: Path, *, is_synced: bool = False) -> None:
        super().__init__(root)
        self._is_synced = is_synced

    async def set(self, key: str, value: Buffer) -> None:
        """Write one file of the store."""
        if not self._is_open:
            await self._open()
        self._check_writable()
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(path, value.to_bytes(), is_synced=self._is_synced)
