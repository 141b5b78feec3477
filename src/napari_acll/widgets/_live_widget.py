"""The dock that starts, shows and stops a session."""

from contextlib import suppress

import napari.viewer
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_acll.core import AcllError, ChannelAlignment, SessionState
from napari_acll.widgets._calibrate_names import ask_and_calibrate
from napari_acll.widgets._dock_size import dock_width_px, fit_dock_height, loosen_dock
from napari_acll.widgets._engine import LiveEngine, engine_of
from napari_acll.widgets._projections_switch import ProjectionsSwitch
from napari_acll.widgets._run import Run
from napari_acll.widgets._setup_panel import SetupPanel
from napari_acll.widgets._speed_meter import SpeedMeter
from napari_acll.widgets._status_panel import StatusPanel

_PLUGIN = "napari-acll"
_FOLDED_PX, _UNFOLDED_PX = 230, 460
_SETTLE_MS = 50  # after which Qt knows the new smallest sizes
_TRACES_NAME = "AutoCellLabel Traces"


class LiveSessionWidget(QWidget):
    """Set up, start, watch and stop a session on a recording.

    Closing this dock, or the viewer, ends the session as Stop does; hiding or floating it does
    not.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the layers appear.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self._viewer = viewer
        self._was_docked = False
        self._switch = _Switch()
        self.engine: LiveEngine = engine_of(viewer)
        self.setup = SetupPanel()
        self.status = StatusPanel()
        self._speed = SpeedMeter()
        self._build_layout()
        self._connect()
        self._show_state(self.engine.state)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size that fits beside the canvas on a small screen."""
        return QSize(
            dock_width_px(self), _UNFOLDED_PX if self.setup.isVisibleTo(self) else _FOLDED_PX
        )

    def start(self) -> None:
        """Start a session on what the form shows; an error is shown, never raised."""
        try:
            request = self.setup.request()
        except AcllError as error:
            self._show_error(str(error))
            return
        self.status.clear()
        self._speed = SpeedMeter()
        self.engine.start(request)
        self._show_traces_dock()

    def stop(self) -> None:
        """Ask the session to end."""
        self.engine.stop()

    def calibrate_names(self) -> None:
        """Ask for checked names of the last session and calibrate its model on them."""
        run = self.engine.run
        if run is None or run.request.out is None:
            return
        try:
            done = ask_and_calibrate(self, run.request.out)
        except AcllError as error:
            self._show_error(str(error))
            return
        if done:
            self.status.add_note(f"calibration: {done}")

    def _build_layout(self) -> None:
        self.start_button = QPushButton("Start")
        self.stop_button = QPushButton("Stop")
        self._setup_toggle = QCheckBox("Setup")
        self._setup_toggle.setChecked(True)
        self._setup_toggle.setToolTip("Show or hide the form")
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 1)
        buttons.addWidget(self.stop_button, 1)
        self.calibrate_button = QPushButton("Calibrate names…")
        self.calibrate_button.setToolTip("Make probabilities hold on this rig, by checked names")
        self.calibrate_button.hide()
        buttons.addWidget(self.calibrate_button)
        self.projections = ProjectionsSwitch(self._viewer, self.engine)
        buttons.addWidget(self.projections)
        buttons.addWidget(self._setup_toggle)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.setup, 1)
        layout.addLayout(buttons)
        layout.addWidget(self.status)
        layout.addStretch(0)  # takes the room that the hidden form leaves

    def _connect(self) -> None:
        self.start_button.clicked.connect(self.start)
        self.stop_button.clicked.connect(self.stop)
        self.calibrate_button.clicked.connect(self.calibrate_names)
        self._setup_toggle.toggled.connect(self._show_setup)
        self.engine.state_changed.connect(self._show_state)
        self.engine.updated.connect(self._show_progress)
        self.engine.alignment_changed.connect(self._show_alignment)
        self.engine.event_happened.connect(self._show_event)
        self.engine.failed.connect(self._show_error)
        self.engine.started.connect(self._arm)
        self.destroyed.connect(self._switch.turn_off)

    def _arm(self) -> None:
        self._switch.run = self.engine.run

    def _show_traces_dock(self) -> None:
        with suppress(KeyError, ValueError):  # this plugin may be disabled, or not installed
            self._viewer.window.add_plugin_dock_widget(_PLUGIN, _TRACES_NAME)
        QTimer.singleShot(_SETTLE_MS, self._fit_dock)

    def _show_setup(self, is_shown: bool) -> None:
        self.setup.setVisible(is_shown)
        self.updateGeometry()
        loosen_dock(self)
        QTimer.singleShot(_SETTLE_MS, self._fit_dock)

    def _fit_dock(self) -> None:
        fit_dock_height(self)

    def _show_state(self, state: SessionState) -> None:
        self.status.show_state(state)
        is_running = self.engine.is_running and not state.is_over
        self.start_button.setEnabled(not is_running)
        self.stop_button.setEnabled(is_running and state is not SessionState.STOPPING)
        self.setup.setEnabled(not is_running)
        if state is SessionState.WARMING_UP:
            self._setup_toggle.setChecked(False)
        run = self.engine.run
        has_session = run is not None and run.request.out is not None
        self.calibrate_button.setVisible(state is SessionState.FINISHED and has_session)
        if state.is_over:
            self.setup.propose_out()

    def _show_progress(self) -> None:
        run = self.engine.run
        if run is None or run.session is None:
            return
        self.status.show_counters(run.session.counters)
        newest = run.session.latest()
        reason = "" if newest is None else newest.labeled.why_novel
        self.status.show_names(run.session.calibrated_on, run.session.novelty, reason)
        if newest is not None:
            period_s = newest.volume.spec.period_s
            self.status.show_speed(self._speed.add(newest.timings), period_s)

    def _show_alignment(self, alignment: ChannelAlignment) -> None:
        self.status.show_alignment(alignment)

    def _show_event(self, kind: str, message: str) -> None:
        self.status.add_note(f"{kind}: {message}")

    def _show_error(self, sentence: str) -> None:
        self.status.show_error(sentence)
        self._setup_toggle.setChecked(True)
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
        if _dropped_path(event) and self.start_button.isEnabled():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Choose the dropped file or folder as the recording."""
        self.setup.set_recording(_dropped_path(event))
        self._setup_toggle.setChecked(True)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()


class _Switch:
    """Ends a run when its dock is destroyed; holds nothing of Qt, which is gone by then."""

    def __init__(self) -> None:
        self.run: Run | None = None

    def turn_off(self) -> None:
        """End the run that this dock saw, if any."""
        if self.run is not None:
            self.run.abandon()


def _dropped_path(event: QDropEvent) -> str:
    paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
    return str(paths[0]) if paths else ""
