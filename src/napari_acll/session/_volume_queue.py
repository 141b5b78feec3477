"""Where volumes wait for labeling: the only place at which one can be skipped."""

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TypeAlias

from napari_acll.core import DropPolicy, RunSettings, Volume, VolumeSpec, VolumeStatus

Gap: TypeAlias = tuple[int, VolumeStatus]
"""Index of a timepoint without values, and why it has none."""

_TAKEN_PER_STEP = 10
"""A model that is a tenth faster than the microscope works off a head start without a skip."""
_HEAD_START_BYTES = 1_000_000_000
_BYTES_PER_VOXEL = 4
"""Two channels of 16 bits."""
_MOST_AHEAD = 256


def head_start(spec: VolumeSpec) -> int:
    """Return how many volumes may wait for a model that warms up: 1 GB of them.

    Parameters
    ----------
    spec : VolumeSpec
        The volumes as they wait, after crop and binning.
    """
    n_voxels = spec.shape[0] * spec.shape[1] * spec.shape[2]
    return max(1, min(_MOST_AHEAD, _HEAD_START_BYTES // (_BYTES_PER_VOXEL * n_voxels)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A volume that waits to be labeled.

    Parameters
    ----------
    volume : Volume
        After preprocessing.
    gaps : tuple
        Timepoints without values right before it, ascending.
    queued_s : float
        `time.perf_counter` when it joined the queue, in s.
    read_s, preprocess_s : float
        Durations, in s; NaN where not known.
    seen_s : float
        `time.perf_counter` from which on it is counted how late the sample is: when the last
        slice had come, or in a replay, when it would have.
    """

    volume: Volume
    gaps: tuple[Gap, ...] = ()
    queued_s: float = 0.0
    read_s: float = 0.0
    preprocess_s: float = 0.0
    seen_s: float = 0.0


class VolumeQueue:
    """A bounded queue between one reader and one labeler.

    What is skipped stays in order: the gaps of a dropped volume, and the volume itself, become
    gaps of the volume after it.

    Parameters
    ----------
    capacity : int
        Volumes that may wait.
    policy : DropPolicy
        What happens when one more arrives.
    head_start : int
        Volumes that may wait before `open`, while the model warms up; nothing is skipped then,
        and what waited is worked off before the capacity holds again.
    """

    def __init__(self, capacity: int, policy: DropPolicy, head_start: int = 0) -> None:
        self._capacity = capacity
        self._limit = max(capacity, head_start)
        self._limit_at_opening = self._limit
        self._n_taken = 0
        self._is_open = head_start == 0
        self._policy = policy
        self._changed = threading.Condition()
        self._waiting: deque[Arrival] = deque()
        self._last_gaps: tuple[Gap, ...] = ()
        self._is_abandoned = False
        self._is_finished = False
        self._held_since_s: float | None = None
        self._stood_s = 0.0

    @classmethod
    def for_run(cls, run: RunSettings, spec: VolumeSpec, *, is_live: bool) -> "VolumeQueue":
        """Return the queue of a session, with a head start if the source is live."""
        n_ahead = head_start(spec) if is_live else 0
        return cls(run.queue_capacity, run.drop_policy, n_ahead)

    def __len__(self) -> int:
        return len(self._waiting)

    def open(self) -> None:
        """Say that the model is warm: from now on the policy holds."""
        with self._changed:
            if not self._is_open:
                self._is_open = True
                self._limit = self._limit_at_opening = self._capacity + len(self._waiting)
            self._changed.notify_all()

    def put(self, arrival: Arrival) -> None:
        """Add a volume; waits for room under `BLOCK`. After `abandon` it counts as skipped."""
        with self._changed:
            stood_before_s = self._stood_s
            if self._policy is DropPolicy.BLOCK or not self._is_open:
                self._changed.wait_for(self._has_room)
            arrival = _later(arrival, self._stood_s - stood_before_s)
            if self._is_abandoned:
                self._last_gaps += _as_gaps(arrival)
                return
            self._waiting.append(arrival)
            self._drop_down_to(self._limit)
            self._changed.notify_all()

    def take(self, most: int) -> list[Arrival]:
        """Return up to `most` waiting volumes, at least one; none when no more will come."""
        with self._changed:
            self._changed.wait_for(self._is_ready)
            if self._policy is DropPolicy.NEWEST and self._limit <= self._capacity:
                self._drop_down_to(1)
            n = min(most, len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(n)]
            self._shrink(n)
            self._changed.notify_all()
            return taken

    def hold(self) -> None:
        """Give nothing to whoever takes until `let_go`; volumes may still be put."""
        with self._changed:
            if self._held_since_s is None:
                self._held_since_s = time.perf_counter()

    def let_go(self) -> None:
        """Give again; the time of what waited stood still, so that it is not late by that."""
        with self._changed:
            if self._held_since_s is None:
                return
            since_s, self._held_since_s = self._held_since_s, None
            now_s = time.perf_counter()
            self._stood_s += now_s - since_s
            self._waiting = deque(
                _later(arrival, now_s - max(since_s, arrival.queued_s))
                for arrival in self._waiting
            )
            self._changed.notify_all()

    @property
    def is_abandoned(self) -> bool:
        """Whether what waits and comes is skipped."""
        return self._is_abandoned

    def is_idle(self) -> bool:
        """Whether nothing waits, while more may come."""
        with self._changed:
            return self._held_since_s is None and not self._is_ready()

    def finish(self, gaps: tuple[Gap, ...] = ()) -> None:
        """Say that no more volumes come; `gaps` are timepoints without values at the end."""
        with self._changed:
            self._last_gaps += gaps
            self._is_finished = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Skip what waits and whatever else comes; nobody waits for room anymore."""
        with self._changed:
            self._is_abandoned = True
            skipped = [gap for arrival in self._waiting for gap in _as_gaps(arrival)]
            self._waiting.clear()
            self._last_gaps = (*skipped, *self._last_gaps)
            self._changed.notify_all()

    def wait_for_last_gaps(self) -> tuple[Gap, ...]:
        """Wait until no more comes and return the timepoints without values at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_finished)
            return self._last_gaps

    def _has_room(self) -> bool:
        return len(self._waiting) < self._limit or (
            self._is_open and self._policy is not DropPolicy.BLOCK
        )

    def _is_ready(self) -> bool:
        is_free = self._held_since_s is None
        return self._is_abandoned or (is_free and (bool(self._waiting) or self._is_finished))

    def _shrink(self, n_taken: int) -> None:
        """Come back to the capacity once the head start is worked off, or bit by bit."""
        self._n_taken += n_taken
        if len(self._waiting) <= self._capacity // 2:
            self._limit = self._capacity
        left = self._limit_at_opening - self._n_taken // _TAKEN_PER_STEP
        self._limit = max(self._capacity, min(self._limit, left))

    def _drop_down_to(self, n_kept: int) -> None:
        while len(self._waiting) > n_kept:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        gaps = _as_gaps(self._waiting.popleft())
        following = self._waiting.popleft()
        self._waiting.appendleft(replace(following, gaps=gaps + following.gaps))


def _later(arrival: Arrival, by_s: float) -> Arrival:
    """Return a volume as if it had come later by a time in which the session stood still."""
    if by_s <= 0:
        return arrival
    return replace(arrival, queued_s=arrival.queued_s + by_s, seen_s=arrival.seen_s + by_s)


def _as_gaps(arrival: Arrival) -> tuple[Gap, ...]:
    return (*arrival.gaps, (arrival.volume.index, VolumeStatus.SKIPPED))
