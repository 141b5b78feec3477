"""The line below the device that says how fast the model is on it."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_acll.session import LabelSpeed
from napari_acll.widgets._check_list import LIGHT_COLORS
from napari_acll.widgets._lights import QUIET, color_text

_UNKNOWN = "not measured on this device yet"
_BUSY = "measuring; Cancel here, or in napari's activity"
_MEASURE, _CANCEL = "Measure", "Cancel"


class SpeedRow(QWidget):
    """How long one volume takes on the chosen device, and a button that measures it.

    Attributes
    ----------
    measure_asked : Signal()
        The user wants it to be measured.
    cancel_asked : Signal()
        The user does not want to wait for it.
    """

    measure_asked = Signal()
    cancel_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._is_busy = False
        self._speed: LabelSpeed | None = None
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.button = QPushButton(_MEASURE)
        self.button.setToolTip(
            "Load the model on this device and time it on the simulated worm; takes some seconds"
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self._press)
        self.setValue(None)

    def value(self) -> LabelSpeed | None:
        """Return what is shown."""
        return self._speed

    def setValue(self, speed: LabelSpeed | None) -> None:  # noqa: N802
        """Show a measurement; None: there is none."""
        self._speed = speed
        if self._is_busy:
            return
        if speed is None:
            self.text.setText(_UNKNOWN)
            self.text.setToolTip("")
            color_text(self.text, QUIET)
        else:
            self.text.setText(speed.brief())
            self.text.setToolTip(f"{speed.sentence()}.")
            color_text(self.text, LIGHT_COLORS[speed.light()])

    def show_busy(self, is_busy: bool) -> None:
        """Show that it is being measured, or what was."""
        self._is_busy = is_busy
        self.button.setText(_CANCEL if is_busy else _MEASURE)
        if is_busy:
            self.text.setText(_BUSY)
            color_text(self.text, QUIET)
        else:
            self.setValue(self._speed)

    def _press(self) -> None:
        (self.cancel_asked if self._is_busy else self.measure_asked).emit()
