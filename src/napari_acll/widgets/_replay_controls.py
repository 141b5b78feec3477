"""Buttons, slider and texts of the Replay dock; knows neither viewer nor files."""

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QShortcut,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_acll.widgets._player import MAX_SPEED

_SPEEDS = {"0.25x": 0.25, "0.5x": 0.5, "1x": 1.0, "2x": 2.0, "max": MAX_SPEED}
_PLACEHOLDER = "Drop a recording or a session folder here"


class ReplayControls(QWidget):
    """Shows where a replay stands, and says what the user wants of it."""

    fileWanted = Signal()  # noqa: N815  Qt classes keep Qt's names
    folderWanted = Signal()  # noqa: N815
    layerWanted = Signal()  # noqa: N815
    playToggled = Signal()  # noqa: N815
    stepped = Signal(int)
    valueChanged = Signal(int)  # noqa: N815
    speedChanged = Signal(float)  # noqa: N815
    labelWanted = Signal()  # noqa: N815
    preferenceWanted = Signal()  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self._times_s: NDArray[np.float64] = np.zeros(0)
        self.path = QElidingLabel(_PLACEHOLDER)
        self.path.setElideMode(Qt.TextElideMode.ElideMiddle)
        # it would become a little lower than its text, and hide the underscore of worm_001.acll
        self.path.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.place = QLabel("-")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.path)
        layout.addLayout(self._sources())
        layout.addLayout(self._transport())
        layout.addLayout(self._timeline())
        layout.addLayout(self._actions())
        layout.addWidget(self.note)
        self._add_keys()
        self.show_state(is_open=False, is_playing=False, can_label=False)

    def value(self) -> int:
        """Return the index of the volume that is shown."""
        return int(self.slider.value())

    def setValue(self, value: int) -> None:  # noqa: N802
        """Show that the replay stands at a volume, without telling `valueChanged`."""
        with QSignalBlocker(self.slider):
            self.slider.setValue(value)
        self._show_place()

    def speed(self) -> float:
        """Return how many times as fast as recorded it is to be played."""
        return _SPEEDS[self.speeds.currentText()]

    def show_path(self, path: str) -> None:
        """Show what is played."""
        self.path.setText(path or _PLACEHOLDER)
        self.path.setToolTip(path)

    def show_times(self, times_s: NDArray[np.float64]) -> None:
        """Show a series of volumes, shape `(n,)` in s, standing at its first one."""
        self._times_s = times_s
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, len(times_s) - 1)
            self.slider.setValue(0)
        self._show_place()

    def show_state(self, *, is_open: bool, is_playing: bool, can_label: bool) -> None:
        """Show what can be done now."""
        self.play_button.setText("Pause" if is_playing else "Play")
        for part in (self.play_button, self.back_button, self.next_button, self.slider):
            part.setEnabled(is_open)
        self.label_button.setEnabled(can_label)

    def show_note(self, sentence: str) -> None:
        """Show what the user should know."""
        self.note.setText(sentence)
        self.note.setVisible(bool(sentence))

    def set_preferred(self, is_preferred: bool) -> None:
        """Show whether napari opens files with this plugin unasked."""
        self.prefer_button.setEnabled(not is_preferred)
        self.prefer_button.setText(
            "Opens .nd2 and .acll" if is_preferred else "Always open .nd2 and .acll"
        )

    def _sources(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.file_button = _button("File…", "Choose an ND2 file or an array")
        self.folder_button = _button(
            "Folder…", "Choose a saved session (.acll), or a folder with one file per volume"
        )
        self.layer_button = _button(
            "Selected layer", "Play what the selected layer shows, whichever plugin opened it"
        )
        self.file_button.clicked.connect(self.fileWanted)
        self.folder_button.clicked.connect(self.folderWanted)
        self.layer_button.clicked.connect(self.layerWanted)
        for button in (self.file_button, self.folder_button, self.layer_button):
            row.addWidget(button)
        return row

    def _transport(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.back_button = _button("Back", "One volume back (key J)")
        self.play_button = _button("Play", "Play, or stand still (key K)")
        self.next_button = _button("Next", "One volume on (key L)")
        self.back_button.clicked.connect(lambda: self.stepped.emit(-1))
        self.play_button.clicked.connect(self.playToggled)
        self.next_button.clicked.connect(lambda: self.stepped.emit(1))
        self.speeds = QComboBox()
        self.speeds.addItems(list(_SPEEDS))
        self.speeds.setCurrentText("1x")
        self.speeds.setToolTip(
            "How fast it is played; max is as fast as volumes can be read. No volume is left out:"
            " a slow disk makes playing slower"
        )
        self.speeds.currentTextChanged.connect(lambda _text: self.speedChanged.emit(self.speed()))
        for part in (self.back_button, self.play_button, self.next_button, self.speeds):
            row.addWidget(part)
        return row

    def _timeline(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Go to a volume; arrow keys go one on or back")
        self.slider.valueChanged.connect(self._tell_value)
        row.addWidget(self.slider, 1)
        row.addWidget(self.place)
        return row

    def _actions(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.label_button = _button(
            "Label from here",
            "Start a session with the volume that is shown, as the Live dock is set up; volumes"
            " before it get no values",
        )
        self.prefer_button = _button(
            "Always open .nd2 and .acll",
            "Let napari open ND2 files and session folders with this plugin without asking;"
            " take it back in Preferences > Plugins",
        )
        self.label_button.clicked.connect(self.labelWanted)
        self.prefer_button.clicked.connect(self.preferenceWanted)
        row.addWidget(self.label_button, 1)
        row.addWidget(self.prefer_button)
        return row

    def _add_keys(self) -> None:
        for key, button in (
            ("J", self.back_button),
            ("K", self.play_button),
            ("L", self.next_button),
        ):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(button.click)

    def _tell_value(self, index: int) -> None:
        self._show_place()
        self.valueChanged.emit(index)

    def _show_place(self) -> None:
        n_volumes = len(self._times_s)
        if n_volumes:
            index = self.value()
            self.place.setText(f"volume {index} / {n_volumes - 1} · {self._times_s[index]:.1f} s")


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
