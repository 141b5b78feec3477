"""Types, settings, protocols and errors that all stages share; numpy and pydantic only."""

from napari_acll.core._alignment import AlignmentOrigin, ChannelAlignment
from napari_acll.core._errors import (
    AcllError,
    AlignmentError,
    ModelError,
    NotBegunError,
    PluginError,
    RecordingError,
    SessionError,
    SettingsError,
)
from napari_acll.core._labels import (
    N_CANDIDATES,
    NOVELTY_LIMIT,
    SIDE_DOUBT,
    Detections,
    LabeledVolume,
)
from napari_acll.core._neurons import BACKGROUND, NeuronTable
from napari_acll.core._plugins import StageGroup, load_stage, stage_names
from napari_acll.core._protocols import (
    IdentityFilter,
    Labeler,
    RandomAccessSource,
    SessionWriter,
    TraceEstimator,
    VolumeSource,
)
from napari_acll.core._settings import (
    AcllSettings,
    AlignmentSettings,
    AnimalInfo,
    CropSettings,
    DropPolicy,
    LabelSettings,
    LiveSettings,
    Pace,
    PreprocessSettings,
    RunSettings,
    SourceSettings,
    TraceSettings,
)
from napari_acll.core._state import SessionCounters, SessionState, StageTimings
from napari_acll.core._trace import TraceSample, TraceStore, VolumeStatus
from napari_acll.core._trust import calibration_label, calibration_notice
from napari_acll.core._volume import Volume, VolumeArray, VolumeSpec, VoxelGrid

__all__ = [
    "BACKGROUND",
    "NOVELTY_LIMIT",
    "N_CANDIDATES",
    "SIDE_DOUBT",
    "AcllError",
    "AcllSettings",
    "AlignmentError",
    "AlignmentOrigin",
    "AlignmentSettings",
    "AnimalInfo",
    "ChannelAlignment",
    "CropSettings",
    "Detections",
    "DropPolicy",
    "IdentityFilter",
    "LabelSettings",
    "LabeledVolume",
    "Labeler",
    "LiveSettings",
    "ModelError",
    "NeuronTable",
    "NotBegunError",
    "Pace",
    "PluginError",
    "PreprocessSettings",
    "RandomAccessSource",
    "RecordingError",
    "RunSettings",
    "SessionCounters",
    "SessionError",
    "SessionState",
    "SessionWriter",
    "SettingsError",
    "SourceSettings",
    "StageGroup",
    "StageTimings",
    "TraceEstimator",
    "TraceSample",
    "TraceSettings",
    "TraceStore",
    "Volume",
    "VolumeArray",
    "VolumeSource",
    "VolumeSpec",
    "VolumeStatus",
    "VoxelGrid",
    "calibration_label",
    "calibration_notice",
    "load_stage",
    "stage_names",
]
