"""Memory for volumes that is used again once nobody holds the volume anymore."""

import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

_USUALLY_FREE = 4
FRAMES_FREE = 2
"""Volumes whose channels share one array that are kept for later: as much memory as four channels
that have one each."""


class BufferPool:
    """Arrays of one shape whose memory returns when the last view of them is gone.

    Taking new memory for a full-frame volume costs as much as reading it. The content of an
    array is that of its former use. Safe from several threads.

    Parameters
    ----------
    shape : tuple of int
        Shape of every array.
    dtype : dtype
        Type of every array.
    most_free : int
        Arrays that are kept for later.

    Examples
    --------
    >>> pool = BufferPool((2, 3), np.dtype(np.uint16))
    >>> first = pool.take()
    >>> view = first[1:]
    >>> del first
    >>> pool.n_free  # the view still needs it
    0
    >>> del view
    >>> pool.n_free
    1
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], *, most_free: int = _USUALLY_FREE
    ) -> None:
        self._shape = shape
        self._dtype = dtype
        self._free: deque[NDArray[Any]] = deque(maxlen=most_free)

    @property
    def n_free(self) -> int:
        """Arrays that wait to be used again."""
        return len(self._free)

    def take(self) -> NDArray[Any]:
        """Return an array with any content, shape and dtype of the pool."""
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(self._shape, self._dtype)
        lease = _Lease(memory)
        weakref.finalize(lease, self._free.append, memory).atexit = False
        return np.asarray(lease)


class _Lease:
    """What the views of a taken array keep alive."""

    def __init__(self, memory: NDArray[Any]) -> None:
        self.__array_interface__ = memory.__array_interface__


class VolumeMemory:
    """A pool for arrays whose shape is known only when they come.

    Arrays of another shape or type than the last ones begin a new pool.

    Parameters
    ----------
    most_free : int
        Arrays that are kept for later.
    """

    def __init__(self, *, most_free: int = _USUALLY_FREE) -> None:
        self._most_free = most_free
        self._pool = BufferPool((0,), np.dtype(np.uint16))
        self._kind: tuple[tuple[int, ...], np.dtype[Any]] | None = None

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array with any content."""
        if self._kind != (shape, dtype):
            self._kind = (shape, dtype)
            self._pool = BufferPool(shape, dtype, most_free=self._most_free)
        return self._pool.take()
