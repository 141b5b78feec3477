import threading

import pytest
from qtpy.QtCore import QObject

from napari_acll.core import RecordingError
from napari_acll.widgets._background import Background


@pytest.fixture
def background(qtbot):
    parent = QObject()
    made = Background("acll-test", parent)
    made.results, made.errors = [], []
    made.done.connect(made.results.append)
    made.failed.connect(made.errors.append)
    yield made
    qtbot.waitUntil(lambda: not made._timer.isActive(), timeout=5000)


def test_a_result_comes_from_another_thread(background, qtbot):
    background.start(lambda: threading.current_thread().name)
    qtbot.waitUntil(lambda: background.results == ["acll-test"], timeout=5000)


def test_an_error_of_ours_comes_as_its_sentence(background, qtbot):
    def fail():
        raise RecordingError("It is gone.")

    background.start(fail)
    qtbot.waitUntil(lambda: background.errors == ["It is gone."], timeout=5000)


def test_an_error_that_nobody_foresaw_is_told_and_ends_nothing(background, qtbot):
    background.start(lambda: 1 / 0)
    qtbot.waitUntil(lambda: len(background.errors) == 1, timeout=5000)
    assert "ZeroDivisionError" in background.errors[0]
    background.start(lambda: 7)
    qtbot.waitUntil(lambda: background.results == [7], timeout=5000)


def test_only_the_newest_of_those_that_wait_is_done(background, qtbot):
    go_on, done = threading.Event(), []

    def work(number):
        go_on.wait(10)
        done.append(number)
        return number

    for number in range(4):
        background.start(lambda number=number: work(number))
    go_on.set()
    qtbot.waitUntil(lambda: background.results == [3], timeout=5000)
    assert done == [0, 3]


def test_a_canceled_result_is_thrown_away(background, qtbot):
    go_on = threading.Event()
    background.start(lambda: go_on.wait(10))
    background.cancel()
    go_on.set()
    qtbot.waitUntil(lambda: not background._timer.isActive(), timeout=5000)
    assert background.results == []
