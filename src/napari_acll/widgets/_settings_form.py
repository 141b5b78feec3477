"""A form for any settings model: ranges, texts and defaults all come from the model itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QGroupBox, QWidget

from napari_acll.core import SettingsError
from napari_acll.widgets._field_editors import FieldEditor, make_editor


def label_of(name: str) -> str:
    """Return the name of a setting as the form shows it: `voxel_size_um` -> "Voxel size (um)"."""
    units = {"um": "um", "s": "s", "px": "px", "deg": "degrees"}
    words = name.split("_")
    unit = units.get(words[-1]) if len(words) > 1 else None
    text = " ".join(words[:-1] if unit else words)
    text = text[:1].upper() + text[1:]
    return f"{text} ({unit})" if unit else text


def sentence_of(error: ValidationError) -> str:
    """Return what is wrong with a settings value as one sentence."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "The settings"
    return f"{where}: {first['msg']} (got {first['input']!r}); correct it in the form."


class SettingsForm(QWidget):
    """Edits the fields of one settings model, nested models included.

    Parameters
    ----------
    model : type of pydantic.BaseModel
        The settings.
    only : sequence of str, optional
        The fields to show, in this order; None: all.
    exclude : sequence of str
        Fields that are edited elsewhere; `live.is_live` is one of a nested model.
    parent : QWidget, optional
        Qt parent.
    """

    valueChanged = Signal()  # noqa: N815  Qt classes keep Qt's names

    def __init__(
        self,
        model: type[BaseModel],
        *,
        only: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._editors: dict[str, FieldEditor] = {}
        self._nested: dict[str, SettingsForm] = {}
        self._layout = QFormLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name in only if only is not None else model.model_fields:
            if name not in exclude:
                inner = [path.partition(".") for path in exclude]
                self._add(name, [rest for group, _, rest in inner if group == name])

    def _add(self, name: str, inner_exclude: Sequence[str]) -> None:
        field = self._model.model_fields[name]
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            self._add_group(name, annotation, field.description or "", inner_exclude)
            return
        editor = make_editor(field)
        editor.setObjectName(name)
        editor.setToolTip(field.description or "")
        editor.valueChanged.connect(self.valueChanged)
        self._editors[name] = editor
        self._layout.addRow(label_of(name), editor)
        self._layout.labelForField(editor).setToolTip(field.description or "")

    def _add_group(
        self, name: str, model: type[BaseModel], description: str, exclude: Sequence[str]
    ) -> None:
        group = QGroupBox(label_of(name))
        group.setToolTip(description)
        form = SettingsForm(model, exclude=exclude)
        form.valueChanged.connect(self.valueChanged)
        QFormLayout(group).addRow(form)
        self._nested[name] = form
        self._layout.addRow(group)

    def editor(self, name: str) -> FieldEditor:
        """Return the editor of one field."""
        return self._editors[name]

    def values(self) -> dict[str, Any]:
        """Return the values as they stand in the form, not validated."""
        own: dict[str, Any] = {name: editor.value() for name, editor in self._editors.items()}
        own.update({name: form.values() for name, form in self._nested.items()})
        return own

    def changed_values(self) -> dict[str, Any]:
        """Return the values that differ from the defaults.

        What was left alone stays unset, so that it can still be chosen by what is found in the
        recording.
        """
        own: dict[str, Any] = {
            name: editor.value()
            for name, editor in self._editors.items()
            if editor.value() != self._model.model_fields[name].default
        }
        nested = {name: form.changed_values() for name, form in self._nested.items()}
        return own | {name: values for name, values in nested.items() if values}

    def setValues(self, values: Mapping[str, Any]) -> None:  # noqa: N802
        """Show these values; fields that the form lacks are left out."""
        for name, editor in self._editors.items():
            if name in values:
                editor.setValue(values[name])
        for name, form in self._nested.items():
            if name in values:
                form.setValues(values[name])

    def value(self) -> BaseModel:
        """Return the settings that the form shows.

        Raises
        ------
        SettingsError
            If the model refuses a value.
        """
        try:
            return self._model.model_validate(self.values())
        except ValidationError as error:
            raise SettingsError(sentence_of(error)) from error

    def setValue(self, value: BaseModel) -> None:  # noqa: N802
        """Show these settings."""
        self.setValues(value.model_dump())
