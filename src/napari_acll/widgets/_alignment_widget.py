"""The dock that calibrates, shows, corrects and hands on the alignment of the channels."""

from pathlib import Path

import napari.viewer
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_acll.core import (
    AcllError,
    AlignmentOrigin,
    ChannelAlignment,
    Volume,
    VolumeSpec,
)
from napari_acll.preprocess import (
    applied_alignment_path,
    load_alignment,
    rig_name,
    save_alignment,
)
from napari_acll.session import CalibrationReport
from napari_acll.widgets._alignment_panel import AlignmentPanel, AlignmentStanding
from napari_acll.widgets._alignment_plots import AlignmentPlots
from napari_acll.widgets._alignment_preview import AlignmentPreview
from napari_acll.widgets._calibration_panel import CalibrationPanel
from napari_acll.widgets._dock_size import dock_width_px
from napari_acll.widgets._drop import dropped_path
from napari_acll.widgets._engine import LiveEngine, engine_of
from napari_acll.widgets._nudge_pad import Nudge, NudgePad
from napari_acll.widgets._preview_controls import PreviewChoice, PreviewControls
from napari_acll.widgets._text_size import TextSize

_HEIGHT_PX = 600
_SCORE_MS = 150
"""After the last key, so that a held key does not score every step."""
_FILES = "Alignments (*.json)"


class AlignmentWidget(QWidget):
    """Calibrate on a recording, look at the result, move it by hand, and apply it.

    A running session keeps its alignment; what is applied here holds from the next one on.
    Closing this dock cancels a calibration that runs, and removes its layers.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the layers of the preview appear.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        TextSize(self)
        self.setAcceptDrops(True)
        self.engine: LiveEngine = engine_of(viewer)
        self.preview = AlignmentPreview(viewer)
        self.preview.setParent(self)
        self._was_docked = False
        self._report: CalibrationReport | None = None
        self._base: ChannelAlignment | None = None
        self._volume: Volume | None = None
        self._spec: VolumeSpec | None = None
        self.calibration = CalibrationPanel(viewer, self.engine)
        self.panel = AlignmentPanel()
        self.plots = AlignmentPlots()
        self.controls = PreviewControls()
        self.pad = NudgePad()
        self.standing = AlignmentStanding()
        self._score_timer = QTimer(self)
        self._score_timer.setSingleShot(True)
        self._score_timer.setInterval(_SCORE_MS)
        self._build_layout()
        self._connect()
        self._show_session()
        self._show_following(self.engine.alignment_file)
        self._refresh()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size that fits beside the canvas on a small screen."""
        return QSize(dock_width_px(self), _HEIGHT_PX)

    @property
    def report(self) -> CalibrationReport | None:
        """What the last calibration found."""
        return self._report

    def value(self) -> ChannelAlignment | None:
        """Return the alignment that is shown, with what was moved by hand; None without one."""
        base, nudge = self._base, self.pad.value()
        if base is None or self._spec is None or not any(nudge):
            return base
        _, size_y, size_x = self._spec.voxel_size_um
        return base.nudged(
            y_um=nudge.y_px * size_y,
            x_um=nudge.x_px * size_x,
            turn_deg=nudge.turn_deg,
            grid=self._spec.grid,
        )

    def setValue(self, value: ChannelAlignment) -> None:  # noqa: N802
        """Show an alignment; whatever was moved by hand is forgotten."""
        self._base = value
        self.pad.setValue(Nudge())
        self._refresh()

    def revert(self) -> None:
        """Go back to what was calibrated, loaded or taken over, before it was moved by hand."""
        if self._report is not None:
            self.setValue(self._report.alignment)
        elif self._base is not None:
            self.setValue(self._base)

    def apply(self) -> None:
        """Let the next sessions apply what is shown."""
        alignment = self._scored()
        if alignment is None:
            return
        path = applied_alignment_path(rig_name(self._spec) if self._spec else "any rig")
        try:
            save_alignment(alignment, path)
        except AcllError as error:
            self.calibration.fail(str(error))
            return
        self.engine.apply_alignment(str(path))
        if self.engine.is_running:
            self.calibration.say(
                "Applied from the next session on; the running session keeps its own."
            )
        else:
            self.calibration.say("Applied from the next session on.")

    def calibrate_next(self) -> None:
        """Let the next sessions calibrate again."""
        self.engine.apply_alignment("")
        self.calibration.say("The next session calibrates again.")

    def save(self) -> None:
        """Ask for a file and write what is shown."""
        alignment = self._scored()
        if alignment is None:
            return
        name, _ = QFileDialog.getSaveFileName(self, "Save the alignment", "alignment.json", _FILES)
        if not name:
            return
        path = Path(name)
        path = path if path.suffix else path.with_suffix(".json")
        try:
            save_alignment(alignment, path)
        except AcllError as error:
            self.calibration.fail(str(error))
            return
        self.calibration.say(f"Saved as {path}.")

    def load(self) -> None:
        """Ask for a file and show the alignment that it holds."""
        name, _ = QFileDialog.getOpenFileName(self, "Load an alignment", "", _FILES)
        if not name:
            return
        try:
            alignment = load_alignment(name)
        except AcllError as error:
            self.calibration.fail(str(error))
            return
        self.setValue(alignment)
        self.calibration.say(alignment.note)

    def take_from_session(self) -> None:
        """Show what the present session applies, on its newest volume."""
        run = self.engine.run
        newest = None if run is None or run.session is None else run.session.latest()
        if run is None or run.session is None or run.alignment is None or newest is None:
            self.calibration.fail(
                "There is no session with an alignment yet; start one in the dock AutoCellLabel"
                " Live and wait until it has calibrated."
            )
            return
        self._report = None
        self.plots.clear()
        self._volume, self._spec = newest.volume, newest.volume.spec
        self.setValue(run.alignment)
        self._show_preview()

    def _build_layout(self) -> None:
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(4, 4, 8, 4)
        column.setSpacing(4)
        for part in (self.calibration, self.panel, self.plots, self.controls, self.pad):
            column.addWidget(part)
        column.addLayout(self._file_row())
        column.addWidget(_line())
        column.addWidget(self.standing)
        column.addLayout(self._session_row())
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(body)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    def _file_row(self) -> QHBoxLayout:
        self.revert_button = _button("Revert", "Back to the calibrated alignment")
        self.save_button = _button("Save…", "Write this alignment to a file (JSON)")
        self.load_button = _button("Load…", "Show the alignment of a file")
        self.session_button = _button("From session", "Show what the present session applies")
        return _row(self.revert_button, self.save_button, self.load_button, self.session_button)

    def _session_row(self) -> QHBoxLayout:
        self.apply_button = _button(
            "Apply to next session",
            "Let the next sessions apply this alignment instead of calibrating; a running one"
            " keeps its own",
        )
        self.calibrate_next_button = _button(
            "Calibrate instead", "Let the next sessions calibrate on their first volumes"
        )
        return _row(self.apply_button, self.calibrate_next_button)

    def _connect(self) -> None:
        self.calibration.calibrated.connect(self._take)
        self.calibration.failed.connect(_show_error)
        self.revert_button.clicked.connect(self.revert)
        self.save_button.clicked.connect(self.save)
        self.load_button.clicked.connect(self.load)
        self.session_button.clicked.connect(self.take_from_session)
        self.apply_button.clicked.connect(self.apply)
        self.calibrate_next_button.clicked.connect(self.calibrate_next)
        self.pad.valueChanged.connect(self._refresh)
        self.controls.valueChanged.connect(self._choose_preview)
        self._score_timer.timeout.connect(self._show_score)
        self.engine.started.connect(self._show_session)
        self.engine.alignment_changed.connect(self._show_session)
        self.engine.updated.connect(self._show_drift)
        self.engine.event_happened.connect(self._warn)
        self.engine.alignment_file_chosen.connect(self._show_following)

    def _take(self, report: CalibrationReport) -> None:
        self._report, self._spec, self._volume = report, report.spec, report.volume
        self.plots.show_estimates(
            report.alignment,
            report.estimates,
            grid=report.spec.grid,
            limit_um=report.spread_limit_um,
        )
        self.plots.show_profile(report.profile)
        self.setValue(report.alignment)
        self._show_preview()

    def _refresh(self, _nudge: Nudge | None = None) -> None:
        """Show the alignment as it is now, at once; its score follows."""
        alignment = self.value()
        self.revert_button.setEnabled(any(self.pad.value()) or self._is_other())
        self.pad.setEnabled(alignment is not None and self._spec is not None)
        for button in (self.save_button, self.apply_button):
            button.setEnabled(alignment is not None)
        if alignment is None:
            self.panel.clear()
            return
        self.panel.show_alignment(alignment, None if self._spec is None else self._spec.grid)
        self.preview.align(alignment)
        if self._is_other() or any(self.pad.value()):
            self._score_timer.start()

    def _is_other(self) -> bool:
        """Whether this is another alignment than the one that was calibrated here."""
        return self._report is not None and self._base is not self._report.alignment

    def _show_score(self) -> None:
        alignment = self.value()
        if alignment is not None and self._report is not None:
            self.panel.show_score(self._report.calibrator.score_of(alignment))

    def _scored(self) -> ChannelAlignment | None:
        """Return what is shown; what was moved by hand gets the score that it has there."""
        alignment = self.value()
        if alignment is None or alignment.origin is not AlignmentOrigin.MANUAL:
            return alignment
        if self._report is None:
            return alignment
        score = self._report.calibrator.score_of(alignment)
        return alignment.model_copy(update={"score": score})

    def _choose_preview(self, choice: PreviewChoice) -> None:
        if choice.mode is not self.preview.mode:
            self.preview.set_mode(choice.mode)
        if choice.projection is not self.preview.projection:
            self.preview.set_projection(choice.projection)
        if choice.is_shown != self.preview.is_shown:
            self._show_preview()

    def _show_preview(self) -> None:
        if not self.controls.value().is_shown:
            self.preview.remove()
            return
        alignment = self.value()
        if alignment is None or self._volume is None:
            self.calibration.say(
                "There is nothing to show yet: calibrate first, or press From session."
            )
            return
        self.preview.show(self._volume, alignment)

    def _show_session(self, _alignment: ChannelAlignment | None = None) -> None:
        run = self.engine.run
        self.standing.show_session(None if run is None else run.alignment)
        self._show_drift()

    def _show_drift(self) -> None:
        run = self.engine.run
        drift = None if run is None or run.session is None else run.session.drift
        limit_um = 0.0 if run is None else run.request.settings.alignment.max_drift_um
        self.standing.show_drift(drift, limit_um)

    def _warn(self, kind: str, message: str) -> None:
        if kind == "drift":
            show_warning(message)

    def _show_following(self, path: str) -> None:
        self.calibrate_next_button.setEnabled(bool(path))
        self.standing.show_following(f"applies {path}" if path else "")

    def event(self, event: QEvent) -> bool:
        """Cancel and clean up when the dock is closed: napari sends no close event."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parentWidget() is not None:
                self._was_docked = True
            elif self._was_docked:
                self.calibration.close_down()
                self.preview.remove()
        return bool(super().event(event))

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        """Stop flickering while nobody looks."""
        self.preview.pause()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Flicker again."""
        self.preview.resume()
        super().showEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Take files and folders."""
        if dropped_path(event) and self.calibration.setup.isEnabled():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Choose the dropped file or folder as the recording."""
        self.calibration.setup.set_recording(dropped_path(event))
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()


def _show_error(sentence: str) -> None:
    show_error(sentence)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(4)
    for widget in widgets:
        row.addWidget(widget)
    return row


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    return line
