"""Starts, follows and cancels a calibration."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_acll.core import AcllError
from napari_acll.session import CalibrationReport
from napari_acll.widgets._calibration_job import CalibrationJob
from napari_acll.widgets._calibration_setup import CalibrationSetup
from napari_acll.widgets._engine import LiveEngine
from napari_acll.widgets._when_destroyed import when_destroyed

if TYPE_CHECKING:
    import napari.viewer

_LOOK_MS = 100


class CalibrationPanel(QWidget):
    """Chooses what is calibrated on, and does it in a thread that is only looked at from here.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its image layers can be chosen.
    engine : LiveEngine
        Knows the recording of the Live dock.
    """

    calibrated = Signal(object)
    failed = Signal(str)

    def __init__(self, viewer: "napari.viewer.Viewer", engine: LiveEngine) -> None:
        super().__init__()
        self._switch = _Switch()
        self.setup = CalibrationSetup(viewer, engine)
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._build_layout()
        self._show_busy(is_busy=False)
        when_destroyed(self, self._switch.turn_off)

    @property
    def job(self) -> CalibrationJob | None:
        """The present or last calibration."""
        return self._switch.job

    def start(self) -> None:
        """Start a calibration on what is chosen; an error is told by `failed`, never raised."""
        try:
            request = self.setup.request()
        except AcllError as error:
            self.fail(str(error))
            return
        job = CalibrationJob(request)
        self._switch.job = job
        job.start()
        self.say("Calibrating…")
        self.progress.setRange(0, request.settings.alignment.n_volumes)
        self.progress.setValue(0)
        self._show_busy(is_busy=True)
        self._timer.start()

    def cancel(self) -> None:
        """Ask the calibration to end; what was found before stays."""
        self._switch.turn_off()

    def close_down(self) -> None:
        """Cancel, and look no more: the dock is being closed."""
        self._switch.turn_off()
        self._timer.stop()
        self._show_busy(is_busy=False)

    def say(self, sentence: str) -> None:
        """Show a sentence."""
        self.message.setText(sentence)

    def fail(self, sentence: str) -> None:
        """Show a sentence that tells what is wrong."""
        self.say(sentence)
        self.failed.emit(sentence)

    def _build_layout(self) -> None:
        self.calibrate_button = QPushButton("Calibrate")
        self.calibrate_button.setToolTip("Estimate the alignment on these volumes")
        self.calibrate_button.clicked.connect(self.start)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop the calibration; the last result stays")
        self.cancel_button.clicked.connect(self.cancel)
        self.progress = QProgressBar()
        self.progress.setFormat("%v of %m")
        self.progress.setToolTip("Usable volumes so far")
        self.message = QLabel("Not calibrated yet.")
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.calibrate_button)
        row.addWidget(self.cancel_button)
        row.addWidget(self.progress, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.setup)
        column.addLayout(row)
        column.addWidget(self.message)

    def _look(self) -> None:
        """Fetch what the calibration has to say."""
        job = self.job
        if job is None:
            return
        is_over = job.is_over  # asked first: what comes later belongs to the last round
        n_usable, n_seen = job.progress
        self.progress.setValue(n_usable)
        if not is_over:
            unused = f", {n_seen - n_usable} of no use" if n_seen > n_usable else ""
            self.say(f"Calibrating: {n_usable} usable volumes{unused}")
            return
        self._timer.stop()
        self._show_busy(is_busy=False)
        if job.is_canceled:
            self.say("The calibration was canceled.")
        elif job.error:
            self.fail(job.error)
        elif job.report is not None:
            self.say(_summary(job.report))
            self.calibrated.emit(job.report)

    def _show_busy(self, *, is_busy: bool) -> None:
        self.calibrate_button.setEnabled(not is_busy)
        self.cancel_button.setEnabled(is_busy)
        self.progress.setEnabled(is_busy)
        self.setup.setEnabled(not is_busy)


class _Switch:
    """Ends a calibration when its dock is destroyed; holds nothing of Qt, gone by then."""

    def __init__(self) -> None:
        self.job: CalibrationJob | None = None

    def turn_off(self) -> None:
        """End the calibration, if one runs."""
        if self.job is not None:
            self.job.cancel()


def _summary(report: CalibrationReport) -> str:
    text = f"Calibrated on {report.alignment.n_volumes} volumes."
    if not report.unused:
        return text
    reasons = sorted({unused.reason for unused in report.unused})
    return f"{text} {len(report.unused)} were of no use: {'; '.join(reasons[:2])}."
