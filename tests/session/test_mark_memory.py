from napari_acll.core import Mark
from napari_acll.session._mark_memory import MOST_OF_A_NAME, MarkMemory


def _mark(name, value=1.0):
    return Mark(channel="test", name=name, value=value)


def test_a_stimulus_is_remembered():
    memory = MarkMemory()
    memory.add(_mark("light"))
    memory.add(_mark("touch"))
    assert [mark.name for mark in memory.moments()] == ["light", "touch"]


def test_a_name_that_comes_all_the_time_is_no_moment():
    memory = MarkMemory()
    memory.add(_mark("light"))
    for value in range(MOST_OF_A_NAME):
        memory.add(_mark("speed", value))
    assert len(memory.moments()) == MOST_OF_A_NAME + 1
    for value in range(3):
        memory.add(_mark("speed", value))
    assert [mark.name for mark in memory.moments()] == ["light"]


def test_memory_stays_bounded_whatever_names_come():
    memory = MarkMemory()
    for number in range(5000):
        memory.add(_mark(f"name {number}"))
    assert len(memory.moments()) == 100
