"""The dock that starts, shows and stops a session."""

from contextlib import suppress

import napari.viewer
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QVBoxLayout,
    QWidget,
)

from napari_acll.core import (
    AcllError,
    AcllSettings,
    SessionState,
    Volume,
    VoxelGrid,
)
from napari_acll.widgets._after_session import AfterSession
from napari_acll.widgets._arming_bar import ArmingBar
from napari_acll.widgets._check_list import CheckList
from napari_acll.widgets._crop_tool import CropTool
from napari_acll.widgets._dock_size import dock_width_px, fit_dock_height, loosen_dock
from napari_acll.widgets._drop import dropped_path
from napari_acll.widgets._engine import LiveEngine, engine_of
from napari_acll.widgets._preferences import Preferences
from napari_acll.widgets._preflight_panel import PreflightPanel
from napari_acll.widgets._projections_switch import ProjectionsSwitch
from napari_acll.widgets._run import RunRequest
from napari_acll.widgets._run_switch import RunSwitch
from napari_acll.widgets._session_buttons import SessionButtons
from napari_acll.widgets._setup_panel import SetupPanel
from napari_acll.widgets._shortcuts import Shortcut, install_shortcuts, show_shortcuts
from napari_acll.widgets._speed_meter import SpeedMeter
from napari_acll.widgets._speed_tool import SpeedTool
from napari_acll.widgets._status_panel import StatusPanel, state_words
from napari_acll.widgets._text_size import TextSize, text_scale
from napari_acll.widgets._when_destroyed import when_destroyed

_PLUGIN = "napari-acll"
_FOLDED_PX, _UNFOLDED_PX = 390, 560
_SETTLE_MS = 50  # after which Qt knows the new smallest sizes
_TRACES_NAME = "AutoCellLabel Traces"
_OPENED_ANEW = "The look has ended: the recording is opened anew, the model stays loaded."
_GOES_ON = "The look has ended: the session goes on with volume {}, the model stays warm."


class LiveSessionWidget(QWidget):
    """Set up, look at, start, watch and stop a session on a recording.

    Closing this dock, or the viewer, ends the session as Stop does; hiding or floating it does
    not.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the layers appear.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        TextSize(self)
        self.setAcceptDrops(True)
        self._viewer = viewer
        self._was_docked = False
        self._follow_up: RunRequest | None = None
        self._switch = RunSwitch()
        self.engine: LiveEngine = engine_of(viewer)
        self.setup = SetupPanel()
        self.preflight = PreflightPanel(self.setup)
        self.look_list = CheckList("The picture")
        self.status = StatusPanel()
        self.projections = ProjectionsSwitch(viewer, self.engine)
        self.buttons = SessionButtons(self.projections)
        self.after = AfterSession()
        self.crop_tool = CropTool(viewer, self.setup)
        self.speed_tool = SpeedTool(self.setup)
        self.arming = ArmingBar(self.engine, self)
        self._speed = SpeedMeter()
        self._build_layout()
        self._shortcuts = self._make_shortcuts()
        self._connect()
        self._preferences = Preferences()
        self._apply_preferences()
        self.setup.show_preferences(self._preferences)
        if self.engine.alignment_file:  # chosen later than what the preferences say
            self.setup.set_alignment_file(self.engine.alignment_file)
        self._show_state(self.engine.state)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size that fits beside the canvas on a small screen."""
        width_px, scale = dock_width_px(self), max(1.0, text_scale())
        folded_px, unfolded_px = int(_FOLDED_PX * scale), int(_UNFOLDED_PX * scale)
        if self.setup.isVisibleTo(self):
            return QSize(width_px, unfolded_px)
        needed_px = self.heightForWidth(self.width())  # lines of the status may be wrapped
        return QSize(width_px, min(max(needed_px, folded_px), unfolded_px))

    def start(self) -> None:
        """Start a session on what the form shows; after a look, once that has ended.

        An error is shown, never raised.
        """
        if not self.buttons.start.isEnabled():
            return
        try:
            request = self.setup.request()
        except AcllError as error:
            self._show_error(str(error))
            return
        if self.engine.is_looking:
            self._follow_up = self.engine.hand_over(request)
            self._show_buttons()
            return
        self._begin(request)

    def look(self) -> None:
        """Label volumes without recording them; an error is shown, never raised."""
        if not self.buttons.look.isEnabled():
            return
        try:
            request = self.setup.look_request()
        except AcllError as error:
            self._show_error(str(error))
            return
        self._begin(request)

    def chosen(self) -> tuple[str, AcllSettings]:
        """Return the recording and the settings that the form shows.

        Raises
        ------
        SettingsError
            If the models refuse a value.
        """
        return self.setup.recording.value(), self.setup.settings()

    def stop(self) -> None:
        """Ask the session to end."""
        self._follow_up = None
        self.engine.stop()
        self._show_buttons()

    def mark(self, line: str) -> None:
        """Note what the animal does or is shown now; an error is shown, never raised."""
        try:
            self.status.marks.add(self.engine.mark(line))
        except AcllError as error:
            self._warn(f"mark: {error}")

    def _begin(self, request: RunRequest) -> None:
        self.preflight.cancel()
        self.speed_tool.work.cancel()  # it would take its part of the computer
        if request.settings.source.live.is_live:  # a replay can wait
            self.after.calibrate.give_way()
        self.look_list.setValue(())
        self.setup.crop.end_drag()
        self.status.clear()
        self._speed = SpeedMeter()
        self._apply_preferences()
        self.engine.start(request)
        if request.is_look:
            return
        self.setup.remember()
        if self._preferences.opens_traces:
            self._show_traces_dock()

    def _apply_preferences(self) -> None:
        self._preferences = Preferences.load()
        self.engine.layers.shows_names = self._preferences.shows_names
        self.engine.layers.min_confidence = self._preferences.min_confidence

    def _build_layout(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.setup, 1)
        layout.addWidget(self.preflight)
        layout.addWidget(self.buttons)
        layout.addWidget(self.after)
        layout.addWidget(self.look_list)
        self.look_list.again_button.hide()
        layout.addWidget(self.status)
        layout.addStretch(0)  # takes the room that the hidden form leaves

    def _make_shortcuts(self) -> list[Shortcut]:
        return [
            Shortcut(keys="F6", text="look, without recording", action=self.look),
            Shortcut(keys="F7", text="start, or record after a look", action=self.start),
            Shortcut(keys="Shift+F7", text="stop", action=self.stop),
            Shortcut(keys="F8", text="mark", action=self.status.marks.mark),
            Shortcut(keys="F9", text="check again what is needed", action=self.preflight.check),
            Shortcut(keys="Shift+F1", text="show this list", action=self._show_shortcuts),
        ]

    def _show_shortcuts(self) -> None:
        show_shortcuts(self, self._shortcuts)

    def _connect(self) -> None:
        install_shortcuts(self, self._shortcuts)
        buttons = self.buttons
        buttons.look.clicked.connect(self.look)
        buttons.start.clicked.connect(self.start)
        buttons.stop.clicked.connect(self.stop)
        buttons.help.clicked.connect(self._show_shortcuts)
        buttons.pause.clicked.connect(self.engine.set_paused)
        self.engine.paused_changed.connect(self._show_paused)
        self.after.told.connect(self.status.add_note)
        self.after.failed.connect(self._warn)
        buttons.setup.toggled.connect(self._show_setup)
        self.setup.failed.connect(self._show_error)
        self.setup.crop.drag_asked.connect(self._drag_crop)
        self.crop_tool.failed.connect(self._show_error)
        self.arming.canceled.connect(self.stop)
        self.speed_tool.failed.connect(self._show_error)
        self.speed_tool.measured.connect(self.preflight.ask)
        self.preflight.changed.connect(self._show_buttons)
        self.status.marks.marked.connect(self.mark)
        self.engine.state_changed.connect(self._show_state)
        self.engine.updated.connect(self._show_progress)
        self.engine.alignment_changed.connect(self.status.show_alignment)
        self.engine.event_happened.connect(self._show_event)
        self.engine.failed.connect(self._show_error)
        self.engine.started.connect(self._arm)
        self.engine.alignment_file_chosen.connect(self.setup.set_alignment_file)
        self.engine.offer_form(self.chosen)
        when_destroyed(self, self._switch.turn_off)

    def _arm(self) -> None:
        self._switch.run = self.engine.run

    def _show_traces_dock(self) -> None:
        with suppress(KeyError, ValueError):  # this plugin may be disabled, or not installed
            self._viewer.window.add_plugin_dock_widget(_PLUGIN, _TRACES_NAME)
        QTimer.singleShot(_SETTLE_MS, self._fit_dock)

    def _show_setup(self, is_shown: bool) -> None:
        self.setup.setVisible(is_shown)
        self._show_buttons()
        self.preflight.ask()
        self.updateGeometry()
        QTimer.singleShot(_SETTLE_MS, self._fit_dock)

    def _fit_dock(self) -> None:
        loosen_dock(self)
        fit_dock_height(self)

    def _show_state(self, state: SessionState) -> None:
        self._show_words(state)
        self._show_buttons()
        if state is SessionState.WARMING_UP:
            self.buttons.setup.setChecked(False)
        if state is SessionState.RUNNING or state.is_over:  # the status is as tall as it gets
            QTimer.singleShot(_SETTLE_MS, self._fit_dock)
        if state.is_over:
            self.speed_tool.look_up(is_forced=True)
            self.setup.propose_out()
            self._go_on(state)

    def _show_words(self, state: SessionState) -> None:
        run = self.engine.run
        if run is None or state.is_over:
            self.status.show_state(state)
            return
        if self.engine.is_paused:
            self.status.show_paused()
            return
        words = state_words(
            state,
            is_live=run.is_live,
            is_built=run.session is not None,
            is_ready=run.is_ready,
            is_look=run.request.is_look,
        )
        self.status.show_state(state, words)

    def _show_buttons(self) -> None:
        state, run = self.engine.state, self.engine.run
        is_running = self.engine.is_running and not state.is_over
        is_looking = is_running and self.engine.is_looking
        is_stopping, is_followed = state is SessionState.STOPPING, self._follow_up is not None
        can_record = is_looking and not (is_stopping or is_followed)
        self.buttons.show_state(
            is_looking=is_looking,
            can_look=not is_running,
            can_start=can_record or not (is_running or self.preflight.is_red),
            can_pause=is_running and state in (SessionState.CALIBRATING, SessionState.RUNNING),
            can_stop=is_running and (is_followed or not is_stopping),
        )
        self.setup.setEnabled(not is_running or is_looking)
        self.preflight.setVisible(not is_running and self.setup.isVisibleTo(self))
        self.look_list.setVisible(is_looking)
        has_session = run is not None and run.session is not None
        self.status.marks.setEnabled(is_running and not is_looking and has_session)
        self.status.show_measures(is_running or not self.setup.isVisibleTo(self))
        has_saved = state.is_over and has_session and run is not None and not run.is_discarded
        self.after.set_session(
            run.request.out if has_saved and run is not None else None,
            is_complete=state is SessionState.FINISHED,
        )

    def _go_on(self, state: SessionState) -> None:
        """Begin the recording that was asked for while it was only looked."""
        if state is not SessionState.FINISHED:
            self._follow_up = None
        if self._follow_up is not None:
            QTimer.singleShot(0, self._begin_follow_up)  # the engine has to finish first

    def _begin_follow_up(self) -> None:
        request, self._follow_up = self._follow_up, None
        if request is not None:
            self._begin(request)
            goes_on = request.goes_on
            self.status.add_note(
                _OPENED_ANEW if goes_on is None else _GOES_ON.format(goes_on.first_index)
            )

    def _show_paused(self, is_paused: bool) -> None:
        self.buttons.show_paused(is_paused)
        self._show_words(self.engine.state)

    def _show_progress(self) -> None:
        run = self.engine.run
        if run is None:
            return
        if not self.engine.state.is_over:
            self._show_words(run.state)
        if run.session is None:
            return
        session, newest = run.session, run.session.latest()
        screen = self.engine.screen
        self.status.show_counters(
            session.counters,
            session.given_up,
            n_shown=screen.n_shown,
            shown_after_s=screen.delay_s,
        )
        self.status.show_latency(session.deadlines, session.spec.period_s)
        if run.disk is not None:
            self.status.show_disk(run.disk.sentence(), run.disk.light)
        if run.look is not None:
            self.look_list.setValue(run.look.checks())
        reason = "" if newest is None else newest.labeled.why_novel
        self.status.show_names(session.calibrated_on, session.novelty, reason)
        if newest is not None:
            self.crop_tool.refresh(newest.volume)
            period_s = newest.volume.spec.period_s
            self.status.show_speed(self._speed.add(newest.timings), period_s)

    def _drag_crop(self, is_wanted: bool) -> None:
        if is_wanted:
            self.crop_tool.begin(*self._shown_grid())
        else:
            self.crop_tool.end()

    def _shown_grid(self) -> tuple[VoxelGrid | None, Volume | None]:
        """Return grid and newest of the volumes that are being shown, None if there are none."""
        run = self.engine.run
        if run is None or run.session is None or not self.engine.is_running:
            return None, None
        newest = run.session.latest()
        return run.session.spec.grid, None if newest is None else newest.volume

    def _show_event(self, kind: str, message: str) -> None:
        self.status.add_note(f"{kind}: {message}")

    def _show_error(self, sentence: str) -> None:
        self.status.show_error(sentence)
        self.buttons.setup.setChecked(True)
        show_error(sentence)

    def _warn(self, sentence: str) -> None:
        """Tell of something that went wrong beside the session."""
        self.status.add_note(sentence)
        show_error(sentence)

    def event(self, event: QEvent) -> bool:
        """Stop the session when the dock is closed: napari sends no close event."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parentWidget() is not None:
                self._was_docked = True
            elif self._was_docked:
                self._switch.turn_off()
        return bool(super().event(event))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Take files and folders."""
        if dropped_path(event) and self.setup.isEnabled():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Choose the dropped file or folder as the recording."""
        self.setup.set_recording(dropped_path(event))
        self.buttons.setup.setChecked(True)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
