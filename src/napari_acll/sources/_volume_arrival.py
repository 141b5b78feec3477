"""One volume on its way into a folder."""

import os
import time
from pathlib import Path

from napari_acll.sources._nd2_chunks import is_finished_nd2
from napari_acll.sources._shared_file import open_shared

_RETRY_EVERY_S = 0.05
_UNREADABLE = (-1, -1, False)


class VolumeArrival:
    """The files of one volume, and whether they are complete.

    An ND2 file is complete when its end mark is there, others when size and time stand still.
    Both are taken from the open file: on Windows a folder tells them late.

    Parameters
    ----------
    number : int
        Number of the volume, as its name says.
    kind : str
        Kind of its files.
    n_files : int
        How many it has.
    now_s : float
        Time at which it was found, in s.

    Attributes
    ----------
    paths : dict of int to Path
        Its file, or the file of each channel.
    changed_s : float
        When its files last changed, in s.
    complete_s : float or None
        Since when it is complete, in s; None while it is not.
    seen_s : float
        `time.perf_counter` when its files were last found changed, in s.
    written_s : float
        When its last file was last written, in s of the clock of the file system.
    """

    def __init__(self, number: int, kind: str, *, n_files: int, now_s: float) -> None:
        self.number = number
        self.kind = kind
        self.paths: dict[int, Path] = {}
        self.changed_s = now_s
        self.complete_s: float | None = None
        self.seen_s = time.perf_counter()
        self.written_s = 0.0
        self._n_files = n_files
        self._states: list[tuple[int, int, bool]] = []
        self._failed_s: float | None = None
        self._retry_at_s = 0.0
        self._why = ""

    @property
    def name(self) -> str:
        """Name of its first file."""
        return next(iter(self.paths.values())).name

    @property
    def fate(self) -> str:
        """Why it is not read, as the rest of a sentence that begins with its name."""
        return f"cannot be read: {self._why}" if self._why else "was never completed."

    def examine(self, now_s: float, *, settle_s: float) -> bool:
        """Look at its files; return whether they have changed since the last time."""
        if self.complete_s is not None:
            return False
        states = [self._state(path) for path in self.paths.values()]
        has_changed = states != self._states
        if has_changed:
            self._states, self.changed_s = states, now_s
            self._failed_s, self._why = None, ""
            self.seen_s = time.perf_counter()
        if now_s >= self._retry_at_s and self._is_complete(
            is_settled=not has_changed and now_s - self.changed_s >= settle_s
        ):
            self.complete_s = now_s
            self.written_s = max(written_ns for _, written_ns, _ in states) * 1e-9
        return has_changed

    def fail(self, why: Exception, now_s: float) -> float:
        """Take note that it could not be read; return for how long it could not, in s."""
        if self._failed_s is None:
            self._failed_s = now_s
        self._why = str(why)
        self.complete_s = None
        self._retry_at_s = now_s + _RETRY_EVERY_S
        return now_s - self._failed_s

    def _is_complete(self, *, is_settled: bool) -> bool:
        if len(self.paths) < self._n_files:
            return False
        return all(
            n_bytes > 0 and (is_ended or (is_settled and self.kind != "nd2"))
            for n_bytes, _, is_ended in self._states
        )

    def _state(self, path: Path) -> tuple[int, int, bool]:
        """Return size, time of writing in ns, and whether it ends as a finished ND2 file does."""
        try:
            with open_shared(path) as file:
                status = os.fstat(file.fileno())
                is_ended = self.kind == "nd2" and is_finished_nd2(file)
        except OSError:  # its writer shares it with nobody yet, or the share is gone
            return _UNREADABLE
        return status.st_size, status.st_mtime_ns, is_ended
