"""Where volumes wait for labeling: the only place at which one can be skipped."""

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TypeAlias

from napari_acll.core import DropPolicy, Volume, VolumeStatus

Gap: TypeAlias = tuple[int, VolumeStatus]
"""Index of a timepoint without values, and why it has none."""


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
        Durations, in s.
    """

    volume: Volume
    gaps: tuple[Gap, ...] = ()
    queued_s: float = 0.0
    read_s: float = 0.0
    preprocess_s: float = 0.0


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
    """

    def __init__(self, capacity: int, policy: DropPolicy) -> None:
        self._capacity = capacity
        self._policy = policy
        self._changed = threading.Condition()
        self._waiting: deque[Arrival] = deque()
        self._last_gaps: tuple[Gap, ...] = ()
        self._is_abandoned = False
        self._is_finished = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, arrival: Arrival) -> None:
        """Add a volume; waits for room under `BLOCK`. After `abandon` it counts as skipped."""
        with self._changed:
            if self._policy is DropPolicy.BLOCK:
                self._changed.wait_for(self._has_room)
            if self._is_abandoned:
                self._last_gaps += _as_gaps(arrival)
                return
            self._waiting.append(arrival)
            if len(self._waiting) > self._capacity:
                self._drop_oldest()
            self._changed.notify_all()

    def take(self, most: int) -> list[Arrival]:
        """Return up to `most` waiting volumes, at least one; none when no more will come."""
        with self._changed:
            self._changed.wait_for(self._is_ready)
            n = min(most, len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(n)]
            self._changed.notify_all()
            return taken

    @property
    def is_abandoned(self) -> bool:
        """Whether what waits and comes is skipped."""
        return self._is_abandoned

    def is_idle(self) -> bool:
        """Whether nothing waits, while more may come."""
        with self._changed:
            return not self._is_ready()

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
        return len(self._waiting) < self._capacity

    def _is_ready(self) -> bool:
        return bool(self._waiting) or self._is_finished or self._is_abandoned

    def _drop_oldest(self) -> None:
        gaps = _as_gaps(self._waiting.popleft())
        following = self._waiting.popleft()
        self._waiting.appendleft(replace(following, gaps=gaps + following.gaps))


def _as_gaps(arrival: Arrival) -> tuple[Gap, ...]:
    return (*arrival.gaps, (arrival.volume.index, VolumeStatus.SKIPPED))
