"""The form in which a session is set up."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_acll.core import (
    AcllSettings,
    AlignmentSettings,
    AnimalInfo,
    LabelSettings,
    RunSettings,
    SettingsError,
)
from napari_acll.widgets._field_editors import FieldEditor, make_editor
from napari_acll.widgets._path_editor import ChoiceEditor, PathEditor
from napari_acll.widgets._run import RunRequest
from napari_acll.widgets._session_paths import SIMULATED, fresh_session_path
from napari_acll.widgets._settings_form import SettingsForm, label_of, sentence_of

_DEVICES = ("auto", "cpu", "cuda:0")
_MIN_HEIGHT_PX = 220
_MODELS = ("default",)
# the settings that stand in the main part, by stage; all others are under "Advanced"
_IN_FRONT = {"label": ("model", "device"), "run": ("pace",), "alignment": ("n_volumes",)}


class SetupPanel(QScrollArea):
    """Edits everything that a session needs; knows neither viewer nor session."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(_MIN_HEIGHT_PX)
        self._proposed_out = ""
        self._front: dict[tuple[str, str], FieldEditor] = {}
        self._advanced: dict[str, SettingsForm] = {}
        body = QWidget()
        self._layout = QVBoxLayout(body)
        self._layout.setContentsMargins(4, 4, 8, 4)
        self._build_front()
        self._animal = self._add_collapsible(
            "Animal and notes", {"animal": SettingsForm(AnimalInfo)}
        )
        self._build_advanced()
        self._layout.addStretch(1)
        self.setWidget(body)

    def request(self) -> RunRequest:
        """Return what the form asks for.

        Raises
        ------
        SettingsError
            If something is missing or not valid.
        """
        recording = self.recording.value()
        if not recording:
            raise SettingsError(
                "No recording is chosen; choose an ND2 file or a folder, drop one here, or press"
                " Simulated."
            )
        out = self.out.value()
        if not out:
            raise SettingsError("No session folder is chosen; name a folder that does not exist.")
        return RunRequest(
            recording=recording, settings=self.settings(), out=Path(out).expanduser()
        )

    def settings(self) -> AcllSettings:
        """Return all settings as the form shows them.

        Raises
        ------
        SettingsError
            If the models refuse a value.
        """
        values: dict[str, dict[str, Any]] = {
            stage: form.changed_values() for stage, form in self._advanced.items()
        }
        values["animal"] = self._animal["animal"].changed_values()
        for (stage, name), editor in self._front.items():
            values[stage][name] = editor.value()
        try:
            return AcllSettings.model_validate(values)
        except ValidationError as error:
            raise SettingsError(sentence_of(error)) from error

    def set_settings(self, settings: AcllSettings) -> None:
        """Show these settings."""
        values = settings.model_dump()
        for stage, form in self._advanced.items():
            form.setValues(values[stage])
        self._animal["animal"].setValues(values["animal"])
        for (stage, name), editor in self._front.items():
            editor.setValue(values[stage][name])

    def set_recording(self, recording: str) -> None:
        """Choose a recording, and propose a fresh session folder for it."""
        self.recording.setValue(recording)

    def set_alignment_file(self, path: str) -> None:
        """Let the session apply an alignment file; empty: let it calibrate."""
        self._advanced["alignment"].setValues({"file": path or None})

    def propose_out(self) -> None:
        """Propose a fresh session folder, unless the user named one himself."""
        recording = self.recording.value()
        if recording and self.out.value() in ("", self._proposed_out):
            self._proposed_out = str(fresh_session_path(recording))
            self.out.setValue(self._proposed_out)

    def _build_front(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._layout.addLayout(form)
        self.recording = PathEditor("drop a recording here")
        self.recording.valueChanged.connect(self.propose_out)
        _add_row(
            form,
            "Recording",
            self.recording,
            "ND2 file, folder with one file per volume,"
            " Zarr or NumPy array, or the simulated worm",
        )
        form.addRow("", self._recording_buttons())
        self.out = PathEditor("fresh folder for the results")
        self.out.add_button("...", "Choose where the session folder is made", self._ask_out)
        _add_row(form, "Save to", self.out, "Session folder; it must not exist yet")
        model = ChoiceEditor(_MODELS)
        model.add_button("...", "Choose a checkpoint file", self._ask_model)
        self._add_front(form, LabelSettings, "label", "model", model)
        self._add_front(form, LabelSettings, "label", "device", ChoiceEditor(_DEVICES))
        self._add_front(form, RunSettings, "run", "pace")
        self._add_front(form, AlignmentSettings, "alignment", "n_volumes", text="Calibrate on")

    def _recording_buttons(self) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        for text, tip, choose in (
            ("File...", "Choose a recording", self._ask_file),
            ("Folder...", "Choose a folder with one file per volume", self._ask_folder),
            ("Simulated worm", "Use the virtual worm: no file needed", lambda: SIMULATED),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(partial(self._choose_recording, choose))
            layout.addWidget(button)
        return row

    def _choose_recording(self, choose: Callable[[], str]) -> None:
        recording = choose()
        if recording:
            self.set_recording(recording)

    def _add_front(
        self,
        form: QFormLayout,
        model: type[BaseModel],
        stage: str,
        name: str,
        editor: FieldEditor | None = None,
        *,
        text: str | None = None,
    ) -> None:
        field = model.model_fields[name]
        editor = editor or make_editor(field)
        editor.setValue(field.default)
        self._front[stage, name] = editor
        _add_row(form, text or label_of(name), editor, field.description or "")

    def _build_advanced(self) -> None:
        for stage, field in AcllSettings.model_fields.items():
            model = field.annotation
            if stage != "animal" and isinstance(model, type) and issubclass(model, BaseModel):
                self._advanced[stage] = SettingsForm(model, exclude=_IN_FRONT.get(stage, ()))
        self._add_collapsible("Advanced", self._advanced, with_titles=True)

    def _add_collapsible(
        self, title: str, forms: dict[str, SettingsForm], *, with_titles: bool = False
    ) -> dict[str, SettingsForm]:
        collapsible = QCollapsible(title)
        collapsible.setDuration(0)
        collapsible.layout().setContentsMargins(0, 0, 0, 0)
        for stage, form in forms.items():
            if with_titles:
                collapsible.addWidget(_title(label_of(stage)))
            collapsible.addWidget(form)
        self._layout.addWidget(collapsible)
        return forms

    def _ask_file(self) -> str:
        return str(QFileDialog.getOpenFileName(self, "Choose a recording")[0])

    def _ask_folder(self) -> str:
        return str(QFileDialog.getExistingDirectory(self, "Choose a folder of volumes"))

    def _ask_model(self) -> str:
        return str(QFileDialog.getOpenFileName(self, "Choose a checkpoint")[0])

    def _ask_out(self) -> str:
        parent = QFileDialog.getExistingDirectory(self, "Make the session folder in")
        if not parent:
            return ""
        return str(Path(parent) / fresh_session_path(self.recording.value() or "session").name)


def _title(text: str) -> QWidget:
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label


def _add_row(form: QFormLayout, text: str, editor: FieldEditor, tip: str) -> None:
    editor.setToolTip(tip)
    form.addRow(text, editor)
    form.labelForField(editor).setToolTip(tip)
