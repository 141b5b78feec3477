"""Editors whose text may also be chosen in a dialog or from a list."""

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtWidgets import QComboBox, QLineEdit, QPushButton

from napari_acll.widgets._field_editors import FieldEditor, guard_wheel


class PathEditor(FieldEditor):
    """A line of text with buttons that fill it.

    Parameters
    ----------
    placeholder : str
        Shown while the line is empty.
    """

    def __init__(self, placeholder: str = "") -> None:
        super().__init__()
        self._row.setSpacing(2)
        self.line = QLineEdit()
        self.line.setPlaceholderText(placeholder)
        # a dropped file belongs to the whole dock, not into the text as a URL
        self.line.setAcceptDrops(False)
        self.line.textChanged.connect(lambda _text: self.valueChanged.emit())
        self._row.addWidget(self.line, 1)

    def add_button(self, text: str, tip: str, choose: Callable[[], str]) -> None:
        """Add a button; what `choose` returns becomes the text, unless it is empty."""
        button = QPushButton()
        button.setText(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda: self._fill(choose()))
        self._row.addWidget(button)

    def value(self) -> str:
        """Return the text."""
        return str(self.line.text()).strip()

    def setValue(self, value: Any) -> None:  # noqa: N802
        """Show a text, its end visible when it is long."""
        self.line.setText(str(value))
        self.line.setToolTip(str(value))

    def _fill(self, text: str) -> None:
        if text:
            self.setValue(text)


class ChoiceEditor(FieldEditor):
    """A list of usual texts in which others can be typed.

    Parameters
    ----------
    choices : sequence of str
        What the list offers.
    """

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__()
        self._row.setSpacing(2)
        self._box = QComboBox()
        self._box.setEditable(True)
        self._box.addItems(list(choices))
        self._box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self._box.setMinimumContentsLength(8)
        self._box.currentTextChanged.connect(lambda _text: self.valueChanged.emit())
        guard_wheel(self._box)
        self._row.addWidget(self._box, 1)

    def add_button(self, text: str, tip: str, choose: Callable[[], str]) -> None:
        """Add a button; what `choose` returns becomes the text, unless it is empty."""
        button = QPushButton()
        button.setText(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda: self._fill(choose()))
        self._row.addWidget(button)

    def value(self) -> str:
        """Return the text."""
        return str(self._box.currentText()).strip()

    def setValue(self, value: Any) -> None:  # noqa: N802
        """Show a text."""
        self._box.setCurrentText(str(value))

    def _fill(self, text: str) -> None:
        if text:
            self.setValue(text)
