"""Small networks on one thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class _Usual:
    """How many threads torch uses elsewhere.

    The number that torch is told is that of the calling thread, and of every thread that begins to
    use torch until it is told another one. So a thread that began while another one was here has
    one thread, which is not what it should have ever after.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_here = 0
        self._n_threads = 1

    def enter(self) -> None:
        """Take note of the number, unless it is that of someone who is here."""
        with self._lock:
            n_threads = torch.get_num_threads()
            if not self._n_here and n_threads > 1:
                self._n_threads = n_threads
            self._n_here += 1

    def leave(self) -> int:
        """Return the number."""
        with self._lock:
            self._n_here -= 1
            return self._n_threads


_usual = _Usual()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on the calling thread alone; to change this and back takes 1 us.

    Where threads sleep while they wait for each other (see `wait_passively`), to wake one takes as
    long as a small step of a small network.
    """
    _usual.enter()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_usual.leave())
