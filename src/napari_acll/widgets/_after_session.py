"""What can be done with a session that is over."""

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_acll.core import AcllError
from napari_acll.widgets._calibrate_names import ask_and_calibrate
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
        self._session: Path | None = None
        self.export = ExportRow()
        self.calibrate = QPushButton("Calibrate names…")
        self.calibrate.setToolTip("Make probabilities hold on this rig, by checked names")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.export, 1)
        row.addWidget(self.calibrate)
        self.calibrate.clicked.connect(self.calibrate_names)
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
        self._session = session
        self.export.set_session(session)
        self.calibrate.setVisible(is_complete)
        self.setVisible(session is not None or self.export.is_busy)

    def calibrate_names(self) -> None:
        """Ask for checked names of the session and calibrate its model on them."""
        if self._session is None:
            return
        try:
            done = ask_and_calibrate(self, self._session)
        except AcllError as error:
            self.failed.emit(str(error))
            return
        if done:
            self.told.emit(f"calibration: {done}")

    def _tell_export(self, sentence: str) -> None:
        self.told.emit(f"export: {sentence}")
