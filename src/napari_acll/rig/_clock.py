"""When each frame is due, and how late it was."""

import csv
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from napari_acll.core import RecordingError

LOG_COLUMNS = (
    "volume",
    "shown",
    "due_s",
    "late_ms",
    "complete_perf_s",
    "complete_unix_s",
    "faults",
)
"""Columns of the log. `complete_perf_s` is `time.perf_counter()`, which all processes of a machine
share; `complete_unix_s` is comparable with the times of files."""


class RigClock:
    """Time since the recording began.

    Parameters
    ----------
    period_s : float
        From one volume to the next.
    n_z : int
        Slices, which fill the period evenly.
    """

    def __init__(self, period_s: float, n_z: int) -> None:
        self.period_s = period_s
        self.slice_s = period_s / n_z
        self._began_s = time.perf_counter()

    def begin(self) -> None:
        """Set the time to 0."""
        self._began_s = time.perf_counter()

    def now_s(self) -> float:
        """Return the time."""
        return time.perf_counter() - self._began_s

    def frame_time_s(self, volume: int, z: int) -> float:
        """Return when a frame begins to be exposed."""
        return volume * self.period_s + z * self.slice_s

    def wait_for_frame(self, volume: int, z: int) -> None:
        """Wait until a frame was exposed."""
        self.wait_until(self.frame_time_s(volume, z + 1))

    def wait_until(self, due_s: float) -> None:
        """Wait for a time; it may have passed."""
        left_s = due_s - self.now_s()
        if left_s > 0:
            time.sleep(left_s)


class RigLog:
    """A table with a row per volume, written when the volume was complete.

    Parameters
    ----------
    path : Path
        File to write; an older one is replaced.
    clock : RigClock
        Tells what was due when.

    Attributes
    ----------
    late_ms : list of float
        Of every volume so far.

    Raises
    ------
    RecordingError
        If it cannot be written.
    """

    def __init__(self, path: Path, clock: RigClock) -> None:
        self._clock = clock
        self.late_ms: list[float] = []
        try:
            self._file = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise RecordingError(
                f"Cannot write {path} ({error.strerror}); choose another place with --log."
            ) from error
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(LOG_COLUMNS)

    def add(self, volume: int, shown: int, faults: str) -> None:
        """Note that a volume is complete now, or would be."""
        perf_s, unix_s = time.perf_counter(), time.time()
        due_s = self._clock.frame_time_s(volume + 1, 0)
        late_ms = 1000.0 * (self._clock.now_s() - due_s)
        self.late_ms.append(late_ms)
        row = (volume, shown, due_s, round(late_ms, 3), round(perf_s, 6), round(unix_s, 6), faults)
        self._rows.writerow(row)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
