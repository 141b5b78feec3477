"""One session and the thread that builds it and waits for it; knows no Qt."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from napari_acll.core import (
    AcllError,
    AcllSettings,
    ChannelAlignment,
    ChannelDrift,
    Correction,
    Corrections,
    DeadlineReport,
    Mark,
    SessionCounters,
    SessionState,
    TraceStore,
    VolumeSource,
    VolumeSpec,
)
from napari_acll.quality import Forecast, TraceQuality
from napari_acll.session import (
    DiskUse,
    KeptModel,
    LookMeasures,
    LookMeter,
    build_session,
    disk_use,
    settings_to_look,
)

_LOG = logging.getLogger(__name__)
_CHECK_S = 0.1
_DISK_EVERY_S = 5.0
_ARMED, _READY = "armed", "Ready"
"""Kind and first word of the event that says that the model is warm before a recording begins."""
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
    def corrections(self) -> Corrections:
        """What a person corrected."""
        ...

    @property
    def quality(self) -> TraceQuality:
        """How far each trace can be trusted."""
        ...

    @property
    def forecast(self) -> Forecast | None:
        """What is expected of each neuron for the rest; None before it is known."""
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

    @property
    def drift(self) -> ChannelDrift | None:
        """How far the channels last lay from the applied alignment."""
        ...

    @property
    def deadlines(self) -> DeadlineReport:
        """How long the stages take."""
        ...

    @property
    def given_up(self) -> tuple[str, ...]:
        """What is not done because labeling fell behind."""
        ...

    def mark(self, name: str, value: float = ..., *, note: str = "", channel: str = "") -> None:
        """Note what the animal does or is shown now."""
        ...

    @property
    def is_paused(self) -> bool:
        """Whether it stands still because somebody wants it to."""
        ...

    def pause(self) -> None:
        """Stand still until `unpause`."""
        ...

    def unpause(self) -> None:
        """Go on."""
        ...

    def latest(self) -> Any:
        """Return the newest labeled volume, None before the first."""
        ...

    def correct(self, correction: Correction) -> None:
        """Correct names from the next volume on."""
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
        Session folder; None: nothing is saved, volumes are only looked at.
    tell : callable, optional
        Called with kind and message of what is worth telling before there is a session.
    opened : callable, optional
        Called with the source once it is open; closing it ends the wait for a live recording.
    """

    recording: str | VolumeSource
    settings: AcllSettings
    out: Path | None
    tell: Callable[[str, str], None] | None = None
    opened: Callable[[VolumeSource], None] | None = None

    @property
    def is_look(self) -> bool:
        """Whether volumes are labeled without being recorded."""
        return self.out is None


SessionBuilder: TypeAlias = Callable[[RunRequest], LiveSession]


class SessionMaker:
    """Makes sessions of requests; the model of the last one is kept for the next."""

    def __init__(self) -> None:
        self._models = KeptModel()

    def __call__(self, request: RunRequest) -> LiveSession:
        """Return the session of a request; slow where a model has to be loaded.

        Raises
        ------
        AcllError
            If recording, model, settings or session folder cannot be used.
        """
        settings = request.settings
        session: LiveSession = build_session(
            request.recording,
            settings=settings_to_look(settings) if request.is_look else settings,
            out=request.out,
            tell=request.tell or _tell_nobody,
            load_model=self._models.labeler,
            opened=request.opened,
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
        self.is_ready = False
        self.look: LookMeasures | None = None
        self.disk: DiskUse | None = None
        self._meter = LookMeter()
        self._next_disk_s = 0.0
        self._source: VolumeSource | None = None
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
    def is_live(self) -> bool:
        """Whether a recording is followed that may not have begun."""
        source = self._source
        return self.request.settings.source.live.is_live if source is None else source.is_live

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
        self._stop_waiting()

    def abandon(self) -> None:
        """Stop, and show nothing more: the dock or the whole viewer is being closed."""
        self.is_abandoned = True
        self.stop()

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
            if self.session is None and self.closing.is_set():
                return  # stopped while it was armed: that the source was closed is no news
            if not isinstance(error, AcllError):
                _LOG.exception("The session ended by an unexpected error")
            self.error = error
        finally:
            self._done.set()

    def _run_session(self) -> None:
        session = self._build(replace(self.request, tell=self._on_event, opened=self._on_opened))
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
            self._observe(session)
        session.join()

    def _observe(self, session: LiveSession) -> None:
        """Measure what takes too long for the thread of the screen."""
        if self.request.out is None:
            self.look = self._meter.look(session.latest())
            return
        now_s = time.monotonic()
        if now_s < self._next_disk_s:
            return
        self._next_disk_s = now_s + _DISK_EVERY_S
        with suppress(OSError):  # a share that is gone; the session itself tells of it
            counters = session.counters
            self.disk = disk_use(
                self.request.out,
                n_volumes=counters.n_traced + counters.n_backfilled,
                period_s=session.spec.period_s,
            )

    def _on_opened(self, source: VolumeSource) -> None:
        self._source = source
        if self.closing.is_set():
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        """End the wait for a live recording that has not begun."""
        source = self._source
        if self.session is None and source is not None and source.is_live:
            source.close()

    def _on_event(self, kind: str, message: str) -> None:
        self.is_ready = self.is_ready or (kind == _ARMED and message.startswith(_READY))
        self._events.append((kind, message))

    def _on_alignment(self, alignment: ChannelAlignment) -> None:
        self._alignment = alignment
