"""Counters that several threads write."""

import threading
from collections import Counter

from napari_acll.core import SessionCounters, VolumeStatus

_COUNTER_OF_STATUS = {
    VolumeStatus.TRACED: "n_traced",
    VolumeStatus.SKIPPED: "n_skipped",
    VolumeStatus.LOST: "n_lost",
    VolumeStatus.UNLABELABLE: "n_unlabelable",
    VolumeStatus.BACKFILLED: "n_backfilled",
}


class Tally:
    """Counts what became of the volumes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count_read(self) -> None:
        """Count a volume that the source gave."""
        self._add("n_read")

    def count(self, status: VolumeStatus) -> None:
        """Count a timepoint whose fate is known."""
        self._add(_COUNTER_OF_STATUS[status])

    def count_before(self, status: VolumeStatus, n: int) -> None:
        """Count timepoints of the same recording that an interrupted session left."""
        with self._lock:
            self._counts[_COUNTER_OF_STATUS[status]] += n
            if status is VolumeStatus.BACKFILLED:
                self._counts["n_skipped"] += n
            if status is not VolumeStatus.LOST:
                self._counts["n_read"] += n

    def counters(self, *, n_waiting: int) -> SessionCounters:
        """Return the counts of one moment."""
        with self._lock:
            return SessionCounters(n_waiting=n_waiting, **self._counts)

    def _add(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1
