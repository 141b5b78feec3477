"""The form in which a session is set up."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCompleter,
    QFileDialog,
    QFormLayout,
    QFrame,
    QLabel,
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
    LiveSettings,
    PreprocessSettings,
    RunSettings,
    SettingsError,
)
from napari_acll.label import offered_devices
from napari_acll.session import load_settings, save_profile
from napari_acll.widgets._crop_editor import CropEditor
from napari_acll.widgets._field_editors import FieldEditor, make_editor
from napari_acll.widgets._path_editor import ChoiceEditor, PathEditor
from napari_acll.widgets._preferences import Preferences
from napari_acll.widgets._profile_row import ProfileRow
from napari_acll.widgets._recent_choices import RecentChoices
from napari_acll.widgets._recording_row import RecordingRow
from napari_acll.widgets._run import RunRequest
from napari_acll.widgets._session_paths import fresh_session_path, is_address, is_simulated
from napari_acll.widgets._settings_form import SettingsForm, label_of, sentence_of
from napari_acll.widgets._speed_row import SpeedRow

_MIN_HEIGHT_PX = 110
_MODELS = ("default",)
_OUT, _MODEL = "session", "model"
"""Purposes of remembered folders."""
# the settings that stand in the main part, by stage; all others are under "Advanced"
_IN_FRONT = {
    "source": ("live.is_live",),
    "preprocess": ("crop", "bin_px"),
    "label": ("model", "device"),
    "run": ("pace",),
    "alignment": ("n_volumes",),
}


class SetupPanel(QScrollArea):
    """Edits everything that a session needs; knows neither viewer nor session."""

    valueChanged = Signal()  # noqa: N815  Qt classes keep Qt's names
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(_MIN_HEIGHT_PX)
        self._preferences = Preferences()
        self.recent = RecentChoices()
        self._proposed_out = ""
        self._front: dict[tuple[str, ...], FieldEditor] = {}
        self._advanced: dict[str, SettingsForm] = {}
        body = QWidget()
        self._layout = QVBoxLayout(body)
        self._layout.setContentsMargins(4, 4, 8, 4)
        self._build_front()
        self._build_crop()
        self._animal = SettingsForm(AnimalInfo)
        self._add_collapsible("Animal and notes", {"animal": self._animal})
        self._build_advanced()
        self._layout.addStretch(1)
        self.setWidget(body)
        self._connect()

    def request(self) -> RunRequest:
        """Return what the form asks for.

        Raises
        ------
        SettingsError
            If something is missing or not valid.
        """
        recording = self._recording()
        out = self.out.value()
        if not out:
            raise SettingsError("No session folder is chosen; name a folder that does not exist.")
        return RunRequest(
            recording=recording, settings=self.settings(), out=Path(out).expanduser()
        )

    def look_request(self) -> RunRequest:
        """Return what the form asks for, without recording it.

        Raises
        ------
        SettingsError
            If no recording is chosen, or a value is not valid.
        """
        return RunRequest(recording=self._recording(), settings=self.settings(), out=None)

    def settings(self) -> AcllSettings:
        """Return all settings as the form shows them.

        Raises
        ------
        SettingsError
            If the models refuse a value.
        """
        values: dict[str, Any] = {
            stage: form.changed_values() for stage, form in self._advanced.items()
        }
        values["animal"] = self._animal.changed_values()
        for path, editor in self._front.items():
            _put(values, path, editor.value())
        try:
            return AcllSettings.model_validate(values)
        except ValidationError as error:
            raise SettingsError(sentence_of(error)) from error

    def set_settings(self, settings: AcllSettings) -> None:
        """Show these settings."""
        values = settings.model_dump()
        for stage, form in self._advanced.items():
            form.setValues(values[stage])
        self._animal.setValues(values["animal"])
        for path, editor in self._front.items():
            value: Any = values
            for name in path:
                value = value[name]
            editor.setValue(value)

    def set_recording(self, recording: str, *, is_live: bool | None = None) -> None:
        """Choose a recording, and propose a fresh session folder for it.

        Parameters
        ----------
        recording : str
            Path or address.
        is_live : bool, optional
            Whether it is followed while it is written; None: as the form says, but an address
            always is and the virtual worm never.
        """
        if is_live is not None:
            self.armed.setValue(is_live)
        self.recording.setValue(recording)

    def set_alignment_file(self, path: str) -> None:
        """Let the session apply an alignment file; empty: let it calibrate."""
        self._advanced["alignment"].setValues({"file": path or None})

    def show_preferences(self, preferences: Preferences) -> None:
        """Show what a user has chosen in napari's settings.

        Parameters
        ----------
        preferences : Preferences
            A profile among them knows its rig better than the rest.
        """
        self._preferences = preferences
        settings = AcllSettings()
        if preferences.profile:
            try:
                settings = load_settings(preferences.profile)
                self.profile.setValue(preferences.profile)
            except SettingsError as error:
                self.failed.emit(str(error))
        try:
            self.set_settings(preferences.applied_to(settings))
        except ValidationError as error:
            self.failed.emit(sentence_of(error))

    def load_profile(self, name: str) -> None:
        """Show the settings of a profile; what is noted about the animal stays."""
        try:
            loaded = load_settings(name)
            animal = AnimalInfo.model_validate(self._animal.values())
        except (SettingsError, ValidationError) as error:
            self.failed.emit(str(error))
            return
        self.set_settings(loaded.model_copy(update={"animal": animal}))
        self.profile.setValue(name)

    def save_profile(self, name: str) -> None:
        """Keep what the form shows, without the animal, as a profile."""
        try:
            save_profile(self.settings(), name)
        except SettingsError as error:
            self.failed.emit(str(error))
            return
        self.profile.setValue(name)

    def remember(self) -> None:
        """Keep the recording among the last ones, because a session was started on it."""
        self.recent.remember_recording(self._recording())
        self._show_recent()

    def propose_out(self) -> None:
        """Propose a fresh session folder, unless the user named one himself."""
        recording = self.recording.value()
        if recording and self.out.value() in ("", self._proposed_out):
            folder = self._preferences.session_folder
            self._proposed_out = str(fresh_session_path(recording, folder))
            self.out.setValue(self._proposed_out)

    def _recording(self) -> str:
        recording: str = self.recording.value()
        if not recording:
            raise SettingsError(
                "No recording is chosen; choose an ND2 file or a folder, drop one here, or press"
                " Simulated."
            )
        return recording

    def _connect(self) -> None:
        self.recording.valueChanged.connect(self._follow_recording)
        self.recording_row.chosen.connect(self._choose_recording)
        self.profile.chosen.connect(self.load_profile)
        self.profile.save_asked.connect(self.save_profile)
        for editor in (self.recording, self.out, *self._front.values()):
            editor.valueChanged.connect(self.valueChanged)
        for form in (self._animal, *self._advanced.values()):
            form.valueChanged.connect(self.valueChanged)

    def _choose_recording(self, recording: str, is_live: bool) -> None:
        self.set_recording(recording, is_live=is_live)

    def _follow_recording(self) -> None:
        recording = self.recording.value()
        if is_address(recording):
            self.armed.setValue(True)
        elif is_simulated(recording):
            self.armed.setValue(False)
        self.propose_out()

    def _show_recent(self) -> None:
        completer = QCompleter(list(self.recent.recordings), self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.recording.line.setCompleter(completer)

    def _build_front(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._layout.addLayout(form)
        self.profile = ProfileRow()
        form.addRow("Profile", self.profile)
        self.recording = PathEditor("drop a recording here")
        self._show_recent()
        _add_row(
            form,
            "Recording",
            self.recording,
            "ND2 file, folder with one file per volume, Zarr or NumPy array, the simulated worm,"
            " or an address: shm:NAME, tcp://HOST:PORT, micromanager:",
        )
        self.recording_row = RecordingRow(self.recent)
        form.addRow("", self.recording_row)
        self.armed = make_editor(LiveSettings.model_fields["is_live"])
        self._add_front(form, LiveSettings, ("source", "live", "is_live"), self.armed, text="Arm")
        self.out = PathEditor("fresh folder for the results")
        self.out.add_button("...", "Choose where the session folder is made", self._ask_out)
        _add_row(form, "Save to", self.out, "Session folder; it must not exist yet")
        model = ChoiceEditor(_MODELS)
        model.add_button("...", "Choose a checkpoint file", self._ask_model)
        self._add_front(form, LabelSettings, ("label", "model"), model)
        devices = ChoiceEditor(offered_devices())
        self._add_front(form, LabelSettings, ("label", "device"), devices)
        self.speed = SpeedRow()
        form.addRow("", self.speed)
        self._add_front(form, RunSettings, ("run", "pace"))
        text = "Calibrate on"
        self._add_front(form, AlignmentSettings, ("alignment", "n_volumes"), text=text)

    def _build_crop(self) -> None:
        body = QWidget()
        form = QFormLayout(body)
        form.setContentsMargins(0, 0, 0, 0)
        self.crop = CropEditor()
        self._add_front(form, PreprocessSettings, ("preprocess", "crop"), self.crop)
        self._add_front(form, PreprocessSettings, ("preprocess", "bin_px"), text="Binning (px)")
        self.crop_section = _collapsible("Crop and binning")
        self.crop_section.addWidget(body)
        self._layout.addWidget(self.crop_section)

    def _add_front(
        self,
        form: QFormLayout,
        model: type[BaseModel],
        path: tuple[str, ...],
        editor: FieldEditor | None = None,
        *,
        text: str | None = None,
    ) -> None:
        name = path[-1]
        field = model.model_fields[name]
        editor = editor or make_editor(field)
        editor.setValue(field.default)
        self._front[path] = editor
        _add_row(form, text or label_of(name), editor, field.description or "")

    def _build_advanced(self) -> None:
        for stage, field in AcllSettings.model_fields.items():
            model = field.annotation
            if stage != "animal" and isinstance(model, type) and issubclass(model, BaseModel):
                self._advanced[stage] = SettingsForm(model, exclude=_IN_FRONT.get(stage, ()))
        self._add_collapsible("Advanced", self._advanced, with_titles=True)

    def _add_collapsible(
        self, title: str, forms: dict[str, SettingsForm], *, with_titles: bool = False
    ) -> None:
        collapsible = _collapsible(title)
        for stage, form in forms.items():
            if with_titles:
                collapsible.addWidget(_title(label_of(stage)))
            collapsible.addWidget(form)
        self._layout.addWidget(collapsible)

    def _ask_model(self) -> str:
        folder = self.recent.folder(_MODEL)
        path = str(QFileDialog.getOpenFileName(self, "Choose a checkpoint", folder)[0])
        if path:
            self.recent.remember_folder(_MODEL, path)
        return path

    def _ask_out(self) -> str:
        folder = self.recent.folder(_OUT)
        parent = QFileDialog.getExistingDirectory(self, "Make the session folder in", folder)
        if not parent:
            return ""
        self.recent.remember_folder(_OUT, parent)
        return str(fresh_session_path(self.recording.value() or "session", Path(parent)))


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *groups, name = path
    for group in groups:
        values = values.setdefault(group, {})
    values[name] = value


def _collapsible(title: str) -> QCollapsible:
    collapsible = QCollapsible(title)
    collapsible.setDuration(0)
    collapsible.layout().setContentsMargins(0, 0, 0, 0)
    return collapsible


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
