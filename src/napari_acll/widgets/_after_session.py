"""What can be done with a session that is over."""

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_acll.widgets._calibrate_names import CalibrateNames
from napari_acll.widgets._export_row import ExportRow


class AfterSession(QWidget):
    """Exports the traces, and calibrates the model on checked names.

    Attributes
    ----------
    told : Signal(str)
        What was done, in one sentence.
    failed : Signal(str)
        Why it was not done.
    """

    told = Signal(str)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._has_session = self._is_complete = False
        self.export = ExportRow()
        self.calibrate = CalibrateNames()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.export, 1)
        row.addWidget(self.calibrate)
        self.calibrate.told.connect(self._tell_calibration)
        self.calibrate.failed.connect(self._tell_failure)
        self.export.exported.connect(self._tell_export)
        self.export.failed.connect(self.failed)
        self.hide()

    def set_session(self, session: Path | None, *, is_complete: bool) -> None:
        """Offer what can be done with a session folder; None: there is none to do it with.

        Parameters
        ----------
        session : Path, optional
            The folder.
        is_complete : bool
            Whether it did not fail; else it can be exported only.
        """
        self._has_session, self._is_complete = session is not None, is_complete
        self.export.set_session(session)
        self.calibrate.set_session(session)
        self._show_what_is_there()

    def _show_what_is_there(self) -> None:
        """Show what can be done now, and what is being done."""
        is_calibrating = self.calibrate.work.is_busy
        self.calibrate.setVisible(self._is_complete or is_calibrating)
        self.setVisible(self._has_session or self.export.is_busy or is_calibrating)

    def _tell_calibration(self, sentence: str) -> None:
        self._show_what_is_there()
        self.told.emit(f"calibration: {sentence}")

    def _tell_failure(self, sentence: str) -> None:
        self._show_what_is_there()
        self.failed.emit(sentence)

    def _tell_export(self, sentence: str) -> None:
        self.told.emit(f"export: {sentence}")
