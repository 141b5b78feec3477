"""Wall time for what happens during a session."""

import time


class SteadyClock:
    """Seconds since 1970 that go on evenly, also when the computer's clock is set meanwhile.

    Wall time is taken once, when the clock is made; from then on a monotonic clock counts.
    """

    def __init__(self) -> None:
        self._offset_s = time.time() - time.perf_counter()

    def now_s(self) -> float:
        """Return the time now, in s since 1970 (UTC)."""
        return self.at_s(time.perf_counter())

    def at_s(self, perf_s: float) -> float:
        """Return the time at a reading of `time.perf_counter`, in s since 1970 (UTC)."""
        return self._offset_s + perf_s

    def perf_s(self, at_s: float) -> float:
        """Return what `time.perf_counter` says at a time in s since 1970 (UTC)."""
        return at_s - self._offset_s
