"""Whether and how the channels are compared on screen."""

from typing import NamedTuple

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QRadioButton, QWidget

from napari_acll.widgets._alignment_preview import PreviewMode, Projection
from napari_acll.widgets._field_editors import guard_wheel

_TIPS = {
    PreviewMode.OVERLAY: "Both channels at once, magenta and green: what fits is white",
    PreviewMode.FLICKER: "Both channels in turn, twice a second: what does not fit jumps",
    PreviewMode.CHECKERBOARD: "Fields of both channels in turn: what does not fit is broken at"
    " the edges",
}


class PreviewChoice(NamedTuple):
    """How the channels are compared.

    Parameters
    ----------
    is_shown : bool
        Whether they are shown at all.
    mode : PreviewMode
        How.
    projection : Projection
        What of the depth.
    """

    is_shown: bool = True
    mode: PreviewMode = PreviewMode.OVERLAY
    projection: Projection = Projection.PLANES


class PreviewControls(QWidget):
    """A check box, three ways to compare, and what of the depth is seen."""

    valueChanged = Signal(object)  # noqa: N815  Qt classes keep Qt's names

    def __init__(self) -> None:
        super().__init__()
        self.shown = QCheckBox("Preview of")
        self.shown.setToolTip("Show both channels in layers of their own, under this alignment")
        self.shown.setChecked(True)
        self.projection = QComboBox()
        self.projection.addItems([projection.value for projection in Projection])
        self.projection.setToolTip(
            "What of the depth is seen: single planes, the maximum or the mean along z; a"
            " checkerboard of planes is one of the maximum"
        )
        guard_wheel(self.projection)
        self.modes: dict[PreviewMode, QRadioButton] = {}
        for mode, tip in _TIPS.items():
            self.modes[mode] = QRadioButton(mode.value.capitalize())
            self.modes[mode].setToolTip(tip)
        self.modes[PreviewMode.OVERLAY].setChecked(True)
        grid = QGridLayout(self)  # in two rows: one would be too wide for a small screen
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.addWidget(self.shown, 0, 0)
        grid.addWidget(self.projection, 0, 1, 1, 2)
        for column, button in enumerate(self.modes.values()):
            grid.addWidget(button, 1, column)
        self.shown.toggled.connect(self._tell)
        for button in self.modes.values():
            button.toggled.connect(self._tell_checked)
        self.projection.currentIndexChanged.connect(self._tell)

    def value(self) -> PreviewChoice:
        """Return what is chosen."""
        mode = next(mode for mode, button in self.modes.items() if button.isChecked())
        projection = list(Projection)[self.projection.currentIndex()]
        return PreviewChoice(bool(self.shown.isChecked()), mode, projection)

    def setValue(self, value: PreviewChoice) -> None:  # noqa: N802
        """Choose."""
        self.projection.setCurrentIndex(list(Projection).index(value.projection))
        self.modes[value.mode].setChecked(True)
        self.shown.setChecked(value.is_shown)

    def _tell_checked(self, is_checked: bool) -> None:
        if is_checked:  # of two buttons that change at once, one
            self._tell()

    def _tell(self) -> None:
        self.valueChanged.emit(self.value())
