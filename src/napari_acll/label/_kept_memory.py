"""Memory that one volume used is there for the next one."""

import ctypes
import logging
import sys

_log = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`, from malloc.h."""
_MB = 2**20
_LARGEST_KEPT = 32 * _MB
"""The most that glibc takes; the largest array of a labeled volume has 14 MB."""
_MOST_KEPT = 128 * _MB


def keep_memory() -> bool:
    """Let the process keep freed memory for what comes next; whether that could be asked for.

    glibc gives large arrays back to the system when they are freed, and the system clears every
    page before it gives it out again: 14,000 pages and 20 to 45 ms for each volume. Other systems
    are left as they are.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError) as error:  # another C library than glibc
        _log.debug("Memory is not kept: %s", error)
        return False
    kept = mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, _MOST_KEPT)
    return bool(kept)
