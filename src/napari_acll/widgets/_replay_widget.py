"""The dock that plays recordings and saved sessions."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import napari.viewer
from napari.utils.notifications import show_error
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_acll.core import AcllError, AcllSettings
from napari_acll.widgets._dock_size import dock_width_px, fit_dock_height, loosen_dock
from napari_acll.widgets._drop import dropped_path
from napari_acll.widgets._engine import LiveEngine, engine_of
from napari_acll.widgets._export_row import ExportRow
from napari_acll.widgets._opening import Opened, Opening
from napari_acll.widgets._playable import PLAYABLE, Playable, playable_of, settings_from_volume
from napari_acll.widgets._player import Player
from napari_acll.widgets._preferred_reader import is_preferred, prefer
from napari_acll.widgets._replay_controls import ReplayControls
from napari_acll.widgets._run import RunRequest
from napari_acll.widgets._saved_view import shown_volume, time_axis
from napari_acll.widgets._session_paths import fresh_session_path
from napari_acll.widgets._text_size import TextSize
from napari_acll.widgets._when_destroyed import when_destroyed

_PLUGIN = "napari-acll"
_LIVE_NAME = "AutoCellLabel Live"
_TICK_MS = 30
_SETTLE_MS = 50  # after which Qt knows the sizes of a new dock


class ReplayWidget(QWidget):
    """Play a recording or a saved session, step through it, and label from any volume on.

    Volumes are read in a thread of their own, and the viewer moves on when the next one is in
    memory. Nothing is labeled by playing.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the volumes appear.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        TextSize(self)
        self.setAcceptDrops(True)
        self._viewer = viewer
        self._was_docked = False
        self._is_moving = False  # the player may be ahead of what is just being shown
        self._engine: LiveEngine = engine_of(viewer)
        self._opening: Opening | None = None
        self._playable: Playable | None = None
        self._player: Player | None = None
        self._switch = _Switch()
        self.controls = ReplayControls()
        self.export = ExportRow()
        self.export.setContentsMargins(4, 0, 4, 4)
        self.export.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.controls)
        layout.addWidget(self.export)
        layout.addStretch(1)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._connect()
        self.controls.set_preferred(is_preferred())
        self._take_over_saved()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size that leaves the traces their room on a small screen."""
        height_px = self.controls.sizeHint().height()
        if not self.export.isHidden():
            height_px += self.export.sizeHint().height()
        return QSize(dock_width_px(self), height_px)

    @property
    def path(self) -> str:
        """What is played, empty if nothing is."""
        return "" if self._playable is None else self._playable.path

    @property
    def player(self) -> Player | None:
        """What reads the volumes; None before something was opened."""
        return self._player

    def open(self, path: str) -> None:
        """Open a recording or a session folder; returns at once, errors are shown."""
        known = self._layer_of(path)
        if known is not None:
            self._use_layer(known)
            return
        self.controls.show_path(path)
        self.controls.show_note("Opening…")
        self._opening = Opening(path)
        self._timer.start()

    def replay_selected_layer(self) -> None:
        """Play what the selected layer shows, whoever opened it."""
        layer = self._viewer.layers.selection.active
        path = "" if layer is None else str(layer.source.path or "")
        if layer is not None and playable_of(layer) is not None:
            self._use_layer(layer)
        elif path:
            self.open(path)
        else:
            self._show_error(
                "The selected layer was not opened from a file; select one that was, or choose"
                " the recording here."
            )

    def play_or_pause(self) -> None:
        """Play on, or stand still if it plays."""
        if self._player is None:
            return
        if self._player.is_playing:
            self._player.pause()
        else:
            self._player.play()
        self._wake()

    def step(self, n_volumes: int) -> None:
        """Stand still, and go some volumes on, or back if it is negative."""
        if self._player is not None:
            self._player.step(n_volumes)
            self._wake()

    def seek(self, index: int) -> None:
        """Go to a volume."""
        if self._player is not None:
            self._player.seek(index)
            self._wake()

    def label_from_here(self) -> None:
        """Start a session with the volume that is shown, as the Live dock is set up."""
        playable, player = self._playable, self._player
        if playable is None or player is None or self._engine.is_running:
            return
        try:
            settings = settings_from_volume(self._settings(), player.position)
        except AcllError as error:
            self._show_error(str(error))
            return
        player.pause()
        out = fresh_session_path(playable.recording)
        self._engine.start(RunRequest(recording=playable.recording, settings=settings, out=out))
        self.controls.show_note(f"Labeling from volume {player.position} on, into {out.name}.")

    def prefer_this_plugin(self) -> None:
        """Let napari open ND2 files and session folders with this plugin unasked."""
        prefer()
        self.controls.set_preferred(is_preferred())

    def _connect(self) -> None:
        controls = self.controls
        controls.fileWanted.connect(self._ask_file)
        controls.folderWanted.connect(self._ask_folder)
        controls.layerWanted.connect(self.replay_selected_layer)
        controls.playToggled.connect(self.play_or_pause)
        controls.stepped.connect(self.step)
        controls.valueChanged.connect(self.seek)
        controls.speedChanged.connect(self._set_speed)
        controls.labelWanted.connect(self.label_from_here)
        controls.preferenceWanted.connect(self.prefer_this_plugin)
        self.export.exported.connect(controls.show_note)
        self.export.failed.connect(self._show_error)
        self._engine.started.connect(self._take_over_saved)
        self._engine.state_changed.connect(self._show_controls)
        self._viewer.dims.events.point.connect(self._follow_viewer)
        when_destroyed(self, self._switch.turn_off)

    def _ask_file(self) -> None:
        path = str(QFileDialog.getOpenFileName(self, "Choose a recording")[0])
        if path:
            self.open(path)

    def _ask_folder(self) -> None:
        title = "Choose a session folder, or a folder of volumes"
        path = str(QFileDialog.getExistingDirectory(self, title))
        if path:
            self.open(path)

    def _settings(self) -> AcllSettings:
        """Return what the Live dock is set to; it opens, so that the session can be stopped."""
        with suppress(KeyError):  # this plugin may be disabled, or not installed
            window = self._viewer.window
            live: Any = window.add_plugin_dock_widget(_PLUGIN, _LIVE_NAME)[1]
            settings: AcllSettings = live.setup.settings()
            return settings
        return AcllSettings()

    def _tick(self) -> None:
        if self._opening is not None and self._opening.is_done:
            opening, self._opening = self._opening, None
            self._finish(opening)
        player = self._player
        if player is not None:
            error, index = player.take_error(), player.take()
            if error is not None:
                self._show_error(_sentence_of(error))
            if index is not None:
                self._show(index)
        self._show_controls()
        if self._opening is None and (player is None or not player.is_busy):
            self._timer.stop()

    def _finish(self, opening: Opening) -> None:
        if opening.opened is None:
            self.controls.show_path(self.path)
            self._show_error(opening.error)
            return
        self._add(opening.opened)

    def _add(self, opened: Opened) -> None:
        from napari.layers import Layer

        if not self._engine.is_running:
            self._engine.layers.hide()
        for data in opened.layers:
            self._viewer.add_layer(Layer.create(*data))
        self._use(opened.playable)
        self._adopt(opened.run)
        self.seek(0)  # napari begins in the middle

    def _use_layer(self, layer: Any) -> None:
        run, playable = layer.metadata[PLAYABLE], playable_of(layer)
        if playable is None:
            return
        self._use(playable)
        if not playable.is_recording and self._engine.run is not run:
            self._adopt(run)

    def _adopt(self, run: Any) -> None:
        """Let the docks show a session, if it is one, and tell what there is to tell of it."""
        if run is None:
            return
        if self._engine.adopt(run):
            self.controls.show_note(" ".join(run.notes))
        else:
            self._show_error(
                "A session runs in this window: its traces stay on the screen. Stop it to see"
                " those of the saved one."
            )

    def _use(self, playable: Playable) -> None:
        if playable is self._playable:
            return
        self._release()
        self._playable = playable
        self._player = self._switch.player = Player(playable.load, playable.times_s)
        self._player.set_speed(self.controls.speed())
        self.controls.show_path(playable.path)
        self.controls.show_times(playable.times_s)
        self.controls.show_note("")
        self._follow_viewer()
        self._show_controls()

    def _take_over_saved(self) -> None:
        """Play the session that was just opened; stand still while another one runs."""
        playable = getattr(self._engine.run, "playable", None)
        if isinstance(playable, Playable):
            self._use(playable)
        elif self._player is not None:
            self._player.pause()
            self._wake()

    def _release(self) -> None:
        if self._player is not None:
            self._player.close()
        self._player = self._switch.player = self._playable = None

    def _layer_of(self, path: str) -> Any:
        """Return a layer of the viewer that shows this path already."""
        for layer in self._viewer.layers:
            playable = playable_of(layer)
            if playable is not None and Path(playable.path) == Path(path):
                return layer
        return None

    def _is_shown(self) -> bool:
        return any(playable_of(layer) is self._playable for layer in self._viewer.layers)

    def _show(self, index: int) -> None:
        """Show a volume that is in memory."""
        playable = self._playable
        if playable is None:
            return
        axis = time_axis(self._viewer)
        self._is_moving = True
        try:
            if axis is not None and self._is_shown():
                self._viewer.dims.set_point(axis, index * playable.period_s)
            if getattr(self._engine.run, "playable", None) is playable:
                self._engine.show_volume(index)
        finally:
            self._is_moving = False
        self.controls.setValue(index)

    def _follow_viewer(self, event: Any = None) -> None:  # noqa: ARG002
        """Go on from the volume to which the user moved napari's own slider."""
        playable, player = self._playable, self._player
        # the player may be ahead of what is being shown just now
        if playable is None or player is None or self._is_moving or not self._is_shown():
            return
        n_volumes = playable.n_volumes
        index = shown_volume(self._viewer, period_s=playable.period_s, n_volumes=n_volumes)
        if index is not None:
            if index != player.position:
                player.was_moved(index)
            self.controls.setValue(index)

    def _set_speed(self, speed: float) -> None:
        if self._player is not None:
            self._player.set_speed(speed)

    def _wake(self) -> None:
        self._show_controls()
        self._timer.start()

    def _show_controls(self, _state: Any = None) -> None:
        player, playable = self._player, self._playable
        can_label = playable is not None and playable.is_recording and not self._engine.is_running
        self.controls.show_state(
            is_open=player is not None,
            is_playing=player is not None and player.is_playing,
            can_label=can_label,
        )
        self._show_export()

    def _show_export(self) -> None:
        """Offer the export of a session; of a recording there is nothing to export."""
        is_session = self._playable is not None and not self._playable.is_recording
        self.export.set_session(Path(self.path) if is_session else None)
        is_wanted = is_session or self.export.is_busy
        if is_wanted == self.export.isHidden():
            self.export.setVisible(is_wanted)
            self.updateGeometry()
            QTimer.singleShot(_SETTLE_MS, self._fit_dock)

    def _show_error(self, sentence: str) -> None:
        self.controls.show_note(sentence)
        show_error(sentence)

    def event(self, event: QEvent) -> bool:
        """End the reading when the dock is closed: napari sends no close event."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parentWidget() is not None:
                self._was_docked = True
                QTimer.singleShot(_SETTLE_MS, self._fit_dock)
            elif self._was_docked:
                self._viewer.dims.events.point.disconnect(self._follow_viewer)
                self._release()
        return bool(super().event(event))

    def _fit_dock(self) -> None:
        loosen_dock(self)
        fit_dock_height(self)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Take files and folders."""
        if dropped_path(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Open the dropped recording or session."""
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.open(dropped_path(event))


class _Switch:
    """Ends the reading when the dock is destroyed; holds nothing of Qt, which is gone by then."""

    def __init__(self) -> None:
        self.player: Player | None = None

    def turn_off(self) -> None:
        """End it, if there is any."""
        if self.player is not None:
            self.player.close()


def _sentence_of(error: Exception) -> str:
    if isinstance(error, AcllError):
        return str(error)
    return f"A volume cannot be read ({type(error).__name__}: {error}); open the recording again."
