"""A mailbox that holds the newest result only."""

import math
import threading
from typing import NamedTuple

from napari_acll.core import LabeledVolume, StageTimings, TraceSample, Volume


class Latest(NamedTuple):
    """The last volume that was traced, and when, on the clock of `time.perf_counter`, in s."""

    volume: Volume
    labeled: LabeledVolume
    sample: TraceSample
    timings: StageTimings
    traced_s: float = math.nan


class Mailbox:
    """Holds one result; a newer one replaces it, so a slow reader costs nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: Latest | None = None

    def put(self, latest: Latest) -> None:
        """Replace what is in it."""
        with self._lock:
            self._latest = latest

    def look(self) -> Latest | None:
        """Return the newest result, None before the first."""
        with self._lock:
            return self._latest
