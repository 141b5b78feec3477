"""A clock that stands while nobody looks at it."""

import time
from collections.abc import Callable

_LONGEST_LOOK_S = 5.0
"""Sources look many times per second; between two looks this far apart the computer slept, or a
network share let us wait."""


class AwakeClock:
    """Monotonic time in which silence is only counted while it is listened to.

    A computer that was suspended, or a share that let a look wait for half a minute, says nothing
    about whether the microscope still records. On some systems the monotonic clock goes on while
    the computer sleeps.

    Parameters
    ----------
    clock_s : callable
        Monotonic time in s.
    """

    def __init__(self, clock_s: Callable[[], float] | None = None) -> None:
        self._clock_s = clock_s or time.monotonic
        self._last_s = self._clock_s()
        self._now_s = self._last_s
        self.slept_s = 0.0

    def now_s(self) -> float:
        """Return the time without long gaps between looks, in s."""
        clock_s = self._clock_s()
        passed_s, self._last_s = clock_s - self._last_s, clock_s
        if passed_s > _LONGEST_LOOK_S:
            self.slept_s += passed_s
        else:
            self._now_s += passed_s
        return self._now_s
