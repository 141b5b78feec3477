"""Choosing a recording: a file, a folder, the virtual worm, or something that sends volumes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from napari_acll.widgets._recent_choices import RecentChoices
from napari_acll.widgets._session_paths import SIMULATED

LIVE_SOURCES = (
    ("Micro-Manager (the next acquisition)", "micromanager:"),
    ("Shared memory of this computer (shm:NAME)", "shm:nis"),
    ("Another computer (tcp://HOST:PORT)", "tcp://127.0.0.1:5570"),
)
"""What the menu says, and the address to begin with."""
_PURPOSE = "recording"


class RecordingRow(QWidget):
    """Buttons that choose a recording; knows no settings.

    Parameters
    ----------
    recent : RecentChoices
        Where dialogs open, and the last recordings.
    """

    chosen = Signal(str, bool)
    """The recording, and whether it is to be followed while it is written."""

    def __init__(self, recent: RecentChoices) -> None:
        super().__init__()
        self._recent = recent
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for text, tip, choose in (
            ("File...", "Replay a recording that is finished", self._ask_file),
            ("Folder...", "Replay a folder with one file per volume", self._ask_folder),
            ("Simulated worm", "Use the virtual worm: no file needed", lambda: SIMULATED),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(partial(self._choose, choose, False))
            row.addWidget(button)
        self.live_button = QPushButton("Live")
        self.live_button.setToolTip("Follow a recording while the microscope writes or sends it")
        self.live_menu = QMenu(self)
        self.live_menu.setToolTipsVisible(True)
        self.live_menu.aboutToShow.connect(self._fill_menu)
        self.live_button.setMenu(self.live_menu)
        row.addWidget(self.live_button)
        self._fill_menu()

    def _fill_menu(self) -> None:
        menu = self.live_menu
        menu.clear()
        menu.addAction("A folder that is being filled…").triggered.connect(
            partial(self._choose, self._ask_folder, True)
        )
        menu.addAction("An ND2 file that grows…").triggered.connect(
            partial(self._choose, self._ask_growing_file, True)
        )
        for text, address in LIVE_SOURCES:
            menu.addAction(text).triggered.connect(
                partial(self._choose, partial(str, address), True)
            )
        if self._recent.recordings:
            menu.addSeparator()
        for recording in self._recent.recordings:
            menu.addAction(f"Again: {recording}").triggered.connect(
                partial(self._choose, partial(str, recording), True)
            )

    def _choose(self, choose: Callable[[], str], is_live: bool, *_checked: bool) -> None:
        recording = choose()
        if recording:
            self.chosen.emit(recording, is_live)

    def _ask_file(self) -> str:
        folder = self._recent.folder(_PURPOSE)
        return self._kept(QFileDialog.getOpenFileName(self, "Choose a recording", folder)[0])

    def _ask_folder(self) -> str:
        folder = self._recent.folder(_PURPOSE)
        title = "Choose a folder of volumes"
        return self._kept(QFileDialog.getExistingDirectory(self, title, folder))

    def _ask_growing_file(self) -> str:
        """Ask for a file that need not be there yet: the microscope is going to make it."""
        folder = str(Path(self._recent.folder(_PURPOSE)) / "recording.nd2")
        chosen = QFileDialog.getSaveFileName(
            self,
            "The ND2 file that the microscope is going to write",
            folder,
            "ND2 files (*.nd2)",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )[0]
        return self._kept(chosen)

    def _kept(self, path: str) -> str:
        if path:
            self._recent.remember_folder(_PURPOSE, path)
        return str(path)
