"""Marking what the animal does or is shown: a line of text, a button, and the last marks."""

from datetime import datetime

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

_MOST_LISTED = 200


class MarkPanel(QWidget):
    """Asks for marks, and lists those that were kept; knows no session.

    The line keeps its text, so that the same mark can be made again by one key.
    """

    marked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        row = QHBoxLayout()
        self.line = QLineEdit("mark")
        self.line.setToolTip("NAME, or NAME,VALUE, or NAME,VALUE,NOTE, such as light,0.5,470 nm")
        self.line.setAccessibleName("What is marked")
        self.line.returnPressed.connect(self.mark)
        self.button = QPushButton("Mark")
        self.button.setToolTip("Note this at the present time of the recording, in marks.csv")
        self.button.clicked.connect(self.mark)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)
        layout.addLayout(row)
        self.listed = QPlainTextEdit()
        self.listed.setReadOnly(True)
        self.listed.setMaximumBlockCount(_MOST_LISTED)
        self.listed.setPlaceholderText("Marks of this session")
        self.listed.setToolTip("The last marks of this session, the newest at the end")
        layout.addWidget(self.listed)

    def value(self) -> str:
        """Return the line of the next mark."""
        return str(self.line.text())

    def setValue(self, line: str) -> None:  # noqa: N802
        """Choose the line of the next mark."""
        self.line.setText(line)

    def mark(self) -> None:
        """Ask for a mark, if one can be made now."""
        if self.isEnabled():
            self.marked.emit(self.value())

    def add(self, text: str) -> None:
        """List a mark that was kept."""
        self.listed.appendPlainText(f"{datetime.now().astimezone():%H:%M:%S}  {text}")

    def clear(self) -> None:
        """Forget the marks of the session before; the line stays."""
        self.listed.clear()
