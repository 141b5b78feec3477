"""What is to be calibrated: a recording, that of the Live dock, or two layers."""

from enum import StrEnum
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtGui import QFocusEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QStackedWidget,
    QWidget,
)

from napari_acll.core import AcllSettings, AlignmentSettings, RecordingError, VolumeSource
from napari_acll.widgets._alignment_preview import LAYER_NAMES
from napari_acll.widgets._calibration_job import CalibrationRequest
from napari_acll.widgets._engine import LiveEngine
from napari_acll.widgets._field_editors import guard_wheel
from napari_acll.widgets._layer_source import LayerPairSource
from napari_acll.widgets._path_editor import PathEditor

if TYPE_CHECKING:
    import napari.viewer

_MOST_VOLUMES = 100


class CalibrationOn(StrEnum):
    """Where the volumes come from."""

    RECORDING = "a recording"
    LIVE_DOCK = "the recording of the Live dock"
    LAYERS = "two image layers"


class CalibrationSetup(QWidget):
    """Chooses where volumes come from and how many are used; holds no result.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its image layers can be chosen.
    engine : LiveEngine
        Knows the recording of the Live dock.
    """

    valueChanged = Signal()  # noqa: N815  Qt classes keep Qt's names

    def __init__(self, viewer: "napari.viewer.Viewer", engine: LiveEngine) -> None:
        super().__init__()
        self._viewer = viewer
        self._engine = engine
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(3)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._build_source(layout)
        self._build_number(layout)
        self._show_source()

    def source(self) -> CalibrationOn:
        """Return where the volumes come from."""
        return CalibrationOn(self.source_box.currentText())

    def set_source(self, source: CalibrationOn) -> None:
        """Choose where the volumes come from."""
        self.source_box.setCurrentIndex(list(CalibrationOn).index(source))

    def set_recording(self, recording: str) -> None:
        """Choose a recording."""
        self.set_source(CalibrationOn.RECORDING)
        self.recording.setValue(recording)

    def request(self) -> CalibrationRequest:
        """Return what is asked for.

        Raises
        ------
        RecordingError
            If no recording is chosen, or the layers are no two channels.
        SettingsError
            If the form of the Live dock is not valid.
        """
        recording, settings = self._chosen()
        n_volumes = self.n_volumes.value()
        wanted = settings.alignment.model_copy(
            update={
                "n_volumes": n_volumes,
                "max_wait_volumes": max(settings.alignment.max_wait_volumes, 2 * n_volumes),
            }
        )
        return CalibrationRequest(
            recording=recording,
            settings=settings.model_copy(update={"alignment": wanted}),
            is_spread=self.is_spread.isChecked(),
        )

    def _chosen(self) -> tuple[str | VolumeSource, AcllSettings]:
        if self.source() is CalibrationOn.LAYERS:
            return self._layers(), AcllSettings()
        form = self._engine.form
        recording, settings = ("", AcllSettings()) if form is None else form()
        if self.source() is CalibrationOn.RECORDING:
            recording = self.recording.value()
        if not recording:
            raise RecordingError(
                "No recording is chosen to calibrate on; choose a file or a folder, drop one here,"
                " or choose one in the dock AutoCellLabel Live."
            )
        return recording, settings

    def _layers(self) -> LayerPairSource:
        names = self.marker_box.currentText(), self.activity_box.currentText()
        present = {layer.name for layer in self._viewer.layers}
        missing = [name for name in names if name not in present]
        if missing:
            raise RecordingError(
                "Two image layers are needed, marker and activity, and not both are chosen; open"
                " a recording in napari first, or calibrate on its path."
            )
        marker, activity = (self._viewer.layers[name] for name in names)
        return LayerPairSource(marker, activity)

    def _build_source(self, layout: QFormLayout) -> None:
        self.source_box = QComboBox()
        self.source_box.addItems([source.value for source in CalibrationOn])
        self.source_box.setToolTip("Where the volumes come from on which is calibrated")
        guard_wheel(self.source_box)
        self.source_box.currentIndexChanged.connect(self._show_source)
        layout.addRow("Calibrate on", self.source_box)
        self.recording = PathEditor("drop a recording here")
        self.recording.setToolTip(
            "ND2 file, folder with one file per volume, Zarr or NumPy array, or simulated"
        )
        self.recording.add_button("File...", "Choose a recording", self._ask_file)
        self.recording.add_button("Folder...", "Choose a folder of volumes", self._ask_folder)
        self.recording.valueChanged.connect(self.valueChanged)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.recording)
        of_live = QLabel("As it is chosen there, with its channels, crop and binning")
        of_live.setWordWrap(True)
        self._pages.addWidget(of_live)
        self._pages.addWidget(self._layer_boxes())
        layout.addRow(self._pages)  # the whole width: a path is long, the dock is narrow

    def _layer_boxes(self) -> QWidget:
        row = QWidget()
        inside = QHBoxLayout(row)
        inside.setContentsMargins(0, 0, 0, 0)
        self.marker_box = _LayerBox(self._viewer, "marker")
        self.activity_box = _LayerBox(self._viewer, "activity")
        for box in (self.marker_box, self.activity_box):
            inside.addWidget(QLabel(box.channel))
            inside.addWidget(box, 1)
        return row

    def _build_number(self, layout: QFormLayout) -> None:
        field = AlignmentSettings.model_fields["n_volumes"]
        self.n_volumes = QSpinBox()
        self.n_volumes.setRange(1, _MOST_VOLUMES)
        self.n_volumes.setValue(field.default)
        self.n_volumes.setToolTip("Usable volumes to calibrate on")
        guard_wheel(self.n_volumes)
        self.is_spread = QCheckBox("spread over the recording")
        self.is_spread.setToolTip(
            "Take the volumes evenly from the whole recording instead of its beginning"
        )
        row = QHBoxLayout()
        row.addWidget(self.n_volumes)
        row.addWidget(self.is_spread, 1)
        layout.addRow("Volumes", row)

    def _show_source(self) -> None:
        self._pages.setCurrentIndex(self.source_box.currentIndex())
        if self.source() is CalibrationOn.LAYERS:
            self.marker_box.refresh()
            self.activity_box.refresh()
        self.valueChanged.emit()

    def _ask_file(self) -> str:
        return str(QFileDialog.getOpenFileName(self, "Choose a recording")[0])

    def _ask_folder(self) -> str:
        return str(QFileDialog.getExistingDirectory(self, "Choose a folder of volumes"))


class _LayerBox(QComboBox):
    """Image layers by name, looked up whenever it is opened or reached by keyboard."""

    def __init__(self, viewer: "napari.viewer.Viewer", channel: str) -> None:
        super().__init__()
        self._viewer = viewer
        self.channel = channel
        self.setToolTip(f"The image layer with the {channel} channel, in um and counts")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        guard_wheel(self)

    def refresh(self) -> None:
        """Offer the layers that there are now; a name that fits the channel is proposed."""
        names = [
            layer.name
            for layer in self._viewer.layers
            if isinstance(layer, Image) and layer.name not in LAYER_NAMES
        ]
        if names == [self.itemText(row) for row in range(self.count())]:
            return
        before = self.currentText()
        self.clear()
        self.addItems(names)
        fitting = [name for name in names if self.channel in name.lower()]
        proposed = before if before in names else next(iter(fitting), self.currentText())
        self.setCurrentText(proposed)

    def showPopup(self) -> None:  # noqa: N802
        """Look the layers up, then open."""
        self.refresh()
        super().showPopup()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Look the layers up when reached by keyboard."""
        self.refresh()
        super().focusInEvent(event)
