"""A file that another program is writing, read without standing in its way."""

import contextlib
import os
from pathlib import Path

from napari_acll.core import RecordingError
from napari_acll.sources._shared_file import open_shared


class GrowingFile:
    """A growing file, read part by part through one handle that blocks nobody.

    It is never mapped into memory: its writer may shorten it.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open_shared(path)

    def size(self) -> int:
        """Return the size in bytes by the open handle; that of a folder listing may be old."""
        try:
            return os.fstat(self._file.fileno()).st_size
        except OSError:
            self._reopen()
            return os.fstat(self._file.fileno()).st_size

    def read(self, offset: int, n_bytes: int) -> bytearray:
        """Return up to `n_bytes` bytes from `offset`; fewer where the file ends before."""
        raw = bytearray(n_bytes)
        return raw[: self.read_into(offset, memoryview(raw))]

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill `view` from `offset` and return how many bytes there were."""
        try:
            return self._read_into(offset, view)
        except OSError:
            self._reopen()
            return self._read_into(offset, view)

    def _read_into(self, offset: int, view: memoryview) -> int:
        self._file.seek(offset)
        filled = 0
        while filled < len(view):
            step = self._file.readinto(view[filled:])
            if not step:
                break
            filled += step
        return filled

    def check_identity(self) -> None:
        """Raise if the path no longer leads to the file that is open.

        Raises
        ------
        RecordingError
            If it was deleted, moved or replaced.
        """
        opened = os.fstat(self._file.fileno())
        try:
            found = self._path.stat()
        except FileNotFoundError as error:
            if not self._path.parent.is_dir():  # the whole share is away
                return
            raise RecordingError(
                f"{self._path} was deleted or moved while it was followed; what was read before"
                " is kept. Start again on the new file."
            ) from error
        except OSError:  # a share that is away for a moment
            return
        is_told = bool(found.st_ino and opened.st_ino)  # some shares do not number their files
        if is_told and (found.st_ino, found.st_dev) != (opened.st_ino, opened.st_dev):
            raise RecordingError(
                f"{self._path} was replaced by another file while it was followed; what was read"
                " before is kept. Start again on the new file."
            )

    def _reopen(self) -> None:
        """Get a new handle: that of a share which went away and came back may be of no use.

        Raises
        ------
        OSError
            If the share is still away.
        """
        file = open_shared(self._path)
        self.close()
        self._file = file

    def close(self) -> None:
        """Close the handle; may be done twice."""
        with contextlib.suppress(OSError):
            self._file.close()
