"""The crop in numbers, which can also be dragged on the full frame, from above and the side."""

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QSpinBox, QWidget

from napari_acll.core import CropSettings
from napari_acll.widgets._field_editors import FieldEditor, guard_wheel

_LARGEST_PX = 1_000_000
_AXES = (("z", "slices"), ("y", "rows"), ("x", "columns"))


class CropEditor(FieldEditor):
    """Edits `CropSettings`, in pixels of the recording as stored."""

    drag_asked = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(0, 0, 0, 0)
        self._boxes: dict[str, QSpinBox] = {}
        for row, (axis, what) in enumerate(_AXES):
            grid.addWidget(QLabel(what), row, 0)
            grid.addWidget(self._add_box(f"{axis}_start_px", f"First of the {what}"), row, 1)
            grid.addWidget(QLabel("up to"), row, 2)
            stop = self._add_box(f"{axis}_stop_px", f"First of the {what} after the crop")
            stop.setSpecialValueText("end")
            grid.addWidget(stop, row, 3)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        grid.addLayout(self._buttons(), len(_AXES), 0, 1, 4)
        self._row.addWidget(body)

    def value(self) -> CropSettings:
        """Return the crop, not compared with any frame."""
        starts = {f"{axis}_start_px": self._boxes[f"{axis}_start_px"].value() for axis, _ in _AXES}
        stops = {
            f"{axis}_stop_px": self._boxes[f"{axis}_stop_px"].value() or None for axis, _ in _AXES
        }
        return CropSettings.model_validate(starts | stops)

    def setValue(self, value: Any) -> None:  # noqa: N802
        """Show a crop: `CropSettings`, or what its `model_dump` gives."""
        crop = CropSettings.model_validate(value)
        before = self.value()
        for name, box in self._boxes.items():
            box.blockSignals(True)
            box.setValue(getattr(crop, name) or 0)
            box.blockSignals(False)
        if self.value() != before:
            self.valueChanged.emit()

    def end_drag(self) -> None:
        """Show that nothing is being dragged."""
        self.drag_button.setChecked(False)

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.drag_button = QPushButton("Drag on the full frame")
        self.drag_button.setCheckable(True)
        self.drag_button.setToolTip(
            "Show the full frame with a rectangle for rows and columns, and below it the view from"
            " the side with one for slices; move and resize them, then press again"
        )
        self.drag_button.toggled.connect(self.drag_asked)
        self.whole_button = QPushButton("Whole frame")
        self.whole_button.setToolTip("Use all slices, rows and columns")
        self.whole_button.clicked.connect(lambda: self.setValue(CropSettings()))
        row.addWidget(self.drag_button)
        row.addWidget(self.whole_button)
        return row

    def _add_box(self, name: str, tip: str) -> QSpinBox:
        box = QSpinBox()
        box.setRange(0, _LARGEST_PX)
        box.setKeyboardTracking(False)
        box.setToolTip(tip)
        box.setAccessibleName(tip)
        box.valueChanged.connect(lambda _value: self.valueChanged.emit())
        guard_wheel(box)
        self._boxes[name] = box
        return box
