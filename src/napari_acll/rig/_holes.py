"""Gives the space of a part of a file back to the disk; the file keeps its length.

What was freed reads as zero. Linux, macOS and Windows each have a call of their own, and some file
systems (FAT, some shares) can do it on none of them.
"""

import ctypes
import errno
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

_PROBE_BYTES = 1 << 20

if sys.platform == "win32":
    import msvcrt
    from ctypes import wintypes

    _SET_SPARSE = 0x000900C4
    _SET_ZERO_DATA = 0x000980C8
    _control = ctypes.WinDLL("kernel32", use_last_error=True).DeviceIoControl
    _control.argtypes = (
        wintypes.HANDLE,
        wintypes.DWORD,
        ctypes.c_void_p,
        wintypes.DWORD,
        ctypes.c_void_p,
        wintypes.DWORD,
        ctypes.POINTER(wintypes.DWORD),
        ctypes.c_void_p,
    )
    _control.restype = wintypes.BOOL

    def _ask(descriptor: int, code: int, content: bytes) -> None:
        n_returned = wintypes.DWORD()
        handle = msvcrt.get_osfhandle(descriptor)
        if not _control(handle, code, content, len(content), None, 0, n_returned, None):
            raise ctypes.WinError(ctypes.get_last_error())

    def make_sparse(descriptor: int) -> None:
        """Let a file have parts without space; call it once, when it is new."""
        _ask(descriptor, _SET_SPARSE, b"\1")

    def free_part(descriptor: int, offset: int, n_bytes: int) -> None:
        """Free a part of an open file.

        Raises
        ------
        OSError
            If the file system cannot.
        """
        ends = offset.to_bytes(8, "little") + (offset + n_bytes).to_bytes(8, "little")
        _ask(descriptor, _SET_ZERO_DATA, ends)

else:

    def make_sparse(descriptor: int) -> None:
        """Let a file have parts without space; here every file may."""

    def free_part(descriptor: int, offset: int, n_bytes: int) -> None:
        """Free a part of an open file.

        Raises
        ------
        OSError
            If the file system cannot.
        """
        if sys.platform == "darwin":
            _punch_on_mac(descriptor, offset, n_bytes)
        else:
            _punch_on_linux(descriptor, offset, n_bytes)

    def _punch_on_mac(descriptor: int, offset: int, n_bytes: int) -> None:
        import fcntl

        punch_hole = 99  # F_PUNCHHOLE; takes flags, a reserved word, offset and length
        request = bytes(8) + offset.to_bytes(8, "little") + n_bytes.to_bytes(8, "little")
        fcntl.fcntl(descriptor, punch_hole, request)

    def _punch_on_linux(descriptor: int, offset: int, n_bytes: int) -> None:
        keep_size_and_punch = 0x01 | 0x02
        fallocate = _fallocate()
        if fallocate is None:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        if fallocate(descriptor, keep_size_and_punch, offset, n_bytes):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    @cache
    def _fallocate() -> Any:
        library = ctypes.CDLL(None, use_errno=True)
        call = getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)
        if call is not None:
            call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong)
        return call


def can_free_parts(folder: Path) -> bool:
    """Return whether files in a folder can give back the space of their parts.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\1" * _PROBE_BYTES)
        file.flush()
        try:
            make_sparse(file.fileno())
            free_part(file.fileno(), 0, _PROBE_BYTES)
        except OSError:
            return False
        file.seek(0)
        return not any(file.read(_PROBE_BYTES))
