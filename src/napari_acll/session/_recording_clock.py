"""Which time of the recording it is now."""

import math
import threading
from collections import deque

_WINDOW = 100
"""Volumes, a minute at the usual pace: in that time two clocks drift apart by some ms at most."""


class RecordingClock:
    """Tells the time of the recording at any moment, from when the volumes came.

    A volume comes some time after its last slice was taken, and never before. So of the last
    hundred volumes the one that came the soonest tells how the clocks lie on each other; what is
    left is the least time that a volume takes from the camera to us, by which the times that it
    tells are too early.

    Parameters
    ----------
    is_running : bool
        Whether the time of the recording goes on as ours does; not so in a replay that is as
        fast as it can.
    """

    def __init__(self, *, is_running: bool) -> None:
        self._is_running = is_running
        self._lock = threading.Lock()
        self._offsets_s: deque[float] = deque(maxlen=_WINDOW)
        self._newest = -1

    @property
    def newest(self) -> int:
        """Index of the newest volume that came; -1 before the first."""
        return self._newest

    def saw(self, index: int, recorded_s: float, seen_s: float) -> None:
        """Take note of a volume.

        Parameters
        ----------
        index : int
            Number of the volume.
        recorded_s : float
            Time at which its last slice was taken, in s from the start of the recording.
        seen_s : float
            `time.perf_counter` when it had come.
        """
        with self._lock:
            self._newest = index
            if self._is_running and math.isfinite(recorded_s):
                self._offsets_s.append(seen_s - recorded_s)

    def time_s(self, perf_s: float) -> float:
        """Return the time of the recording at a reading of `time.perf_counter`.

        It is NaN before the first volume, and where the recording's time does not run.
        """
        with self._lock:
            if not self._offsets_s:
                return float("nan")
            return perf_s - min(self._offsets_s)

    def restart(self) -> None:
        """Forget how the clocks lay on each other: the recording stood still."""
        with self._lock:
            self._offsets_s.clear()
