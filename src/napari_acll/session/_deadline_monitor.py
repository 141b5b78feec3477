"""Watches whether samples come out in time."""

import threading
import time
from collections import deque
from collections.abc import Callable

from napari_acll.core import DeadlineReport, StageTimings
from napari_acll.session._outbox import Event
from napari_acll.session._running_durations import RunningDurations

_STAGES = ("read", "preprocess", "wait", "label", "trace", "publish", "end_to_end")
_WINDOW = 10
_LATE_FROM = 3
"""Missed of the last ten: one late volume is a hiccup of the computer."""
_QUIET_S = 30.0
"""Least time between two times that it is told, so that a session on the edge is bearable."""


class DeadlineMonitor:
    """Keeps how long stages take, and tells when deadlines begin to be missed, and met again.

    Any thread may call any method.

    Parameters
    ----------
    deadline_s : float, optional
        Most time from the last slice to the sample, or to the packet; None: there is none.
    is_published : bool
        Whether samples are published; a volume is then judged when its packet was sent.
    tell : callable
        Gets events.
    clock_s : callable
        Time in s, for the quiet between two events.
    """

    def __init__(
        self,
        deadline_s: float | None,
        *,
        is_published: bool,
        tell: Callable[[Event], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deadline_s = deadline_s
        self._is_published = is_published
        self._tell = tell
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._stages = {name: RunningDurations() for name in _STAGES}
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._n_judged = self._n_missed = self._n_unpublished = 0
        self._is_late = self._is_told = False
        self._told_s = float("-inf")

    def traced(self, index: int, timings: StageTimings, *, is_held: bool) -> None:
        """Take note of a traced volume.

        Parameters
        ----------
        index : int
            Number of the volume.
        timings : StageTimings
            How long its stages took.
        is_held : bool
            Whether it was held until the alignment was known; it then has no deadline.
        """
        with self._lock:
            for name in _STAGES[:5]:
                self._stages[name].add(getattr(timings, f"{name}_s"))
        if not self._is_published:
            self._finish(index, timings.total_s, is_held=is_held)

    def published(
        self, index: int, *, publish_s: float, end_to_end_s: float, is_held: bool
    ) -> None:
        """Take note that the packet of a volume was sent."""
        with self._lock:
            self._stages["publish"].add(publish_s)
        self._finish(index, end_to_end_s, is_held=is_held)

    def unpublished(self, index: int) -> None:
        """Take note that the packet of a volume was dropped: it has missed its deadline."""
        with self._lock:
            self._n_unpublished += 1
        if self._deadline_s is not None:
            self._judge(index, is_missed=True)

    def end_publishing(self) -> None:
        """Judge volumes by their samples from now on: there are no packets any more."""
        self._is_published = False

    def report(self) -> DeadlineReport:
        """Return how it stands now."""
        with self._lock:
            return DeadlineReport(
                deadline_s=self._deadline_s,
                n_judged=self._n_judged,
                n_missed=self._n_missed,
                is_late=self._is_late,
                n_unpublished=self._n_unpublished,
                stages={name: took.summary() for name, took in self._stages.items()},
            )

    def _finish(self, index: int, end_to_end_s: float, *, is_held: bool) -> None:
        if is_held:
            return
        with self._lock:
            self._stages["end_to_end"].add(end_to_end_s)
        if self._deadline_s is not None:
            self._judge(index, is_missed=end_to_end_s > self._deadline_s)

    def _judge(self, index: int, *, is_missed: bool) -> None:
        with self._lock:
            self._n_judged += 1
            self._n_missed += is_missed
            self._recent.append(is_missed)
            event = self._change(index)
        if event is not None:
            self._tell(event)

    def _change(self, index: int) -> Event | None:
        n_missed = sum(self._recent)
        if not self._is_late and n_missed >= _LATE_FROM:
            self._is_late = True
            return self._begin(index)
        if self._is_late and n_missed == 0 and len(self._recent) == _WINDOW:
            self._is_late = False
            return self._end(index)
        return None

    def _begin(self, index: int) -> Event | None:
        now_s = self._clock_s()
        self._is_told = now_s - self._told_s >= _QUIET_S
        if not self._is_told:
            return None
        self._told_s = now_s
        message = (
            f"Samples come out late since about volume {index}: later than {self._deadline_s:g} s"
            " after the last slice. Close other programs, or choose a faster device."
        )
        return Event("late", message, {"index": index, "n_missed": self._n_missed})

    def _end(self, index: int) -> Event | None:
        if not self._is_told:
            return None
        self._told_s = self._clock_s()
        message = f"Samples come out in time again since about volume {index - _WINDOW + 1}."
        return Event("in time", message, {"index": index, "n_missed": self._n_missed})
