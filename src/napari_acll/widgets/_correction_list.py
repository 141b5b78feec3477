"""The corrections of a session, as a list."""

from qtpy.QtCore import QSize
from qtpy.QtGui import QBrush, QPalette
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_acll.core import Corrections

_HEIGHT_PX = 84


class CorrectionList(QListWidget):
    """Shows what was corrected, the newest on top; gray is what does not hold any more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(
            "Corrections so far, the newest on top, with the volume from which each holds; gray"
            " ones were taken back"
        )
        self.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.setUniformItemSizes(True)
        self._shown: object = None
        self.hide()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a height of some lines."""
        return QSize(super().sizeHint().width(), _HEIGHT_PX)

    def show_corrections(self, corrections: Corrections | None) -> None:
        """Show the corrections of a session; cheap if there is nothing new."""
        history = () if corrections is None else corrections.history
        if history is self._shown:
            return
        self._shown = history
        self.setVisible(bool(history))  # an empty list would take the table's room
        self.clear()
        holding = () if corrections is None else corrections.holding
        for made in reversed(history):
            item = QListWidgetItem(f"{made.from_index}: {made.phrase()}")
            item.setToolTip(made.sentence())
            if not any(made is one for one in holding):
                faint = self.palette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
                item.setForeground(QBrush(faint))
            self.addItem(item)
