import pytest

from napari_acll.sources._awake_clock import AwakeClock


class Steady:
    now_s = 1000.0


def test_time_goes_on_while_it_is_looked_at():
    steady = Steady()
    told = []
    clock = AwakeClock(told.append, lambda: steady.now_s)
    began_s = clock.now_s()
    for _ in range(100):
        steady.now_s += 3.0
        clock.now_s()
    assert clock.now_s() - began_s == pytest.approx(300.0)
    assert told == []


def test_the_time_of_a_computer_that_slept_is_no_silence():
    steady = Steady()
    told = []
    clock = AwakeClock(told.append, lambda: steady.now_s)
    began_s = clock.now_s()
    steady.now_s += 1.0
    clock.now_s()
    steady.now_s += 3600.0
    clock.now_s()
    steady.now_s += 1.0
    assert clock.now_s() - began_s == pytest.approx(2.0)
    (sentence,) = told
    assert sentence.startswith("Nobody looked for new volumes for 3600 s")


def test_a_look_that_a_share_held_up_is_no_silence_and_not_worth_a_word():
    steady = Steady()
    told = []
    clock = AwakeClock(told.append, lambda: steady.now_s)
    began_s = clock.now_s()
    steady.now_s += 20.0
    assert clock.now_s() == began_s
    assert told == []
