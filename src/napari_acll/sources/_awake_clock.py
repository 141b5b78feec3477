"""A clock that stands while nobody looks at it."""

import time
from collections.abc import Callable

_LONGEST_LOOK_S = 5.0
"""Sources look many times per second; between two looks this far apart the computer slept, or a
network share let us wait."""
_WORTH_TELLING_S = 30.0


class AwakeClock:
    """Monotonic time in which silence is only counted while it is listened to.

    A computer that was suspended, or a share that let a look wait for half a minute, says nothing
    about whether the microscope still records. On some systems the monotonic clock goes on while
    the computer sleeps.

    Parameters
    ----------
    tell : callable
        Called with a sentence when nobody looked for long.
    clock_s : callable, optional
        Monotonic time in s.
    """

    def __init__(
        self, tell: Callable[[str], None], clock_s: Callable[[], float] | None = None
    ) -> None:
        self._tell = tell
        self._clock_s = clock_s or time.monotonic
        self._last_s = self._clock_s()
        self._now_s = self._last_s

    def now_s(self) -> float:
        """Return the time without long gaps between looks, in s."""
        clock_s = self._clock_s()
        passed_s, self._last_s = clock_s - self._last_s, clock_s
        if passed_s <= _LONGEST_LOOK_S:
            self._now_s += passed_s
        elif passed_s >= _WORTH_TELLING_S:
            self._tell(
                f"Nobody looked for new volumes for {passed_s:.0f} s (the computer slept, or"
                " something held up the reading); that is not counted as silence."
            )
        return self._now_s
