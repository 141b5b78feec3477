"""Small networks on one thread."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on the calling thread alone; to change this and back takes 1 us.

    Where threads sleep while they wait for each other (see `wait_passively`), to wake one takes as
    long as a small step of a small network.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
