"""The session of one viewer, shared by all docks of that viewer."""

import math
import weakref
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

from qtpy.QtCore import QTimer, Signal

from napari_acll.core import AcllSettings, SessionError, SessionState, TraceStore
from napari_acll.marks import mark_of_line
from napari_acll.widgets._error_sentence import sentence_of_error
from napari_acll.widgets._neuron_choice import NeuronChoice
from napari_acll.widgets._run import (
    Run,
    RunRequest,
    SessionBuilder,
    SessionMaker,
)
from napari_acll.widgets._screen_meter import ScreenMeter

if TYPE_CHECKING:
    import napari.viewer

    from napari_acll.widgets._saved_run import SavedRun
    from napari_acll.widgets._saved_view import SavedView

_POLL_MS = 100
_KEPT = "what was traced before is saved"
_MAX_SHARE = 0.4
"""Largest part of the GUI thread's time that drawing may take."""
_LONGEST_PAUSE_S = 1.0

RecordingForm: TypeAlias = Callable[[], tuple[str, AcllSettings]]
"""Returns the recording, empty if none is chosen, and the settings that a form shows."""


class LiveEngine(NeuronChoice):
    """Starts and stops sessions, fetches what they produced, and shows it as layers.

    Everything happens in the GUI thread: a timer asks at most ten times a second what is new,
    less often on a machine that draws slowly. A frozen viewer thus slows no session, and a
    session emits nothing into a viewer that is being closed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Held weakly; may be the proxy that plugins get.
    build : callable, optional
        Makes the session from a `RunRequest`; None: as the command line does, but with the model
        of the last session where the same is asked for.
    """

    started = Signal()
    updated = Signal()
    state_changed = Signal(object)
    alignment_changed = Signal(object)
    alignment_file_chosen = Signal(str)
    event_happened = Signal(str, str)
    failed = Signal(str)
    volume_shown = Signal(int)
    """Index of the volume of a saved session that the viewer shows."""
    paused_changed = Signal(bool)

    def __init__(
        self, viewer: "napari.viewer.Viewer", *, build: SessionBuilder | None = None
    ) -> None:
        super().__init__(viewer)
        self.build = build or SessionMaker()
        self.run: Run | None = None
        self.alignment_file = ""
        self._form: weakref.WeakMethod[RecordingForm] | None = None
        self.screen = ScreenMeter()
        self._viewer = weakref.ref(viewer)
        self._saved_view: SavedView | None = None
        self._is_paused = False
        self._state = SessionState.IDLE
        self._shown: object = None
        self._next_draw_s = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self.poll)

    @property
    def is_running(self) -> bool:
        """Whether a session is being built or runs."""
        return self.run is not None and not self.run.is_over

    @property
    def is_looking(self) -> bool:
        """Whether volumes are labeled without being recorded."""
        return self.is_running and self.run is not None and self.run.request.is_look

    @property
    def state(self) -> SessionState:
        """Where the present or last session stands."""
        return self._state

    @property
    def store(self) -> TraceStore | None:
        """The traces of the present or last session; None before it has any."""
        run = self.run
        return None if run is None or run.session is None else run.session.store

    @property
    def form(self) -> RecordingForm | None:
        """What says which recording is chosen for the next session; None without such a dock."""
        return None if self._form is None else self._form()

    def offer_form(self, form: RecordingForm) -> None:
        """Let other docks know which recording is chosen; a bound method, held weakly."""
        self._form = weakref.WeakMethod(form)

    def apply_alignment(self, path: str) -> None:
        """Let the next sessions apply this alignment file; empty: let them calibrate."""
        self.alignment_file = path
        self.alignment_file_chosen.emit(path)

    def start(self, request: RunRequest) -> None:
        """Build and start a session; returns at once, errors come by `failed`."""
        if self.is_running:
            return
        self._leave_saved()
        self.layers.begin()
        self.screen = ScreenMeter()
        self._shown = None
        self._next_draw_s = 0.0
        self.run = Run(request, self.build)
        self.run.start()
        self._timer.start()
        self.started.emit()
        self._set_state(SessionState.WARMING_UP)

    def stop(self) -> None:
        """Ask the session to end; returns at once."""
        if self.run is not None:
            self.run.stop()

    def hand_over(self, request: RunRequest) -> RunRequest:
        """Ask the look to end; return what to start once it has, as `Run.hand_over`."""
        return request if self.run is None else self.run.hand_over(request)

    def mark(self, line: str) -> str:
        """Note what the animal does or is shown now, and return the note as it is listed.

        Parameters
        ----------
        line : str
            `NAME`, `NAME,VALUE` or `NAME,VALUE,NOTE`, as on a channel of marks.

        Raises
        ------
        SessionError
            If nothing is recorded now, or the session cannot keep it.
        """
        session = self.run.session if self.run is not None and self.is_running else None
        if session is None or self.is_looking:
            raise SessionError("There is nothing to mark: no session is being recorded.")
        mark = mark_of_line(line, channel="key")
        if mark is None:
            raise SessionError("A mark needs a name, such as light; type one before marking.")
        session.mark(mark.name, mark.value, note=mark.note, channel=mark.channel)
        value = "" if math.isnan(mark.value) else f"{mark.value:g}"
        words = [mark.name, value, mark.note]
        return f"after volume {session.counters.n_read - 1}: {' '.join(filter(None, words))}"

    @property
    def is_paused(self) -> bool:
        """Whether the session is paused."""
        return self._is_paused

    def set_paused(self, is_paused: bool) -> None:
        """Let the session stand still, or go on; without one, nothing happens."""
        run = self.run
        if run is None or run.session is None or run.is_over:
            return
        if is_paused:
            run.session.pause()
        else:
            run.session.unpause()
        self._tell_pause(run)

    def adopt(self, run: "SavedRun") -> bool:
        """Let the docks show a saved session; return False if they show one that runs.

        Its layers may be added to the viewer by whoever opened it.
        """
        from napari_acll.widgets._saved_view import SavedView

        viewer = self._viewer()
        if self.is_running or viewer is None:
            return False
        self._leave_saved()
        self.layers.hide()
        self.run = run
        self._note_neurons(run.session.store.neurons)
        self._saved_view = SavedView(viewer, run, on_move=self._tell_volume)
        self.started.emit()
        self._set_state(run.state)
        for note in run.notes:
            self.event_happened.emit("saved session", note)
        if run.alignment is not None:
            self.alignment_changed.emit(run.alignment)
        self.updated.emit()
        self._saved_view.look()
        # whoever opened it may add its layers only now
        QTimer.singleShot(0, self._look_at_saved)
        return True

    def show_volume(self, index: int) -> None:
        """Move viewer and docks to a volume of the saved session; nothing else has a past."""
        if self._saved_view is not None:
            self._saved_view.show(index)

    def poll(self) -> None:
        """Fetch and show what is new."""
        run = self.run
        if run is None or self._saved_view is not None:
            return  # in a saved session there is nothing new
        is_over = run.is_over  # asked first: what comes later belongs to the last round
        for kind, message in run.take_events():
            self.event_happened.emit(kind, message)
        if not run.is_abandoned and (is_over or perf_counter() >= self._next_draw_s):
            self._draw(run)
        self._tell_pause(run)
        state = run.state
        if is_over or not state.is_over:  # the end is told when its last volume is shown
            self._set_state(state)
        if is_over:
            self._finish(run)

    def _draw(self, run: Run) -> None:
        started_s = perf_counter()
        if run.alignment is not None and self.layers.align(run.alignment):
            self.alignment_changed.emit(run.alignment)
        if run.session is not None:
            self._note_neurons(run.session.store.neurons)
        newest = run.session.latest() if run.session is not None else None
        if run.session is not None and newest is not None and newest is not self._shown:
            is_first = self._shown is None
            self._shown = newest
            self.layers.show(newest, run.session.store.neurons)
            self.screen.add(newest)
            if is_first:  # all that is loaded late is loaded now
                run.pause_garbage()
        self.updated.emit()
        took_s = perf_counter() - started_s
        pause_s = took_s * (1 - _MAX_SHARE) / _MAX_SHARE
        self._next_draw_s = perf_counter() + min(pause_s, _LONGEST_PAUSE_S)

    def _finish(self, run: Run) -> None:
        self._timer.stop()
        if run.error is not None:
            self.failed.emit(sentence_of_error(run.error, what="The session", kept=_KEPT))

    def _set_state(self, state: SessionState) -> None:
        if state is not self._state:
            self._state = state
            self.state_changed.emit(state)

    def _tell_pause(self, run: Run) -> None:
        is_paused = run.session is not None and not run.is_over and run.session.is_paused
        if is_paused is not self._is_paused:
            self._is_paused = is_paused
            self.paused_changed.emit(is_paused)

    def _tell_volume(self, index: int) -> None:
        self.volume_shown.emit(index)

    def _look_at_saved(self) -> None:
        if self._saved_view is not None:
            self._saved_view.look()

    def _leave_saved(self) -> None:
        if self._saved_view is not None:
            self._saved_view.close()
            self._saved_view = None


_ENGINES: "weakref.WeakKeyDictionary[object, LiveEngine]" = weakref.WeakKeyDictionary()


def engine_of(viewer: "napari.viewer.Viewer") -> LiveEngine:
    """Return the engine of a viewer, the same one for each of its docks."""
    # docks get a proxy each; the viewer behind it is what they share
    bare = getattr(viewer, "__wrapped__", viewer)
    if bare not in _ENGINES:
        _ENGINES[bare] = LiveEngine(bare)
    return _ENGINES[bare]
