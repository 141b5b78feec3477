"""One session and the thread that builds it and waits for it; knows no Qt."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from napari_acll.core import (
    AcllError,
    AcllSettings,
    ChannelAlignment,
    Mark,
    SessionCounters,
    SessionState,
    TraceStore,
    VolumeSource,
    VolumeSpec,
)

_LOG = logging.getLogger(__name__)
_CHECK_S = 0.1
_INBOX_CAPACITY = 1000


class LiveSession(Protocol):
    """What the screen needs of a session."""

    # psygnal's descriptors; kept loose so that a test can stand in for a session
    event: Any
    alignment_ready: Any

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        ...

    @property
    def spec(self) -> VolumeSpec:
        """What its volumes share, after crop and binning."""
        ...

    @property
    def counters(self) -> SessionCounters:
        """What became of the volumes."""
        ...

    @property
    def store(self) -> TraceStore:
        """The traces so far."""
        ...

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks so far that stand for moments."""
        ...

    @property
    def calibrated_on(self) -> str:
        """On what the probabilities were calibrated."""
        ...

    @property
    def novelty(self) -> float:
        """How odd the last volumes look, 0 to 1."""
        ...

    def latest(self) -> Any:
        """Return the newest labeled volume, None before the first."""
        ...

    def start(self) -> None:
        """Start the threads."""
        ...

    def stop(self) -> None:
        """Ask the threads to end."""
        ...

    def join(self, timeout: float | None = None) -> Any:
        """Wait for the end, and raise what went wrong."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What the user asked for.

    Parameters
    ----------
    recording : str or VolumeSource
        What is replayed.
    settings : AcllSettings
        All settings.
    out : Path, optional
        Session folder; None: nothing is saved.
    tell : callable, optional
        Called with kind and message of what is worth telling before there is a session.
    """

    recording: str | VolumeSource
    settings: AcllSettings
    out: Path | None
    tell: Callable[[str, str], None] | None = None


SessionBuilder: TypeAlias = Callable[[RunRequest], LiveSession]


def build_live_session(request: RunRequest) -> LiveSession:
    """Return the session of a request; slow, because it loads the model.

    Raises
    ------
    AcllError
        If recording, model, settings or session folder cannot be used.
    """
    from napari_acll.session import build_session

    session: LiveSession = build_session(
        request.recording,
        settings=request.settings,
        out=request.out,
        tell=request.tell or _tell_nobody,
    )
    return session


def _tell_nobody(kind: str, message: str) -> None:
    """Tell nobody."""


def sentence_for(error: BaseException) -> str:
    """Return what an error tells the user: our own say it themselves."""
    if isinstance(error, AcllError):
        return str(error)
    return (
        f"The session ended by an unexpected error ({type(error).__name__}: {error}); what was"
        " traced before is saved. Please report it."
    )


class Run:
    """Builds a session in a thread of its own, starts it and waits for its end.

    Everything it learns is left for the GUI thread to fetch: no Qt object is touched from
    another thread, so a viewer that closes mid-run cannot make the session fail.

    Parameters
    ----------
    request : RunRequest
        What to run.
    build : callable
        Makes the session from the request.
    """

    def __init__(self, request: RunRequest, build: SessionBuilder) -> None:
        self.request = request
        self.closing = threading.Event()
        self.is_abandoned = False
        self.session: LiveSession | None = None
        self.error: Exception | None = None
        self._build = build
        self._events: deque[tuple[str, str]] = deque(maxlen=_INBOX_CAPACITY)
        self._alignment: ChannelAlignment | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="acll-session-watch")

    @property
    def is_over(self) -> bool:
        """Whether the session has ended, or could not be built."""
        return self._done.is_set()

    @property
    def state(self) -> SessionState:
        """Where the session stands; loading the model is part of warming up."""
        if self.error is not None:
            return SessionState.FAILED
        if self.session is None:
            return SessionState.FINISHED if self.is_over else SessionState.WARMING_UP
        return self.session.state

    @property
    def alignment(self) -> ChannelAlignment | None:
        """The alignment of the channels, None while it is not known."""
        return self._alignment

    def start(self) -> None:
        """Start; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the session to end; returns at once, and may be called twice."""
        self.closing.set()

    def abandon(self) -> None:
        """Stop, and show nothing more: the dock or the whole viewer is being closed."""
        self.is_abandoned = True
        self.closing.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; return whether it came within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def take_events(self) -> list[tuple[str, str]]:
        """Return and forget the `(kind, message)` events since the last call, oldest first."""
        return [self._events.popleft() for _ in range(len(self._events))]

    def _work(self) -> None:
        try:
            self._run_session()
        except Exception as error:  # noqa: BLE001  outer edge of the thread: shown on screen
            if not isinstance(error, AcllError):
                _LOG.exception("The session ended by an unexpected error")
            self.error = error
        finally:
            self._done.set()

    def _run_session(self) -> None:
        session = self._build(replace(self.request, tell=self._on_event))
        session.event.connect(self._on_event)
        session.alignment_ready.connect(self._on_alignment)
        self.session = session
        if self.closing.is_set():
            session.stop()  # never started: this closes the recording and the session folder
            return
        session.start()
        while not session.state.is_over:
            if self.closing.wait(_CHECK_S):
                session.stop()
                break
        session.join()

    def _on_event(self, kind: str, message: str) -> None:
        self._events.append((kind, message))

    def _on_alignment(self, alignment: ChannelAlignment) -> None:
        self._alignment = alignment
