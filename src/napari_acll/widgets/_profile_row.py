"""Choosing and keeping the settings of a rig."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QPushButton, QWidget

from napari_acll.session import profile_names
from napari_acll.widgets._field_editors import guard_wheel


class ProfileRow(QWidget):
    """A list of profiles with a button that keeps the present form as one; knows no settings."""

    chosen = Signal(str)
    save_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.box = QComboBox()
        self.box.setToolTip("Settings of a rig: those shipped with the program, and your own")
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setMinimumContentsLength(8)
        self.box.textActivated.connect(self._choose)
        guard_wheel(self.box)
        self.save_button = QPushButton("Save as…")
        self.save_button.setToolTip(
            "Keep what the form shows, without the animal, as a profile, also for"
            " `acll run --profile`"
        )
        self.save_button.clicked.connect(self._ask_name)
        row.addWidget(self.box, 1)
        row.addWidget(self.save_button)
        self.refresh()

    def value(self) -> str:
        """Return the name of the profile, empty for none."""
        return str(self.box.currentText()) if self.box.currentIndex() > 0 else ""

    def setValue(self, name: str) -> None:  # noqa: N802
        """Show a profile as chosen; its settings are not asked for."""
        self.refresh()
        self.box.setCurrentIndex(max(0, self.box.findText(name)))

    def refresh(self) -> None:
        """Look for profiles anew."""
        before = self.value()
        self.box.clear()
        self.box.addItems(["choose a profile…", *profile_names()])
        self.box.setCurrentIndex(max(0, self.box.findText(before)))

    def _choose(self, _name: str) -> None:
        if self.value():
            self.chosen.emit(self.value())

    def _ask_name(self) -> None:
        name, is_given = QInputDialog.getText(
            self, "Save as profile", "Name of the rig:", text=self.value()
        )
        if is_given and name.strip():
            self.save_asked.emit(name.strip())
