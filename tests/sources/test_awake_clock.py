import pytest

from napari_acll.sources._awake_clock import AwakeClock


class Steady:
    now_s = 1000.0


def test_time_goes_on_while_it_is_looked_at():
    steady = Steady()
    clock = AwakeClock(lambda: steady.now_s)
    began_s = clock.now_s()
    for _ in range(100):
        steady.now_s += 3.0
        clock.now_s()
    assert clock.now_s() - began_s == pytest.approx(300.0)
    assert clock.slept_s == 0.0


def test_the_time_of_a_computer_that_slept_is_no_silence():
    steady = Steady()
    clock = AwakeClock(lambda: steady.now_s)
    began_s = clock.now_s()
    steady.now_s += 1.0
    clock.now_s()
    steady.now_s += 3600.0
    clock.now_s()
    steady.now_s += 1.0
    assert clock.now_s() - began_s == pytest.approx(2.0)
    assert clock.slept_s == pytest.approx(3600.0)
