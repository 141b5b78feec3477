"""Opens files that another program is writing, in its way as little as can be."""

import io
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _GENERIC_READ = 0x80000000
    _SHARE_READ_WRITE_DELETE = 0x1 | 0x2 | 0x4
    _OPEN_EXISTING = 3
    _INVALID_HANDLE = ctypes.c_void_p(-1).value
    _create_file = ctypes.WinDLL("kernel32", use_last_error=True).CreateFileW
    _create_file.argtypes = (
        wintypes.LPCWSTR,
        wintypes.DWORD,
        wintypes.DWORD,
        ctypes.c_void_p,
        wintypes.DWORD,
        wintypes.DWORD,
        wintypes.HANDLE,
    )
    _create_file.restype = wintypes.HANDLE

    def _open_descriptor(path: str, flags: int) -> int:
        handle = _create_file(
            path, _GENERIC_READ, _SHARE_READ_WRITE_DELETE, None, _OPEN_EXISTING, 0, None
        )
        if handle == _INVALID_HANDLE or handle is None:
            raise ctypes.WinError(ctypes.get_last_error())
        return msvcrt.open_osfhandle(handle, flags | os.O_BINARY)

else:

    def _open_descriptor(path: str, flags: int) -> int:
        return os.open(path, flags)


def open_shared(path: Path) -> io.FileIO:
    """Open a file for reading such that its writer can go on writing, rename and delete it.

    Python's own `open` lets nobody delete or rename the file on Windows as long as it is open.

    Raises
    ------
    OSError
        If it cannot be opened; on Windows also if its writer shares it with nobody.
    """
    return io.FileIO(str(path), "rb", opener=_open_descriptor)
