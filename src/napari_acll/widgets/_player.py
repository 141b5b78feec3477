"""Plays volumes: reads each before it is due, in a thread of its own; knows no Qt."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

_log = logging.getLogger(__name__)

MAX_SPEED = float("inf")


@dataclass(frozen=True, slots=True)
class _Job:
    """A volume to read, and what was wanted when that began."""

    index: int
    is_jump: bool
    generation: int
    n_jumps: int


class Player:
    """Brings volumes into memory one after the other, and says when each is to be shown.

    Whoever shows them asks `take` as often as it likes and never waits for the disk. One volume
    at most is ready and not taken, so a slow screen or a slow disk makes playing slower, and no
    volume is left out. A jump replaces what was wanted before.

    Any thread may call any method.

    Parameters
    ----------
    load : callable
        Brings the volume of an index into memory.
    times_s : ndarray of float64, shape (n,)
        Time of each volume, in s.
    """

    def __init__(self, load: Callable[[int], None], times_s: NDArray[np.float64]) -> None:
        self._load = load
        self._times_s = times_s
        self._changed = threading.Condition()
        self._position = 0
        self._wanted: int | None = None
        self._ready: int | None = None
        self._is_playing = self._is_loading = self._is_closed = False
        self._speed = 1.0
        # what was read for an older wish is not shown; a jump is outdated by other jumps only
        self._generation = self._n_jumps = 0
        self._anchor_s = (0.0, 0.0)  # our time and that of the recording, in s
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="acll-replay", daemon=True)
        self._thread.start()

    @property
    def n_volumes(self) -> int:
        """Number of volumes."""
        return len(self._times_s)

    @property
    def position(self) -> int:
        """Index of the volume that is shown, or about to be."""
        return self._position

    @property
    def is_playing(self) -> bool:
        """Whether volumes follow each other by themselves."""
        return self._is_playing

    @property
    def is_busy(self) -> bool:
        """Whether a volume is to come, or an error to be told."""
        with self._changed:
            waiting = (self._wanted, self._ready, self._error)
            has_any = any(thing is not None for thing in waiting)
            return self._is_playing or self._is_loading or has_any

    def play(self) -> None:
        """Play on from where it stands; from the beginning, if that is the end."""
        with self._changed:
            self._is_playing = True
            if self._position >= self.n_volumes - 1 and self._wanted is None:
                self._jump_to(0)
            self._begin_anew()

    def pause(self) -> None:
        """Stand still."""
        with self._changed:
            self._is_playing = False
            self._begin_anew()

    def seek(self, index: int) -> None:
        """Jump to a volume, the nearest one if there is none of this index."""
        with self._changed:
            self._jump_to(index)

    def step(self, n_volumes: int) -> None:
        """Stand still, and go some volumes on, or back if it is negative."""
        with self._changed:
            self._is_playing = False
            start = self._position if self._wanted is None else self._wanted
            self._jump_to(start + n_volumes)

    def was_moved(self, index: int) -> None:
        """Take note that somebody else shows another volume: playing goes on from there."""
        with self._changed:
            self._position, self._wanted, self._ready = index, None, None
            self._is_playing = self._is_playing and index < self.n_volumes - 1
            self._n_jumps += 1
            self._begin_anew()

    def set_speed(self, speed: float) -> None:
        """Play so many times as fast as was recorded; `MAX_SPEED`: as fast as can be."""
        with self._changed:
            self._speed = speed
            self._begin_anew()

    def take(self) -> int | None:
        """Return the volume that is to be shown now, once; None if there is none."""
        with self._changed:
            index, self._ready = self._ready, None
            self._changed.notify_all()
            return index

    def take_error(self) -> Exception | None:
        """Return why playing stopped, once."""
        with self._changed:
            error, self._error = self._error, None
            return error

    def close(self) -> None:
        """End the thread, soon; may be done twice."""
        with self._changed:
            self._is_closed, self._is_playing = True, False
            self._begin_anew()

    def _jump_to(self, index: int) -> None:
        self._wanted, self._ready = max(0, min(self.n_volumes - 1, index)), None
        self._n_jumps += 1
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._generation += 1
        self._anchor_s = (perf_counter(), float(self._times_s[self._position]))
        self._changed.notify_all()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._load(job.index)
            except Exception as error:  # noqa: BLE001  the edge of the thread: shown on screen
                self._fail(error, job.index)
            else:
                self._hand_over(job)

    def _next(self) -> _Job | None:
        with self._changed:
            self._is_loading = False
            self._changed.wait_for(self._has_work)
            if self._is_closed:
                return None
            self._is_loading = True
            wanted, self._wanted = self._wanted, None
            index = self._position + 1 if wanted is None else wanted
            return _Job(index, wanted is not None, self._generation, self._n_jumps)

    def _has_work(self) -> bool:
        plays_on = self._is_playing and self._ready is None
        return self._is_closed or self._wanted is not None or plays_on

    def _hand_over(self, job: _Job) -> None:
        with self._changed:
            while not job.is_jump and self._is_wanted(job):
                wait_s = self._due_s(job.index) - perf_counter()
                if wait_s <= 0:
                    break
                self._changed.wait(wait_s)
            if not self._is_wanted(job):
                return
            self._position = self._ready = job.index
            self._is_playing = self._is_playing and job.index < self.n_volumes - 1
            self._anchor_s = (perf_counter(), float(self._times_s[job.index]))

    def _is_wanted(self, job: _Job) -> bool:
        if self._is_closed:
            return False
        if job.is_jump:
            return job.n_jumps == self._n_jumps
        return job.generation == self._generation

    def _due_s(self, index: int) -> float:
        ours_s, theirs_s = self._anchor_s
        return ours_s + (float(self._times_s[index]) - theirs_s) / self._speed

    def _fail(self, error: Exception, index: int) -> None:
        _log.warning("Volume %d cannot be played: %s", index, error)
        with self._changed:
            self._error, self._is_playing = error, False
