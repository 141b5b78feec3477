"""Threads take short turns from the first session's beginning to the last one's end."""

import sys

import pytest

from napari_acll.widgets._short_turns import ShortTurns


@pytest.fixture(autouse=True)
def usual_s():
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    yield 0.004
    sys.setswitchinterval(before_s)


def test_turns_that_overlap_end_with_the_last(usual_s):
    first, second = ShortTurns(), ShortTurns()
    first.begin()
    first.begin()
    second.begin()
    assert sys.getswitchinterval() == pytest.approx(0.001, abs=2e-6)
    first.end()
    first.end()
    assert sys.getswitchinterval() == pytest.approx(0.001, abs=2e-6)
    second.end()
    assert sys.getswitchinterval() == pytest.approx(usual_s, abs=2e-6)


def test_turns_that_are_shorter_already_stay():
    sys.setswitchinterval(0.0002)
    turns = ShortTurns()
    turns.begin()
    assert sys.getswitchinterval() == pytest.approx(0.0002, abs=2e-6)
    turns.end()
    assert sys.getswitchinterval() == pytest.approx(0.0002, abs=2e-6)
