"""The last few things that were read, so that what is drawn is read once."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")
_N_KEPT = 4


class LastRead(Generic[Thing]):
    """Reads by number and keeps the last few; safe from several threads.

    What is in memory is given at once, even while another thread reads.

    Parameters
    ----------
    read : callable
        Reads the thing of a number.
    """

    def __init__(self, read: Callable[[int], Thing]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._kept: OrderedDict[int, Thing] = OrderedDict()

    def get(self, number: int) -> Thing:
        """Return a thing, from memory if it was among the last ones.

        Raises
        ------
        Exception
            What reading raises; it is tried again next time.
        """
        if number not in self:
            with self._reading:
                if number not in self:  # else another thread has just read it
                    self._keep(number, self._read(number))
        with self._lock:
            thing = self._kept.get(number)
            if thing is not None:
                self._kept.move_to_end(number)
                return thing
        return self._read(number)  # others pushed it out in between

    def peek(self, number: int) -> Thing | None:
        """Return a thing if it is in memory; nothing is read."""
        with self._lock:
            return self._kept.get(number)

    def __contains__(self, number: int) -> bool:
        with self._lock:
            return number in self._kept

    def _keep(self, number: int, thing: Thing) -> None:
        with self._lock:
            self._kept[number] = thing
            while len(self._kept) > _N_KEPT:
                self._kept.popitem(last=False)
