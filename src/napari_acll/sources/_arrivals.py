"""Volumes on their way into a folder, and which one comes next."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from napari_acll.core import LiveSettings
from napari_acll.sources._folder_listing import NamedFile
from napari_acll.sources._volume_arrival import VolumeArrival

_DIGITS = re.compile(r"\d+")
_N_EXAMINED = 8
_EXAMINE_ALL_EVERY_S = 0.25
_MS_PER_S = 1000.0

LARGEST_JUMP = 10_000
"""A larger jump of the number is a file of something else, not a loss."""

Pattern: TypeAlias = tuple[str, bool, str]
"""Kind, whether the number stands after `_t`, and the name without its digits."""


class Arrivals:
    """Puts volumes in order and decides which are late or lost.

    Times are seconds of a clock that stands while the folder cannot be reached, so nothing is
    given up because of an outage. The first volume decides how the others are named.

    Parameters
    ----------
    settings : LiveSettings
        How long is waited for what.
    n_channels : int
        Files of one volume, where each channel has its own.
    tell : callable
        Gets a sentence about each file that is left out or given up.
    leave_out : callable
        Gets the files that need not be looked at again.
    """

    def __init__(
        self,
        settings: LiveSettings,
        *,
        n_channels: int,
        tell: Callable[[str], None],
        leave_out: Callable[[Iterable[Path]], None],
    ) -> None:
        self._settle_s = settings.settle_ms / _MS_PER_S
        self._reorder_s = settings.reorder_ms / _MS_PER_S
        self._retry_s = settings.retry_timeout_s
        self._n_channels = n_channels
        self._tell = tell
        self._leave_out = leave_out
        self._pending: dict[tuple[Pattern, int], VolumeArrival] = {}
        self._pattern: Pattern | None = None
        self._first: int | None = None
        self._next: int | None = None
        self._taken_before = 0
        self._lost: set[int] = set()
        self._examine_all_at_s = 0.0

    @property
    def pattern(self) -> Pattern | None:
        """How the volumes are named; None before the first one."""
        return self._pattern

    def go_on(self, pattern: Pattern, *, first: int, following: int) -> None:
        """Go on with a recording of which the volumes before a number were taken before.

        Parameters
        ----------
        pattern : tuple
            How the volumes are named.
        first, following : int
            Number of the first one of all, and of the one to come.
        """
        self._pattern, self._first, self._next = pattern, first, following
        self._taken_before = following

    def update(self, found: Sequence[NamedFile], now_s: float) -> bool:
        """Take note of what is in the folder; return whether anything is new or has changed."""
        self._forget_missing({named.path for named in found})
        is_new = [self._add(named, now_s) for named in found]
        has_changed = [
            arrival.examine(now_s, settle_s=self._settle_s) for arrival in self._to_examine(now_s)
        ]
        return any(is_new) or any(has_changed)

    def ready(self, now_s: float, *, is_over: bool) -> VolumeArrival | None:
        """Return the volume to read now; None if there is none, or an earlier one may come.

        Parameters
        ----------
        now_s : float
            Time, in s.
        is_over : bool
            Whether the recording has ended; then nothing is waited for.
        """
        self._pattern = self._pattern or self._pattern_of_first()
        waiting = self._in_order()
        complete = [arrival for arrival in waiting if arrival.complete_s is not None]
        if not complete:
            return None
        since_s = min(arrival.complete_s or 0.0 for arrival in complete)
        before = [arrival for arrival in waiting if arrival.number < complete[0].number]
        if is_over or self._is_next(complete[0].number, before, now_s, since_s):
            return complete[0]
        return None

    def take(self, arrival: VolumeArrival) -> int:
        """Take note that a volume was read; return its index, counted from the first one."""
        if self._first is None:
            self._first = arrival.number
        self._advance_over(arrival)
        return arrival.number - self._first

    def fail(self, arrival: VolumeArrival, why: Exception, now_s: float, *, is_over: bool) -> bool:
        """Take note that a volume could not be read; return whether it is given up."""
        if arrival.fail(why, now_s) < self._retry_s and not is_over:
            return False
        if self._first is not None:
            self._give_up(arrival)
            self._advance_over(arrival)
            self._lost.add(arrival.number)
        return True

    def give_up_rest(self) -> None:
        """Tell what never became complete."""
        for arrival in self._in_order():
            self._give_up(arrival)

    def _add(self, named: NamedFile, now_s: float) -> bool:
        """Take note of a file; return whether it is new."""
        number, pattern = int(named.number or 0), pattern_of(named)
        problem = self._misfit(number, pattern)
        if problem:
            self._pending.pop((pattern, number), None)
            if pattern == self._pattern and number < self._taken_before:
                self._leave_out([named.path])
            else:
                self._drop(named, problem)
            return True
        if (pattern, number) not in self._pending:
            n_files = self._n_channels if named.kind == "nrrd" else 1
            arrival = VolumeArrival(number, named.kind, n_files=n_files, now_s=now_s)
            self._pending[pattern, number] = arrival
        paths = self._pending[pattern, number].paths
        if named.channel not in paths:
            paths[named.channel] = named.path
            return True
        if paths[named.channel] != named.path:
            self._drop(named, f"has the number of {paths[named.channel].name}")
            return True
        return False

    def _to_examine(self, now_s: float) -> list[VolumeArrival]:
        """Return the volumes whose turn it is; all of them now and then, else the first few."""
        in_order = sorted(self._pending.values(), key=_number)
        if now_s < self._examine_all_at_s:
            return in_order[:_N_EXAMINED]
        self._examine_all_at_s = now_s + _EXAMINE_ALL_EVERY_S
        return in_order

    def _misfit(self, number: int, pattern: Pattern) -> str:
        """Return why a file cannot be a volume that is still to come; empty if it can."""
        if self._pattern is not None and pattern != self._pattern:
            return "is not named like the volumes"
        if self._next is None or self._first is None:
            return ""
        if number - self._next > LARGEST_JUMP:
            return f"has a number far from that of the volume to come, {self._next}"
        if number >= self._next:
            return ""
        if number in self._lost:
            return "came too late and counts as lost"
        if number < self._first:
            return f"came after number {self._first} had begun the recording"
        return "has the number of a volume that was read before"

    def _drop(self, named: NamedFile, why: str) -> None:
        self._tell(f"{named.path.name} {why}; it is left out.")
        self._leave_out([named.path])

    def _give_up(self, arrival: VolumeArrival) -> None:
        self._tell(f"{arrival.name} {arrival.fate}")

    def _forget_missing(self, there: set[Path]) -> None:
        for key, arrival in list(self._pending.items()):
            if not there.issuperset(arrival.paths.values()):
                self._tell(f"{arrival.name} disappeared before it was read.")
                del self._pending[key]

    def _pattern_of_first(self) -> Pattern | None:
        """Return how the complete volume of the lowest number is named."""
        has_time_numbers = any(is_time for (_, is_time, _), _ in self._pending)
        complete = [
            (number, pattern)
            for (pattern, number), arrival in self._pending.items()
            if arrival.complete_s is not None and pattern[1] == has_time_numbers
        ]
        return min(complete)[1] if complete else None

    def _in_order(self) -> list[VolumeArrival]:
        fitting = [
            arrival for (pattern, _), arrival in self._pending.items() if pattern == self._pattern
        ]
        return sorted(fitting, key=_number)

    def _is_next(
        self, number: int, before: Sequence[VolumeArrival], now_s: float, since_s: float
    ) -> bool:
        """Return whether nothing before a complete volume is worth waiting for any more."""
        if number == (0 if self._next is None else self._next):
            return True
        if any(now_s - max(since_s, arrival.changed_s) < self._retry_s for arrival in before):
            return False
        expected = number if self._next is None else number - self._next
        return len(before) == expected or now_s - since_s >= self._reorder_s

    def _advance_over(self, arrival: VolumeArrival) -> None:
        """Go on to the volume after this one; those before it that never came are lost."""
        if self._next is not None:
            self._lost.update(range(self._next, arrival.number))
        for key, other in list(self._pending.items()):
            if key[0] == self._pattern and other.number <= arrival.number:
                if other is not arrival:
                    self._give_up(other)
                self._leave_out(other.paths.values())
                del self._pending[key]
        self._next = arrival.number + 1


def _number(arrival: VolumeArrival) -> int:
    return arrival.number


def pattern_of(named: NamedFile) -> Pattern:
    return named.kind, named.is_time_number, _DIGITS.sub("#", named.path.stem)
