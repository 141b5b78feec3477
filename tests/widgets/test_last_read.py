import threading

import pytest

from napari_acll.widgets._last_read import LastRead


def test_each_thing_is_read_once_while_it_is_kept():
    read = []
    recent = LastRead(lambda number: read.append(number) or number * 10)
    assert [recent.get(number) for number in (1, 2, 1, 2)] == [10, 20, 10, 20]
    assert read == [1, 2]


def test_the_oldest_is_forgotten_first():
    recent = LastRead(lambda number: number)
    for number in range(5):
        recent.get(number)
    assert 0 not in recent
    assert all(number in recent for number in (1, 2, 3, 4))


def test_what_is_in_memory_is_given_while_another_thread_reads():
    is_reading, may_read = threading.Event(), threading.Event()

    def read(number):
        if number == 2:
            is_reading.set()
            may_read.wait(20)
        return number

    recent = LastRead(read)
    recent.get(1)
    thread = threading.Thread(target=recent.get, args=(2,))
    thread.start()
    assert is_reading.wait(20)
    assert recent.get(1) == 1  # would hang here
    assert recent.peek(2) is None
    may_read.set()
    thread.join(20)
    assert recent.peek(2) == 2


def test_what_could_not_be_read_is_tried_again():
    answers = [OSError("away"), "here"]

    def read(_number):
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    recent = LastRead(read)
    with pytest.raises(OSError, match="away"):
        recent.get(0)
    assert recent.get(0) == "here"
