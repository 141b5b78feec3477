"""Work that takes seconds: in a thread of its own, with a bar in napari's activity dock."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from napari.utils import cancelable_progress
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_acll.widgets._error_sentence import sentence_of_error
from napari_acll.widgets._when_destroyed import when_destroyed

_POLL_MS = 50
T = TypeVar("T")


class CanceledError(Exception):
    """Somebody does not want the work any more."""


class Steps:
    """How far work is, and whether it is still wanted; called by the work, from its thread."""

    def __init__(self) -> None:
        self.n_done, self.n_all = 0, 0
        self._canceled = threading.Event()

    @property
    def is_canceled(self) -> bool:
        """Whether the work is to end."""
        return self._canceled.is_set()

    def cancel(self) -> None:
        """Let the work end at its next step."""
        self._canceled.set()

    def __call__(self, n_done: int, n_all: int) -> None:
        """Take note of a step.

        Raises
        ------
        CanceledError
            If the work is not wanted any more.
        """
        self.n_done, self.n_all = n_done, n_all
        if self.is_canceled:
            raise CanceledError


Work = Callable[[Steps], T]


class _Job(Generic[T]):
    """One piece of work and its thread; knows no Qt."""

    def __init__(self, work: Work[T], name: str) -> None:
        self.steps = Steps()
        self.result: T | None = None
        self.error: Exception | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Return whether it has ended within so many seconds."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.result = self._work(self.steps)
        except Exception as error:  # noqa: BLE001  outer edge of the thread: told on the screen
            self.error = error


class _Bar:
    """The bar of one piece of work in the activity dock, and its button Cancel."""

    def __init__(self, description: str, steps: Steps) -> None:
        self._steps = steps
        self._bar: Any = cancelable_progress(total=0, desc=description, leave=False)

    def show(self) -> None:
        """Show how far the work is, and cancel it if somebody has pressed the button."""
        bar, steps = self._bar, self._steps
        if bar.is_canceled:
            steps.cancel()
        if steps.n_all and bar.total != steps.n_all:
            bar.total = steps.n_all
        if steps.n_done > bar.n:
            bar.update(steps.n_done - bar.n)

    def close(self) -> None:
        """Take it out of the activity dock."""
        self._bar.close()


class LongWork(QObject):
    """Does one piece of work at a time, and tells in the thread of the screen how it ended.

    It is canceled by the button in napari's activity dock, by `cancel`, and when its parent is
    destroyed. What is canceled ends at its next step and must leave nothing behind.

    Parameters
    ----------
    name : str
        Name of the thread.
    parent : QObject
        Owns it.

    Attributes
    ----------
    done : Signal(object)
        The result.
    failed : Signal(str)
        One sentence on why there is none.
    canceled : Signal()
        There is none because nobody wanted it any more.
    """

    done = Signal(object)
    failed = Signal(str)
    canceled = Signal()

    def __init__(self, name: str, parent: QObject) -> None:
        super().__init__(parent)
        self._name = name
        self._switch = _Switch()
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)
        when_destroyed(self, self._switch.turn_off)

    @property
    def is_busy(self) -> bool:
        """Whether something is being done."""
        return self._switch.job is not None

    def start(self, description: str, work: Work[Any]) -> None:
        """Do this, unless something is being done.

        Parameters
        ----------
        description : str
            What is said beside the bar.
        work : callable
            Gets the `Steps`, which it calls as it goes on.
        """
        if self.is_busy:
            return
        job: _Job[Any] = _Job(work, self._name)
        self._switch.job = job  # first: making the bar lets napari deal with events
        bar = _Bar(description, job.steps)
        if self._switch.job is not job:  # the owner went meanwhile
            bar.close()
            return
        self._switch.bar = bar
        self._timer.start()

    def cancel(self) -> None:
        """Let the work end at its next step; returns at once."""
        if self._switch.job is not None:
            self._switch.job.steps.cancel()

    def _poll(self) -> None:
        job, bar = self._switch.job, self._switch.bar
        if job is None or bar is None:
            return
        is_over = job.wait(0)  # asked first: what comes later belongs to the last round
        bar.show()
        if not is_over or self._switch.job is not job:  # the bar deals with events
            return
        self._timer.stop()
        self._switch.job = self._switch.bar = None
        bar.close()
        if job.error is None:
            self.done.emit(job.result)
        elif isinstance(job.error, CanceledError) or job.steps.is_canceled:
            self.canceled.emit()
        else:
            self.failed.emit(sentence_of_error(job.error))


class _Switch:
    """Cancels when the owner is destroyed; holds nothing of the owner, which is gone by then."""

    def __init__(self) -> None:
        self.job: _Job[Any] | None = None
        self.bar: _Bar | None = None

    def turn_off(self) -> None:
        """Cancel what is being done, if anything is."""
        job, bar = self.job, self.bar
        self.job = self.bar = None
        if job is not None:
            job.steps.cancel()
        if bar is not None:
            bar.close()


def wait_for(description: str, work: Work[T], *, name: str) -> T:
    """Do work in a thread and return its result; meanwhile napari is drawn, and can cancel it.

    For functions of which napari awaits the result.

    Parameters
    ----------
    description, work, name
        As for `LongWork`.

    Raises
    ------
    CanceledError
        If somebody has pressed Cancel.
    Exception
        What the work raised.
    """
    job: _Job[T] = _Job(work, name)
    bar = _Bar(description, job.steps)
    try:
        while not job.wait(_POLL_MS / 1000):
            bar.show()
            QApplication.processEvents()
    finally:
        job.steps.cancel()  # nobody waits any more, whatever ended the wait
        bar.close()
    if job.error is not None:
        raise job.error
    return job.result  # type: ignore[return-value]
