"""Calibrating a model on checked names, from the screen."""

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_acll.widgets._long_work import LongWork, Steps

_START, _CANCEL = "Calibrate names…", "Cancel calibration"
_CANCELED = "The calibration was canceled; {} was not written."
_GAVE_WAY = (
    "The calibration was canceled, because the live session needs the computer; {} was not"
    " written. Calibrate again when the session is over."
)


class CalibrateNames(QPushButton):
    """Asks for a table of checked names and for a file, and writes the calibrated model.

    Labels the recording again where the session ran with another model; while it works the button
    cancels it, and so do the one in napari's activity dock and a live session that starts. No
    file is left then.

    Attributes
    ----------
    told : Signal(str)
        What was done, or that it was canceled.
    failed : Signal(str)
        Why it was not done.
    """

    told = Signal(str)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__(_START)
        self.setToolTip("Make probabilities hold on this rig, by checked names")
        self._session: Path | None = None
        self._out = Path()
        self._canceled = _CANCELED
        self.work = LongWork("acll-calibrate-names", self)
        self.work.done.connect(self._tell_done)
        self.work.failed.connect(self._tell_failure)
        self.work.canceled.connect(self._tell_canceled)
        self.clicked.connect(self._press)

    def set_session(self, session: Path | None) -> None:
        """Let the button calibrate on this session; None: there is nothing to calibrate on."""
        self._session = session

    def ask(self) -> None:
        """Ask for the table and for the file, and calibrate."""
        from napari_acll.label import models_dir

        session = self._session
        if session is None or self.work.is_busy:
            return
        names, _ = QFileDialog.getOpenFileName(
            self, "Table of checked names (volume, name, z_px, y_px, x_px)", "", "Tables (*.csv)"
        )
        if not names:
            return
        models_dir().mkdir(parents=True, exist_ok=True)
        proposal = models_dir() / f"{session.stem}.safetensors"
        out, _ = QFileDialog.getSaveFileName(
            self, "Calibrated model to write", str(proposal), "Models (*.safetensors)"
        )
        if out:
            self.calibrate(Path(names), Path(out))

    def calibrate(self, names: Path, out: Path) -> None:
        """Write the model of the session, calibrated on checked names; returns at once.

        Parameters
        ----------
        names : Path
            Table of checked names.
        out : Path
            Model file to write.
        """
        session = self._session
        if session is None or self.work.is_busy:
            return
        self._out, self._canceled = out, _CANCELED

        def work(steps: Steps) -> str:
            from napari_acll.training import calibrate_names

            result = calibrate_names(session, names, out=out, progress=steps)
            return f"{result.summary()} Choose the model {out} for the next session."

        self.work.start("Calibrating names", work)
        self.setText(_CANCEL)

    def give_way(self) -> None:
        """Cancel, because a live session starts, and tell so; returns at once."""
        if self.work.is_busy:
            self._canceled = _GAVE_WAY
            self.work.cancel()

    def _press(self) -> None:
        if self.work.is_busy:
            self.work.cancel()
        else:
            self.ask()

    def _tell_done(self, sentence: str) -> None:
        self.setText(_START)
        self.told.emit(sentence)

    def _tell_failure(self, sentence: str) -> None:
        self.setText(_START)
        self.failed.emit(sentence)

    def _tell_canceled(self) -> None:
        self.setText(_START)
        self.told.emit(self._canceled.format(self._out.name))
