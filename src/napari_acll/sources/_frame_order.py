"""Which slice of which volume each frame of a growing recording is."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_acll.sources._nd2_tail import TailChunk

_N_LEARNED_VOLUMES = 5
_N_CONFIRMING = 10
_LATE_STEPS, _EARLY_STEPS = 0.5, -2.0
_LONG_STEPS = 1.2
_TOO_IRREGULAR_STEPS = 0.35
_REGULAR_SHARE = 0.75
_LATE_GAIN, _EARLY_GAIN = 0.1, 0.5  # stamps come late by chance, but never early
_LONGEST_GAP_VOLUMES = 10


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame, the time that stands in it, and which slice of the recording it is."""

    chunk: TailChunk
    number: int
    time_s: float
    slot: int = 0


class FrameNumbers:
    """Puts frames in the order of their numbers, and sees numbers that are damaged.

    A number that is not the next one is believed only once the frame after it agrees: it is the
    next one then, or at least a higher one, as where several frames were dropped.

    Attributes
    ----------
    n_duplicates : int
        Frames that came twice or late; they are left out.
    n_renumbered : int
        Frames whose damaged number was put right.
    n_foreign : int
        Frames that fit nowhere; they are left out.
    """

    def __init__(self) -> None:
        self._expected = 0
        self._held: TimedFrame | None = None
        self.n_duplicates = 0
        self.n_renumbered = 0
        self.n_foreign = 0

    def add(self, frame: TimedFrame) -> Iterator[TimedFrame]:
        """Yield the frames that are in place now that this one came."""
        held, self._held = self._held, None
        if held is not None and held.number > self._expected:
            if frame.number == held.number + 1:
                yield self._placed(held, held.number)
            elif frame.number == self._expected + 1:
                self.n_renumbered += 1
                yield self._placed(held, self._expected)
            elif frame.number == self._expected and held.number == frame.number + 1:
                yield self._placed(frame, frame.number)
                frame = held
            elif frame.number > held.number:
                yield self._placed(held, held.number)
            else:
                self.n_foreign += 1
        if frame.number == self._expected:
            yield self._placed(frame, frame.number)
        elif frame.number < self._expected:
            self.n_duplicates += 1
        else:
            self._held = frame

    def flush(self) -> Iterator[TimedFrame]:
        """Yield a frame that still waits for one after it, at the end of the recording."""
        if self._held is not None:
            held, self._held = self._held, None
            yield self._placed(held, held.number)

    def _placed(self, frame: TimedFrame, number: int) -> TimedFrame:
        self._expected = number + 1
        return replace(frame, number=number)


class NumberedSlots:
    """The slot of a frame is its number: the recording has a z loop of its own.

    Attributes
    ----------
    n_dropped : int
        Always 0.
    """

    n_dropped = 0

    def __init__(self, first: int) -> None:
        self._first = first

    def add(self, frame: TimedFrame) -> Iterator[TimedFrame]:
        """Yield the frame with its slot."""
        yield replace(frame, slot=frame.number - self._first)

    def flush(self) -> Iterator[TimedFrame]:
        """Yield nothing: no frame waits."""
        return iter(())


class ClockedSlots:
    """Slots of the frames of a recording without a z loop, by their times.

    Where the camera drops a frame the numbers go on without a gap, and every slice after it
    would sit one too low. The times tell: after the first volumes it is known how long each step
    takes, the flyback included, and a delay that lasts is a dropped frame. A delay that the next
    frames make up for is not.

    Parameters
    ----------
    first : int
        Number of the first frame of the first volume.
    n_z : int
        Frames per volume.

    Attributes
    ----------
    n_dropped : int
        Frames that the camera dropped.
    flyback_z : int or None
        Slice before which the longest pause lies, once it is known that there is one.
    is_irregular : bool
        Whether times vary too much to tell a dropped frame.
    """

    def __init__(self, first: int, n_z: int) -> None:
        self._first = first
        self._n_z = n_z
        self._learned: list[tuple[int, float]] = []
        self._steps_s: NDArray[np.float64] | None = None
        self._step_s = 0.0
        self._last_slot = 0
        self._last_number = 0
        self._clock_s = 0.0
        self._held: list[TimedFrame] = []
        self.n_dropped = 0
        self.flyback_z: int | None = None
        self.is_irregular = False

    def add(self, frame: TimedFrame) -> Iterator[TimedFrame]:
        """Yield the frames of which the slot is known now that this one came."""
        if self._steps_s is None:
            yield self._learn(frame)
            return
        if self._held or self._is_suspicious(frame):
            self._held.append(frame)
            if len(self._held) == _N_CONFIRMING:
                yield from self._release()
        else:
            yield self._placed(frame, 0)

    def flush(self) -> Iterator[TimedFrame]:
        """Yield the frames that still wait to be understood, at the end of the recording."""
        if self._held:
            yield from self._release()

    def _learn(self, frame: TimedFrame) -> TimedFrame:
        placed = replace(frame, slot=frame.number - self._first)
        self._last_slot, self._last_number = placed.slot, frame.number
        self._clock_s = frame.time_s
        if not self.is_irregular:
            self._learned.append((placed.slot, frame.time_s))
            if len(self._learned) > _N_LEARNED_VOLUMES * self._n_z:
                self._conclude()
        return placed

    def _conclude(self) -> None:
        slots = np.array([slot for slot, _ in self._learned])
        times_s = np.array([time_s for _, time_s in self._learned])
        self._learned.clear()
        counts, steps_s = np.diff(slots), np.diff(times_s)
        single = counts == 1
        is_sound = bool(np.isfinite(times_s).all() and (steps_s >= 0).all() and single.any())
        step_s = float(np.median(steps_s[single])) if is_sound else 0.0
        if step_s <= 0:
            self.is_irregular = True
            return
        per_phase = np.full(self._n_z, step_s)
        for phase in range(self._n_z):
            of_phase = steps_s[single & (slots[1:] % self._n_z == phase)]
            usual_s = float(np.median(of_phase)) if len(of_phase) > 2 else step_s
            if usual_s > _LONG_STEPS * step_s:
                per_phase[phase] = usual_s
        rest_s = np.abs(steps_s[single] - per_phase[slots[1:][single] % self._n_z])
        if np.quantile(rest_s, _REGULAR_SHARE) > _TOO_IRREGULAR_STEPS * step_s:
            self.is_irregular = True
            return
        if per_phase.max() > step_s:
            self.flyback_z = int(per_phase.argmax())
        self._steps_s, self._step_s = per_phase, step_s

    def _elapsed_s(self, slot: int) -> float:
        """Return how long it takes from the last slot to this one."""
        if self._steps_s is None or slot <= self._last_slot:
            return 0.0
        whole, rest = divmod(slot - self._last_slot, self._n_z)
        phases = (self._last_slot + 1 + np.arange(rest)) % self._n_z
        return float(whole * self._steps_s.sum() + self._steps_s[phases].sum())

    def _lag_s(self, frame: TimedFrame, n_lacking: int) -> float:
        slot = self._last_slot + frame.number - self._last_number + n_lacking
        return frame.time_s - self._clock_s - self._elapsed_s(slot)

    def _is_suspicious(self, frame: TimedFrame) -> bool:
        lag_s = self._lag_s(frame, 0)
        is_usual = _EARLY_STEPS * self._step_s < lag_s <= _LATE_STEPS * self._step_s
        return math.isfinite(lag_s) and not is_usual

    def _release(self) -> Iterator[TimedFrame]:
        n_lacking = self._n_lacking()
        self.n_dropped += n_lacking
        held, self._held = self._held, []
        for frame in held:
            yield self._placed(frame, n_lacking)
            n_lacking = 0

    def _n_lacking(self) -> int:
        """Return how many frames must be lacking before the held ones.

        Times can be stamped late, never early, so the least delay counts.
        """
        held = [frame for frame in self._held if math.isfinite(frame.time_s)]
        lags_s = [self._lag_s(frame, 0) for frame in held]
        least_s = min(lags_s)
        most = math.ceil(max(0.0, least_s) / self._step_s)
        is_pause = most > _LONGEST_GAP_VOLUMES * self._n_z
        if is_pause or max(lags_s) < _EARLY_STEPS * self._step_s:
            self._clock_s += least_s if is_pause else max(lags_s)
            return 0
        delays_s = [
            abs(min(self._lag_s(frame, n_lacking) for frame in held))
            for n_lacking in range(most + 1)
        ]
        return int(np.argmin(delays_s))

    def _placed(self, frame: TimedFrame, n_lacking: int) -> TimedFrame:
        lag_s = self._lag_s(frame, n_lacking)
        slot = self._last_slot + frame.number - self._last_number + n_lacking
        self._clock_s += self._elapsed_s(slot) + self._correction_s(lag_s)
        self._last_slot, self._last_number = slot, frame.number
        return replace(frame, slot=slot)

    def _correction_s(self, lag_s: float) -> float:
        """Return by how much the clock follows a frame, which may be stamped absurdly."""
        if not math.isfinite(lag_s):
            return 0.0
        most_s = _LATE_STEPS * self._step_s
        gain = _EARLY_GAIN if lag_s < 0 else _LATE_GAIN
        return gain * min(max(lag_s, -most_s), most_s)
