"""Which slice a frame is, where numbers are damaged or the camera drops frames."""

import numpy as np
import pytest

from napari_acll.sources._frame_order import ClockedSlots, FrameNumbers, TimedFrame
from napari_acll.sources._nd2_tail import TailChunk

N_Z, STEP_S = 10, 0.0075
CHUNK = TailChunk(b"ImageDataSeq|0!", 0, 4088, 100, 0, True)


def numbered(numbers):
    return [TimedFrame(CHUNK, number, 0.0) for number in numbers]


def order(numbers):
    """Return the numbers that come out, and what counted them."""
    counter = FrameNumbers()
    found = [frame.number for given in numbered(numbers) for frame in counter.add(given)]
    return found + [frame.number for frame in counter.flush()], counter


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 1, 4, 5], [0, 1, 4, 5]),  # frames are lost
        ([0, 2, 4, 6, 7], [0, 2, 4, 6, 7]),  # every other one is lost
        ([3, 4, 5], [3, 4, 5]),  # from the beginning
        ([0, 1, 9, 3, 4], [0, 1, 2, 3, 4]),  # a damaged number
        ([0, 1, 1, 2, 0, 3], [0, 1, 2, 3]),  # twice
        ([0, 2, 1, 3, 4], [0, 1, 2, 3, 4]),  # two that changed places
        ([0, 1, 7], [0, 1, 7]),  # the last one
        ([0, 500, 1, 2], [0, 1, 2]),  # a stray one
    ],
)
def test_frames_come_out_in_their_order(given, expected):
    assert order(given)[0] == expected


def test_what_is_left_out_or_put_right_is_counted():
    assert order([0, 1, 9, 3])[1].n_renumbered == 1
    assert order([0, 1, 1, 0])[1].n_duplicates == 2
    assert order([0, 500, 1, 2])[1].n_foreign == 1


def step_times_s(n_volumes, *, flyback_steps=1.0, flyback_z=0):
    """Return when each slot is taken; the step before one slice is longer."""
    steps = np.ones((n_volumes, N_Z))
    steps[:, flyback_z] = flyback_steps
    return STEP_S * np.cumsum(steps)


def slots_of(times_s, dropped=(), *, clock=None):
    """Return the slot given to each frame that was kept, and its true one."""
    clock = ClockedSlots(0, N_Z) if clock is None else clock
    kept = [slot for slot in range(len(times_s)) if slot not in dropped]
    frames = [TimedFrame(CHUNK, number, times_s[slot]) for number, slot in enumerate(kept)]
    found = [placed.slot for frame in frames for placed in clock.add(frame)]
    found += [placed.slot for placed in clock.flush()]
    return np.array(found), np.array(kept)


FLYBACKS = (1.0, 1.4, 2.0, 3.0, 7.5)


@pytest.mark.parametrize("flyback_steps", FLYBACKS)
@pytest.mark.parametrize("dropped", range(60, 71))
def test_a_dropped_frame_at_any_place_shifts_nothing(flyback_steps, dropped):
    times_s = step_times_s(11, flyback_steps=flyback_steps)
    found, true = slots_of(times_s, (dropped,))
    np.testing.assert_array_equal(found, true)


@pytest.mark.parametrize("seed", range(25))
def test_several_dropped_frames_with_unsteady_times_shift_nothing(seed):
    rng = np.random.default_rng(seed)
    times_s = step_times_s(60, flyback_steps=rng.choice(FLYBACKS))
    times_s = times_s * (1 + 1e-4) + rng.normal(0, 0.05 * STEP_S, len(times_s))
    first = int(rng.integers(60, 200))
    dropped = {first, first + 1, first + 2, int(rng.integers(300, 500))}
    clock = ClockedSlots(0, N_Z)
    found, true = slots_of(times_s, dropped, clock=clock)
    wrong = np.flatnonzero(found != true)
    assert not len(wrong), f"frames {wrong} of {len(true)}"
    assert clock.n_dropped == 4


@pytest.mark.parametrize("seed", range(25))
def test_time_stamps_that_come_late_drop_nothing(seed):
    rng = np.random.default_rng(seed)
    times_s = step_times_s(60, flyback_steps=2.0)
    late = np.where(rng.random(len(times_s)) < 0.05, rng.uniform(0, 3, len(times_s)), 0)
    times_s = np.maximum.accumulate(times_s + STEP_S * late)
    found, true = slots_of(times_s)
    np.testing.assert_array_equal(found, true)


def test_a_slow_clock_drops_nothing():
    times_s = step_times_s(800, flyback_steps=1.5)
    drifting = times_s + 0.02 * times_s**2 / times_s[-1]
    found, true = slots_of(drifting)
    np.testing.assert_array_equal(found, true)


def test_a_pause_of_the_microscope_drops_nothing():
    times_s = step_times_s(20, flyback_steps=2.0)
    times_s[100:] += 60.0
    found, true = slots_of(times_s)
    np.testing.assert_array_equal(found, true)


def test_a_flyback_elsewhere_is_told_and_does_not_count_as_dropped_frames():
    clock = ClockedSlots(0, N_Z)
    times_s = step_times_s(12, flyback_steps=4.0, flyback_z=3)
    found, true = slots_of(times_s, (75,), clock=clock)
    np.testing.assert_array_equal(found, true)
    assert clock.flyback_z == 3


@pytest.mark.parametrize(
    "times_s",
    [
        np.full(200, 3.0),
        np.full(200, np.nan),
        -np.arange(200.0),
        np.random.default_rng(0).exponential(STEP_S, 200).cumsum(),
        np.where(np.arange(200) % 7, np.arange(200) * STEP_S, 1e300),
    ],
    ids=["constant", "not a number", "back", "random", "absurd"],
)
def test_times_that_tell_nothing_shift_nothing(times_s):
    clock = ClockedSlots(0, N_Z)
    found, true = slots_of(times_s, clock=clock)
    np.testing.assert_array_equal(found, true)
    assert clock.is_irregular


def test_an_absurd_time_among_good_ones_shifts_nothing():
    times_s = step_times_s(20)
    for at, value in ((80, np.nan), (95, np.inf), (110, 1e300), (140, -1e300), (150, 0.0)):
        times_s[at] = value
    found, true = slots_of(times_s)
    np.testing.assert_array_equal(found, true)
