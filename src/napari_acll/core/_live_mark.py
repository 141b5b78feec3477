"""Tells the other programs of this computer that a live session runs."""

import contextlib
import logging
import os
import platform
import secrets
import time
from pathlib import Path

from napari_acll.core._file_lock import lock_file, lock_file_soon
from napari_acll.core._user_files import user_data_dir

_log = logging.getLogger(__name__)

_LEFT_AFTER_S = 60.0
"""A mark that nobody holds for so long was left by a program that was killed."""


class LiveMark:
    """Says that a live session runs on this computer, until it is released.

    A file of its own in the folder of the user, locked: the system lets go of it when the program
    ends, however it ends. Where it cannot be made, there is none, and the log says so.
    """

    def __init__(self) -> None:
        folder = _folder()
        self._path = folder / f"{platform.node()}-{os.getpid()}-{secrets.token_hex(4)}.lock"
        self._file = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            if not lock_file_soon(self._file):
                _log.warning("Other programs are not told of the live session: it is not locked.")
        except OSError as error:
            _log.warning("Other programs are not told of the live session: %s", error)

    def release(self) -> None:
        """Say that it is over; may be done twice."""
        file, self._file = self._file, -1
        if file < 0:
            return
        with contextlib.suppress(
            OSError
        ):  # of a share that is gone: the session ends all the same
            os.close(file)
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def live_session_runs() -> bool:
    """Return whether a live session of this user runs on this computer, in whatever program."""
    return any(_is_held(path) for path in _folder().glob("*.lock") if _is_of_here(path))


def _is_held(path: Path) -> bool:
    """Return whether a program holds a mark; one that was left behind is taken away."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False  # it has just ended
    try:
        if not lock_file(file, is_shared=True):
            return True
        is_left = time.time() - os.fstat(file).st_mtime > _LEFT_AFTER_S
    except OSError:  # a file system without locks: nobody knows
        return False
    finally:
        os.close(file)
    if is_left:
        with contextlib.suppress(OSError):
            path.unlink()
    return False


def _folder() -> Path:
    return user_data_dir() / "live"


def _is_of_here(path: Path) -> bool:
    """Return whether a mark is of this computer: several may share the folder of a user."""
    before_process = path.name.rpartition("-")[0].rpartition("-")[0]
    return before_process == platform.node()
