"""One writer per session folder, also after a kill and on Windows."""

import json
import logging
import os
import platform
from pathlib import Path

from napari_acll.core import SessionError, lock_file, lock_file_soon
from napari_acll.export._layout import LOCK_FILE

_log = logging.getLogger(__name__)


class WriterLock:
    """Held by the one program that writes a session.

    The system lets go of it when the program ends, however it ends, so none is ever stale. Who
    holds it stands in the file. Where a file system knows no locks, there is none, and the log
    says so.

    Parameters
    ----------
    folder : Path
        The session folder.

    Raises
    ------
    SessionError
        If another program writes this session.
    OSError
        If the file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK_FILE
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            is_free = self._try()
            if is_free:
                owner = json.dumps({"process": os.getpid(), "computer": platform.node()})
                os.ftruncate(self._file, 0)
                os.lseek(self._file, 0, os.SEEK_SET)
                os.write(self._file, f"{owner}\n".encode())
        except BaseException:
            os.close(self._file)
            raise
        if not is_free:
            os.close(self._file)
            raise SessionError(
                f"{folder} is being written by another program{_owner(path)}; wait until that one"
                " has ended, or end it."
            )

    def release(self) -> None:
        """Let go; may be done twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _try(self) -> bool:
        """Whether the lock was got, or there are none here."""
        try:
            return lock_file_soon(self._file)
        except OSError as error:
            _log.warning("This file system knows no locks (%s); none is used.", error)
            return True


def is_being_written(folder: Path) -> bool:
    """Return whether a program writes this session, or may; nothing is written to find out."""
    try:
        file = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not lock_file(file, is_shared=True)
    except OSError:  # a file system without locks: nobody knows
        return True
    finally:
        os.close(file)


def was_written_here(folder: Path) -> bool:
    """Return whether the last writer ran on this computer, which then knows of its lock."""
    try:
        owner = json.loads((folder / LOCK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return not (folder / LOCK_FILE).exists()
    return isinstance(owner, dict) and owner.get("computer") == platform.node()


def _owner(path: Path) -> str:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f" (process {owner['process']} on {owner['computer']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
