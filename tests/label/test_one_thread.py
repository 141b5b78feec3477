"""How many threads torch has after a network ran on one."""

import threading
from collections.abc import Callable, Iterator

import pytest
import torch

from napari_acll.label import _one_thread
from napari_acll.label._one_thread import one_thread

N_THREADS = 3


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_one_thread, "_usual", _one_thread._Usual())
    before = torch.get_num_threads()
    torch.set_num_threads(N_THREADS)
    yield
    torch.set_num_threads(before)


def elsewhere(do: Callable[[], None]) -> int:
    """The number of threads that another thread has after it did something."""
    found: list[int] = []

    def run() -> None:
        do()
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def label() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1


def test_afterwards_there_are_as_many_as_before() -> None:
    label()
    assert torch.get_num_threads() == N_THREADS
    with pytest.raises(ValueError, match="odd"), one_thread():
        raise ValueError("odd")
    assert torch.get_num_threads() == N_THREADS


def test_a_thread_that_begins_meanwhile_has_as_many_as_others() -> None:
    with one_thread():
        assert elsewhere(label) == N_THREADS
    assert torch.get_num_threads() == N_THREADS


def test_a_thread_that_began_meanwhile_has_as_many_once_it_has_labeled_itself() -> None:
    began, go_on = threading.Event(), threading.Event()
    found: list[int] = []

    def run() -> None:
        found.append(torch.get_num_threads())
        began.set()
        go_on.wait(60)
        label()
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=run)
    with one_thread():
        thread.start()
        began.wait(60)
    go_on.set()
    thread.join()
    assert found[1] == N_THREADS
