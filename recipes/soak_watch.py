"""What a session takes and when its samples are on disk, seen from outside."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

ROWS_PER_CHUNK = 64
LOOK_S = 0.005
STEADY_AFTER = 0.2
"""Part of a recording after which memory should no longer grow."""


@dataclass
class Usage:
    """Memory and computing time of a process, as they went."""

    process: psutil.Process
    time_s: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    private_mb: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def sample(self) -> None:
        """Take note of the process, if it is still there."""
        try:
            memory, cpu = self.process.memory_info(), self.process.cpu_times()
        except psutil.Error:
            return
        self.time_s.append(time.perf_counter())
        self.rss_mb.append(memory.rss / 1e6)
        self.private_mb.append((memory.rss - getattr(memory, "shared", 0)) / 1e6)
        self.cpu_s.append(cpu.user + cpu.system)

    def summary(self, since_s: float, until_s: float) -> dict[str, float]:
        """Return slope of the later samples, most and share, between two times."""
        time_s = np.array(self.time_s)
        first, stop = np.searchsorted(time_s, (since_s, until_s))
        if stop - first < 2:
            return {"n_samples": len(time_s)}
        steady = slice(first + int(STEADY_AFTER * (stop - first)), stop)
        rss_mb, private_mb = np.array(self.rss_mb), np.array(self.private_mb)
        cpu_s, seconds = (values[stop - 1] - values[first] for values in (self.cpu_s, self.time_s))
        return {
            "n_samples": int(stop - first),
            "rss_mb_most": float(rss_mb.max()),
            "rss_mb_per_min": _slope_per_min(time_s[steady], rss_mb[steady]),
            "private_mb_per_min": _slope_per_min(time_s[steady], private_mb[steady]),
            "cores": cpu_s / seconds,
        }


class Saved:
    """When the sample of each volume was on disk, seen from outside."""

    def __init__(self, session: Path) -> None:
        self._chunks = session / "status" / "c"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.perf_s: dict[int, float] = {}
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        n_seen = 0
        while not self._over.wait(LOOK_S):
            now_s = time.perf_counter()
            for index in self._new_since(n_seen):
                self.perf_s[index] = now_s
                n_seen = index + 1

    def _new_since(self, n_seen: int) -> Iterator[int]:
        for number in (n_seen // ROWS_PER_CHUNK, n_seen // ROWS_PER_CHUNK + 1):
            try:
                rows = (self._chunks / str(number)).read_bytes()
            except OSError:
                return
            for row in np.flatnonzero(np.frombuffer(rows, np.uint8)):
                index = number * ROWS_PER_CHUNK + int(row)
                if index >= n_seen:
                    yield index


def _slope_per_min(time_s: np.ndarray, values: np.ndarray) -> float:
    return 60 * float(np.polyfit(time_s - time_s[0], values, 1)[0]) if len(time_s) > 1 else 0.0
