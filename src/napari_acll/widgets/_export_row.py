"""The row with which the traces of a session are exported."""

from pathlib import Path

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_acll.widgets._export_job import ExportJob
from napari_acll.widgets._when_destroyed import when_destroyed

_POLL_MS = 50
_SUFFIXES = {"Table (*.csv)": ".csv", "HDF5 (*.h5)": ".h5", "NWB (*.nwb)": ".nwb"}
_FULL = 100


class ExportRow(QWidget):
    """A button that asks for a file, then a bar and a button that cancels.

    Attributes
    ----------
    exported : Signal(str)
        What was written, or that it was canceled.
    failed : Signal(str)
        Why nothing was written.
    """

    exported = Signal(str)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._session: Path | None = None
        self._job: ExportJob | None = None
        self._switch = _Switch()
        self.button = QPushButton("Export…")
        self.button.setToolTip(
            "Write the traces of this session as a table (CSV), HDF5 or NWB, as `acll export` does"
        )
        self.bar = QProgressBar()
        self.bar.setRange(0, _FULL)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("End the export; no file is left")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for part in (self.button, self.bar, self.cancel_button):
            row.addWidget(part)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)
        self.button.clicked.connect(self.ask)
        self.cancel_button.clicked.connect(self.cancel)
        when_destroyed(self, self._switch.turn_off)
        self._show_parts()

    @property
    def is_busy(self) -> bool:
        """Whether something is being written."""
        return self._job is not None

    def set_session(self, session: Path | None) -> None:
        """Let the button export this session folder; None: there is nothing to export."""
        self._session = session
        self._show_parts()

    def ask(self) -> None:
        """Ask for a file, and export into it."""
        session = self._session
        if session is None or self.is_busy:
            return
        proposal = session.with_name(f"{session.stem}.csv")
        name, kind = QFileDialog.getSaveFileName(
            self, "Export the traces", str(proposal), ";;".join(_SUFFIXES)
        )
        if name:
            out = Path(name)
            self.export(out if out.suffix else out.with_suffix(_SUFFIXES.get(kind, ".csv")))

    def export(self, out: Path) -> None:
        """Export the session into a file; returns at once."""
        if self._session is None or self.is_busy:
            return
        self._job = self._switch.job = ExportJob(self._session, out)
        self._timer.start()
        self._show_parts()

    def cancel(self) -> None:
        """End the export, if there is one; no file is left then."""
        if self._job is not None:
            self._job.cancel()

    def _poll(self) -> None:
        job = self._job
        if job is None:
            return
        self.bar.setValue(round(_FULL * job.part_done))
        if not job.is_done:
            return
        self._timer.stop()
        self._job = self._switch.job = None
        self._show_parts()
        if job.error:
            self.failed.emit(job.error)
        else:
            self.exported.emit(job.sentence)

    def _show_parts(self) -> None:
        self.button.setVisible(not self.is_busy)
        self.button.setEnabled(self._session is not None)
        self.bar.setVisible(self.is_busy)
        self.cancel_button.setVisible(self.is_busy)
        self.bar.setValue(0)


class _Switch:
    """Cancels when the dock is destroyed; holds nothing of Qt, which is gone by then."""

    def __init__(self) -> None:
        self.job: ExportJob | None = None

    def turn_off(self) -> None:
        """Cancel the export, if there is one."""
        if self.job is not None:
            self.job.cancel()
