"""Notices that the computer's clock was set, or that the computer slept."""

import time
from collections.abc import Callable

from napari_acll.session._outbox import Event

_WORTH_TELLING_S = 2.0
"""Clocks that are kept right over the network move by less."""


class ClockWatch:
    """Compares the wall clock with one that only ever goes on.

    Nothing in a session is measured by the wall clock; it only stands in the events. That is why
    a jump is told: times in `events.jsonl` before and after it do not fit together.

    Parameters
    ----------
    wall_s, steady_s : callable
        The clock on the wall and one that never goes back, in s.
    """

    def __init__(
        self,
        wall_s: Callable[[], float] = time.time,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall_s = wall_s
        self._steady_s = steady_s
        self._ahead_s = wall_s() - steady_s()

    def look(self) -> Event | None:
        """Return what is to be told, if the clock moved since the last look."""
        ahead_s = self._wall_s() - self._steady_s()
        jump_s, self._ahead_s = ahead_s - self._ahead_s, ahead_s
        if abs(jump_s) < _WORTH_TELLING_S:
            return None
        what = (
            f"went forward by {jump_s:.1f} s: it was set, or the computer slept"
            if jump_s > 0
            else f"was set back by {-jump_s:.1f} s"
        )
        return Event(
            "clock",
            f"The computer's clock {what}. Volumes are timed without it; what the microscope took"
            " meanwhile is counted as lost if it cannot be read anymore.",
            {"jump_s": jump_s},
        )
