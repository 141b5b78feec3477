"""One editor per kind of settings field, all with `value`, `setValue` and `valueChanged`."""

import types
from enum import Enum
from typing import Any, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)

_INT_LIMIT = 2**31 - 1
_FLOAT_LIMIT = 1e9


class _WheelGuard(QObject):
    """Keeps the wheel from changing a value while the user scrolls past it."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


def guard_wheel(widget: QWidget) -> None:
    """Let a spin or combo box answer to the wheel only when it has the focus."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_WheelGuard(widget))


class FieldEditor(QWidget):
    """Edits one value; the base of all editors."""

    valueChanged = Signal()  # noqa: N815  Qt classes keep Qt's names

    def __init__(self) -> None:
        super().__init__()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)

    def value(self) -> Any:
        """Return the value that is shown.

        Raises
        ------
        NotImplementedError
            In this base class: each editor shows its value in its own way.
        """
        raise NotImplementedError

    def setValue(self, value: Any) -> None:  # noqa: N802
        """Show a value.

        Raises
        ------
        NotImplementedError
            In this base class: each editor shows its value in its own way.
        """
        raise NotImplementedError


class _BoolEditor(FieldEditor):
    def __init__(self) -> None:
        super().__init__()
        self._box = QCheckBox()
        self._box.toggled.connect(lambda _on: self.valueChanged.emit())
        self._row.addWidget(self._box)

    def value(self) -> bool:
        return bool(self._box.isChecked())

    def setValue(self, value: Any) -> None:  # noqa: N802
        self._box.setChecked(bool(value))


class _NumberEditor(FieldEditor):
    def __init__(self, box: QAbstractSpinBox) -> None:
        super().__init__()
        self._box = box
        self._box.setKeyboardTracking(False)
        self._box.valueChanged.connect(lambda _value: self.valueChanged.emit())
        guard_wheel(self._box)
        self._row.addWidget(self._box)

    def value(self) -> int | float:
        number: int | float = self._box.value()
        return number

    def setValue(self, value: Any) -> None:  # noqa: N802
        self._box.setValue(value)


class _EnumEditor(FieldEditor):
    def __init__(self, enum: type[Enum]) -> None:
        super().__init__()
        self._box = QComboBox()
        self._enum = enum
        for member in enum:
            self._box.addItem(str(member.value).replace("_", " "))
        self._box.currentIndexChanged.connect(lambda _index: self.valueChanged.emit())
        guard_wheel(self._box)
        self._row.addWidget(self._box)

    def value(self) -> Enum:
        member: Enum = list(self._enum)[self._box.currentIndex()]
        return member

    def setValue(self, value: Any) -> None:  # noqa: N802
        self._box.setCurrentIndex(list(self._enum).index(self._enum(value)))


class _TextEditor(FieldEditor):
    def __init__(self) -> None:
        super().__init__()
        self._line = QLineEdit()
        self._line.textChanged.connect(lambda _text: self.valueChanged.emit())
        self._row.addWidget(self._line)

    def value(self) -> str:
        return str(self._line.text())

    def setValue(self, value: Any) -> None:  # noqa: N802
        self._line.setText(str(value))


class _ListEditor(FieldEditor):
    """Any number of texts in one line, divided by semicolons."""

    def __init__(self) -> None:
        super().__init__()
        self._line = QLineEdit()
        self._line.setPlaceholderText("divided by ;")
        self._line.textChanged.connect(lambda _text: self.valueChanged.emit())
        self._row.addWidget(self._line)

    def value(self) -> tuple[str, ...]:
        parts = (part.strip() for part in str(self._line.text()).split(";"))
        return tuple(part for part in parts if part)

    def setValue(self, value: Any) -> None:  # noqa: N802
        self._line.setText("; ".join(value))


class _TupleEditor(FieldEditor):
    def __init__(self, parts: list[FieldEditor]) -> None:
        super().__init__()
        self._parts = parts
        for part in parts:
            part.valueChanged.connect(self.valueChanged)
            self._row.addWidget(part)

    def value(self) -> tuple[Any, ...]:
        return tuple(part.value() for part in self._parts)

    def setValue(self, value: Any) -> None:  # noqa: N802
        for part, one in zip(self._parts, value, strict=True):
            part.setValue(one)


class _OptionalEditor(FieldEditor):
    """A check box before an editor: unchecked means None."""

    def __init__(self, inner: FieldEditor) -> None:
        super().__init__()
        self._check = QCheckBox()
        self._check.setToolTip("Unchecked: found automatically")
        self._inner = inner
        inner.setEnabled(False)
        self._check.toggled.connect(inner.setEnabled)
        self._check.toggled.connect(lambda _on: self.valueChanged.emit())
        inner.valueChanged.connect(self.valueChanged)
        self._row.addWidget(self._check)
        self._row.addWidget(inner, 1)

    def value(self) -> Any:
        return self._inner.value() if self._check.isChecked() else None

    def setValue(self, value: Any) -> None:  # noqa: N802
        self._check.setChecked(value is not None)
        if value is not None:
            self._inner.setValue(value)


def make_editor(field: FieldInfo) -> FieldEditor:
    """Return the editor of a settings field, showing its default.

    Raises
    ------
    TypeError
        If there is no editor for the field's type.
    """
    annotation, is_optional = _without_none(field.annotation)
    editor = _plain_editor(annotation, field)
    if is_optional:
        editor = _OptionalEditor(editor)
    if not field.is_required():
        editor.setValue(field.get_default(call_default_factory=True))
    return editor


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in get_args(annotation) if part is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return annotation, False


def _plain_editor(annotation: Any, field: FieldInfo) -> FieldEditor:
    if annotation == tuple[str, ...]:
        return _ListEditor()
    if get_origin(annotation) is tuple:
        return _TupleEditor([_plain_editor(part, field) for part in get_args(annotation)])
    if annotation is bool:
        return _BoolEditor()
    if annotation is int:
        return _NumberEditor(_int_box(field))
    if annotation is float:
        return _NumberEditor(_float_box(field))
    if annotation is str:
        return _TextEditor()
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _EnumEditor(annotation)
    raise TypeError(f"There is no editor for settings of type {annotation!r}.")


def _int_box(field: FieldInfo) -> QSpinBox:
    box = QSpinBox()
    lowest, highest = _bounds(field, step=1, limit=_INT_LIMIT)
    box.setRange(int(lowest), int(highest))
    return box


def _float_box(field: FieldInfo) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(3)
    lowest, highest = _bounds(field, step=0.001, limit=_FLOAT_LIMIT)
    box.setRange(lowest, highest)
    box.setSingleStep(0.05 if highest <= 1 else 0.1)
    return box


def _bounds(field: FieldInfo, *, step: float, limit: float) -> tuple[float, float]:
    """Return the smallest and largest value; excluded bounds move inward by one step."""
    lowest, highest = -limit, limit
    for rule in field.metadata:
        if isinstance(rule, annotated_types.Ge):
            lowest = float(rule.ge)  # type: ignore[arg-type]
        elif isinstance(rule, annotated_types.Gt):
            lowest = float(rule.gt) + step  # type: ignore[arg-type]
        elif isinstance(rule, annotated_types.Le):
            highest = float(rule.le)  # type: ignore[arg-type]
        elif isinstance(rule, annotated_types.Lt):
            highest = float(rule.lt) - step  # type: ignore[arg-type]
    return lowest, highest
