"""A lock on an open file that the system lets go of when the program ends, however it ends."""

import os
import sys
import time

_ATTEMPTS = 25
_PAUSE_S = 0.02
_FAR = 1 << 20
"""Windows lets nobody read bytes that are locked: one far behind the text is."""


def lock_file(file: int, *, is_shared: bool = False) -> bool:
    """Lock an open file if that is possible at once; closing it lets go.

    Parameters
    ----------
    file : int
        Descriptor of the file.
    is_shared : bool
        Whether others may lock it in the same way; Windows knows no such lock.

    Returns
    -------
    bool
        Whether it was locked; False if somebody else holds it.

    Raises
    ------
    OSError
        If the file system knows no locks.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_file_soon(file: int) -> bool:
    """Lock an open file, waiting for those who only look whether it is free: they hold it, too.

    Parameters
    ----------
    file : int
        Descriptor of the file.

    Returns
    -------
    bool
        Whether it was locked within half a second.

    Raises
    ------
    OSError
        If the file system knows no locks.
    """
    for attempt in range(_ATTEMPTS):
        if lock_file(file):
            return True
        if attempt < _ATTEMPTS - 1:
            time.sleep(_PAUSE_S)
    return False
