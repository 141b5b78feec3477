"""Calibrating a model on checked names, from the screen."""

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QWidget


def ask_and_calibrate(parent: QWidget, session: Path) -> str:
    """Ask for a table of checked names and for a file, and write the calibrated model.

    Takes a second or two, in which the screen waits: the names are those that the session kept.

    Parameters
    ----------
    parent : QWidget
        The dialogs lie on it.
    session : Path
        A finished session.

    Returns
    -------
    str
        What was done, in one sentence; empty if the user thought better of it.

    Raises
    ------
    AcllError
        If the table, the session or the model cannot be used.
    """
    from napari_acll.label import models_dir

    names, _ = QFileDialog.getOpenFileName(
        parent, "Table of checked names (volume, name, z_px, y_px, x_px)", "", "Tables (*.csv)"
    )
    if not names:
        return ""
    models_dir().mkdir(parents=True, exist_ok=True)
    proposal = models_dir() / f"{session.stem}.safetensors"
    out, _ = QFileDialog.getSaveFileName(
        parent, "Calibrated model to write", str(proposal), "Models (*.safetensors)"
    )
    return calibrate(session, Path(names), Path(out)) if out else ""


def calibrate(session: Path, names: Path, out: Path) -> str:
    """Write the model of a session, calibrated on checked names, and say what was done.

    Raises
    ------
    AcllError
        If the table, the session or the model cannot be used.
    """
    from napari_acll.training import calibrate_names

    QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
    try:
        result = calibrate_names(session, names, out=out)
    finally:
        QApplication.restoreOverrideCursor()
    return f"{result.summary()} Choose the model {out} for the next session."
