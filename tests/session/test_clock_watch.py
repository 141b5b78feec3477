import pytest

from napari_acll.session._clock_watch import ClockWatch


class Clocks:
    wall_s = 1_000_000.0
    steady_s = 50.0

    def go_on(self, seconds, *, jump_s=0.0):
        self.steady_s += seconds
        self.wall_s += seconds + jump_s


def watch(clocks):
    return ClockWatch(lambda: clocks.wall_s, lambda: clocks.steady_s)


def test_clocks_that_go_together_are_not_worth_a_word():
    clocks = Clocks()
    clock = watch(clocks)
    for _ in range(100):
        clocks.go_on(30.0, jump_s=0.01)
        assert clock.look() is None


@pytest.mark.parametrize(
    ("jump_s", "words"), [(3600.0, "went forward by 3600.0 s"), (-3600.0, "set back by 3600.0 s")]
)
def test_a_clock_that_jumps_is_told_once(jump_s, words):
    clocks = Clocks()
    clock = watch(clocks)
    clocks.go_on(1.0, jump_s=jump_s)
    event = clock.look()
    assert event.kind == "clock"
    assert words in event.message
    assert event.details["jump_s"] == pytest.approx(jump_s)
    clocks.go_on(1.0)
    assert clock.look() is None


def test_a_computer_that_slept_is_told_where_the_steady_clock_slept_too():
    clocks = Clocks()
    clock = watch(clocks)
    clocks.go_on(0.6, jump_s=900.0)
    assert "or the computer slept" in clock.look().message
