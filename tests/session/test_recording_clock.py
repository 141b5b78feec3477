import math

import numpy as np
import pytest

from napari_acll.session._recording_clock import RecordingClock


def test_the_time_of_the_recording_is_that_of_the_volume_that_came_soonest():
    delays_s = np.random.default_rng(2).exponential(0.05, 300) + 0.004
    clock = RecordingClock(is_running=True)
    for index, delay_s in enumerate(delays_s):
        clock.saw(index, 0.6 * index, 5000.0 + 0.6 * index + delay_s)
    soonest_s = delays_s[-100:].min()
    assert clock.time_s(5180.0) == pytest.approx(180.0 - soonest_s, abs=1e-9)
    assert clock.newest == 299


def test_a_clock_that_drifts_is_followed():
    clock = RecordingClock(is_running=True)
    drift = 1 + 50e-6
    for index in range(3000):
        clock.saw(index, 0.6 * index * drift, 0.6 * index)
    assert clock.time_s(1800.0) == pytest.approx(1800.0 * drift, abs=0.6 * 100 * 50e-6 + 1e-6)


def test_before_the_first_volume_no_time_is_known():
    clock = RecordingClock(is_running=True)
    assert math.isnan(clock.time_s(1.0))
    assert clock.newest == -1


def test_a_replay_at_full_speed_has_volumes_but_no_time():
    clock = RecordingClock(is_running=False)
    clock.saw(7, 4.2, 1.0)
    assert math.isnan(clock.time_s(1.0))
    assert clock.newest == 7
