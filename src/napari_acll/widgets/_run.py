"""One session and the thread that builds it and waits for it; knows no Qt."""

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from napari_acll.core import (
    AcllError,
    AcllSettings,
    ChannelAlignment,
    Labeler,
    LabelSettings,
    SessionError,
    SessionState,
    VolumeSource,
)
from napari_acll.session import (
    DiskUse,
    Handover,
    KeptModel,
    LentSource,
    LookMeasures,
    LookMeter,
    build_session,
    disk_use,
    settings_to_look,
)
from napari_acll.widgets._garbage import GarbagePause
from napari_acll.widgets._live_session import LiveSession
from napari_acll.widgets._short_turns import ShortTurns

_LOG = logging.getLogger(__name__)
_CHECK_S = 0.1
_DISK_EVERY_S = 5.0
_ARMED, _READY = "armed", "Ready"
"""Kind and first word of the event that says that the model is warm before a recording begins."""
_INBOX_CAPACITY = 1000


def _never() -> bool:
    """Return that nobody has canceled."""
    return False


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
    handover : Handover, optional
        Keeps a live recording open for the session that follows a look.
    goes_on : LentSource, optional
        The open recording of the look before, which is gone on with.
    is_canceled : callable
        Returns whether nobody wants the session any more, so that no folder need be made.
    """

    recording: str | VolumeSource
    settings: AcllSettings
    out: Path | None
    tell: Callable[[str, str], None] | None = None
    opened: Callable[[VolumeSource], None] | None = None
    handover: Handover | None = None
    goes_on: LentSource | None = None
    is_canceled: Callable[[], bool] = _never

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
        try:
            return self._made(request)
        except BaseException:
            if request.goes_on is not None:
                request.goes_on.close()
            raise

    def _made(self, request: RunRequest) -> LiveSession:
        settings = request.settings

        def load(label: LabelSettings) -> Labeler:
            labeler = self._models.labeler(label)
            if request.is_canceled():
                raise SessionError("The session was canceled while its model was loaded.")
            return labeler

        session: LiveSession = build_session(
            request.goes_on or request.recording,
            settings=settings_to_look(settings) if request.is_look else settings,
            out=request.out,
            tell=request.tell or _tell_nobody,
            load_model=load,
            opened=request.opened,
            lend=None if request.handover is None else request.handover.lend,
        )
        return session


def _handover_of(request: RunRequest) -> Handover | None:
    if not request.is_look or not isinstance(request.recording, str):
        return None
    return Handover(request.recording)


def _reads_the_same(look: RunRequest, recording: RunRequest) -> bool:
    return (
        look.recording == recording.recording and look.settings.source == recording.settings.source
    )


def _tell_nobody(kind: str, message: str) -> None:
    """Tell nobody."""


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
        self.is_discarded = False
        self.session: LiveSession | None = None
        self.error: Exception | None = None
        self.is_ready = False
        self.look: LookMeasures | None = None
        self.disk: DiskUse | None = None
        self._handover = _handover_of(request)
        self._handed_over: LentSource | None = None
        self._meter = LookMeter()
        self._next_disk_s = 0.0
        self._source: VolumeSource | None = None
        self._build = build
        self._pause = GarbagePause()
        self._turns = ShortTurns()
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
        self._take_back()

    def hand_over(self, request: RunRequest) -> RunRequest:
        """Ask the look to end, and return the request of the recording that follows it.

        It goes on with the open source where that is live, and opened and read as the look did;
        else it opens the recording itself.
        """
        goes_on = None
        if self._handover is not None and _reads_the_same(self.request, request):
            goes_on = self._handover.take()
        self._handed_over = goes_on
        self.closing.set()
        self._stop_waiting()
        return replace(request, goes_on=goes_on)

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

    def pause_garbage(self) -> None:
        """Leave what is loaded by now out of collections of garbage until the session ends."""
        self._pause.begin()
        if self.is_over:
            self._pause.end()

    def _work(self) -> None:
        try:
            self._turns.begin()
            self._run_session()
        except Exception as error:  # noqa: BLE001  outer edge of the thread: shown on screen
            if self.session is None and self.closing.is_set():
                return  # stopped while it was armed: that the source was closed is no news
            if not isinstance(error, AcllError):
                _LOG.exception("The session ended by an unexpected error")
            self.error = error
            self._take_back()  # nothing follows a look that failed
        finally:
            self._done.set()
            self._pause.end()
            self._turns.end()

    def _run_session(self) -> None:
        request = replace(
            self.request,
            tell=self._on_event,
            opened=self._on_opened,
            handover=self._handover,
            is_canceled=self.closing.is_set,
        )
        session = self._build(request)
        session.event.connect(self._on_event)
        session.alignment_ready.connect(self._on_alignment)
        self.session = session
        if self.closing.is_set():
            session.stop()  # never started: this closes the recording and the session folder
            self._discard(session)
            return
        session.start()
        while not session.state.is_over:
            if self.closing.wait(_CHECK_S):
                session.stop()
                break
            self._observe(session)
        session.join()
        if self.closing.is_set():
            self._discard(session)

    def _discard(self, session: LiveSession) -> None:
        """Remove the folder of a session that was canceled before anything came."""
        out = self.request.out
        if out is None or session.counters.n_read or session.marks or not out.is_dir():
            return
        self.is_discarded = True
        shutil.rmtree(out, ignore_errors=True)
        became = "could not be removed, delete it" if out.exists() else "was removed"
        self._events.append(("canceled", f"Nothing was recorded yet: {out.name} {became}."))

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

    def _take_back(self) -> None:
        """Close a recording that was to be gone on with, if nothing has gone on with it."""
        handed_over, self._handed_over = self._handed_over, None
        if handed_over is not None:
            handed_over.close()

    def _on_event(self, kind: str, message: str) -> None:
        self.is_ready = self.is_ready or (kind == _ARMED and message.startswith(_READY))
        self._events.append((kind, message))

    def _on_alignment(self, alignment: ChannelAlignment) -> None:
        self._alignment = alignment
