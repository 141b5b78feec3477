"""Waiting for a session and saying how it goes: a bar on a terminal, lines anywhere else."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from napari_acll.core import SessionCounters

if TYPE_CHECKING:
    from napari_acll.session import Session

LOOK_EVERY_S = 0.2
SAY_EVERY_S = 10.0
"""Time between two lines where there is no bar."""

TOLD_ELSEWHERE = ("armed", "finished", "failed", "deadlines")
"""Events that were told before, or that the summary or the error says again."""


class Display(Protocol):
    """Where progress is shown."""

    def note(self, message: str) -> None:
        """Say something that stays."""
        ...

    def show(self, counters: SessionCounters, state: str) -> None:
        """Say how far it is."""
        ...


class LineDisplay:
    """Plain lines on the error stream, for logs and scripts."""

    def __init__(self, n_volumes: int | None) -> None:
        self._n_volumes = n_volumes
        self._said_at = time.monotonic()

    def note(self, message: str) -> None:
        """Write a line."""
        sys.stderr.write(f"acll: {message}\n")
        sys.stderr.flush()

    def show(self, counters: SessionCounters, state: str) -> None:
        """Write a line, if the last one is old enough."""
        now = time.monotonic()
        if now - self._said_at >= SAY_EVERY_S:
            self._said_at = now
            total = "" if self._n_volumes is None else f" of {self._n_volumes}"
            done = f"{counters.n_traced}{total} volumes traced"
            self.note(f"{state}: {done}{losses(counters)}{backlog(counters)}")


class BarDisplay:
    """A bar with counters on the error stream."""

    def __init__(self, progress: Progress, n_volumes: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=n_volumes, losses="")

    def note(self, message: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(message, markup=False, highlight=False)

    def show(self, counters: SessionCounters, state: str) -> None:
        """Move the bar."""
        done = counters.n_traced + counters.n_unlabelable + counters.n_skipped + counters.n_lost
        self._progress.update(
            self._task,
            completed=done,
            description=state,
            losses=losses(counters) + backlog(counters),
        )


def losses(counters: SessionCounters) -> str:
    """Return how many volumes have no traces and why, empty if all have some."""
    counts = {
        "skipped": counters.n_skipped,
        "of those labeled later": counters.n_backfilled,
        "lost": counters.n_lost,
        "unlabelable": counters.n_unlabelable,
    }
    return "".join(f", {n} {what}" for what, n in counts.items() if n)


def backlog(counters: SessionCounters) -> str:
    """Return how many volumes wait; empty for one or none, which is being on time."""
    return f", {counters.n_waiting} waiting" if counters.n_waiting > 1 else ""


@contextmanager
def display(n_volumes: int | None) -> Iterator[Display]:
    """Give the display that fits the error stream."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineDisplay(n_volumes)
        return
    columns = (
        TextColumn("{task.description:12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield BarDisplay(progress, n_volumes)


@contextmanager
def volume_bar(n_volumes: int) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many volumes are done; it draws a bar on a terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=n_volumes)

        def advance(n_done: int) -> None:
            progress.update(task, completed=n_done)

        yield advance


@contextmanager
def steps_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that is told what is done, and how much of how much.

    It draws a bar for each such thing on a terminal, and writes a line for it anywhere else.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _say_steps()
        return
    columns = (
        TextColumn("{task.description:22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def advance(doing: str, n_done: int, n_all: int) -> None:
            if doing not in tasks:
                tasks[doing] = progress.add_task(doing, total=n_all)
            progress.update(tasks[doing], completed=n_done)

        yield advance


def _say_steps() -> Callable[[str, int, int], None]:
    """Return a function that writes a line when something begins, and every ten seconds."""
    doing_now, said_at = "", time.monotonic()

    def say(doing: str, n_done: int, n_all: int) -> None:
        nonlocal doing_now, said_at
        now = time.monotonic()
        if doing != doing_now or now - said_at >= SAY_EVERY_S:
            doing_now, said_at = doing, now
            sys.stderr.write(f"acll: {doing}: {n_done} of {n_all}\n")
            sys.stderr.flush()

    return say


def watch(session: "Session", *, n_volumes: int | None) -> bool:
    """Run a session to its end, showing how it goes.

    Parameters
    ----------
    session : Session
        A session that was not started yet.
    n_volumes : int, optional
        Volumes that are expected.

    Returns
    -------
    bool
        False if the user interrupted it; what was traced is saved then, too.

    Raises
    ------
    AcllError
        Whatever ended the session.
    """
    with display(n_volumes) as shown:

        def tell(kind: str, message: str) -> None:
            if kind not in TOLD_ELSEWHERE:
                shown.note(message)

        session.event.connect(tell)
        try:
            session.start()
            while not session.state.is_over:
                shown.show(session.counters, str(session.state))
                session.join(timeout=LOOK_EVERY_S)
            session.join()
        except KeyboardInterrupt:
            shown.note("stopping; press Ctrl+C again to give up waiting")
            session.stop()
            session.join()
            return False
        shown.show(session.counters, str(session.state))
    return True
