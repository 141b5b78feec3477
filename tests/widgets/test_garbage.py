"""What is alive when a session begins to run is left out of collections until it ends."""

import gc

import pytest

from napari_acll.widgets._garbage import GarbagePause


class Cycle:
    def __init__(self, died) -> None:
        self._me, self._died = self, died

    def __del__(self) -> None:
        self._died.append(True)


@pytest.fixture
def pause():
    pause = GarbagePause()
    yield pause
    pause.end()


def test_old_garbage_is_collected_after_the_pause_and_new_garbage_during_it(pause):
    old_died, new_died = [], []
    old = Cycle(old_died)
    pause.begin()
    new = Cycle(new_died)
    del old, new
    gc.collect()
    assert (len(old_died), len(new_died)) == (0, 1)
    pause.end()
    gc.collect()
    assert len(old_died) == 1


def test_pauses_that_overlap_end_with_the_last(pause):
    other = GarbagePause()
    pause.begin()
    other.begin()
    pause.end()
    assert gc.get_freeze_count() > 0
    other.end()
    other.end()
    assert gc.get_freeze_count() == 0
