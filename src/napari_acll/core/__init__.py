"""Types, settings, protocols and errors that all stages share; numpy and pydantic only."""

from napari_acll.core._alignment import AlignmentOrigin, ChannelAlignment, ChannelDrift
from napari_acll.core._checks import Check, Light, worst_light
from napari_acll.core._corrected import corrected
from napari_acll.core._correction import Correction, CorrectionKind, CorrectionState
from napari_acll.core._corrections import Corrections
from napari_acll.core._deadlines import DeadlineReport, Durations
from napari_acll.core._errors import (
    AcllError,
    AlignmentError,
    CorrectionError,
    ModelError,
    NotBegunError,
    PluginError,
    RecordingError,
    SessionError,
    SettingsError,
)
from napari_acll.core._file_lock import lock_file, lock_file_soon
from napari_acll.core._labels import (
    N_CANDIDATES,
    NOVELTY_LIMIT,
    SIDE_DOUBT,
    Detections,
    LabeledVolume,
)
from napari_acll.core._live_mark import LiveMark, live_session_runs
from napari_acll.core._marks import Mark
from napari_acll.core._neurons import BACKGROUND, NeuronTable
from napari_acll.core._plugins import StageGroup, load_stage, stage_names
from napari_acll.core._protocols import (
    CorrectableFilter,
    IdentityFilter,
    Labeler,
    MarkChannel,
    Publisher,
    RandomAccessSource,
    RereadableSource,
    ResumableSource,
    SessionWriter,
    TraceEstimator,
    VolumeSource,
)
from napari_acll.core._published import PublishedSample
from napari_acll.core._settings import (
    AcllSettings,
    AlignmentSettings,
    AnimalInfo,
    Backend,
    Backfill,
    CropSettings,
    DropPolicy,
    IdentitySettings,
    LabelSettings,
    MarkSettings,
    Pace,
    PreprocessSettings,
    PublishMode,
    PublishSettings,
    RunSettings,
    TraceSettings,
)
from napari_acll.core._source_settings import LiveSettings, SourceSettings
from napari_acll.core._state import SessionCounters, SessionState, StageTimings
from napari_acll.core._steady_clock import SteadyClock
from napari_acll.core._trace import (
    TraceFlag,
    TraceSample,
    TraceStore,
    VolumeStatus,
    volume_times,
)
from napari_acll.core._trust import calibration_label, calibration_notice
from napari_acll.core._user_files import (
    DATA_DIR_VARIABLE,
    user_cache_dir,
    user_data_dir,
    write_whole,
)
from napari_acll.core._volume import Volume, VolumeArray, VolumeSpec, VoxelGrid

__all__ = [
    "BACKGROUND",
    "DATA_DIR_VARIABLE",
    "NOVELTY_LIMIT",
    "N_CANDIDATES",
    "SIDE_DOUBT",
    "AcllError",
    "AcllSettings",
    "AlignmentError",
    "AlignmentOrigin",
    "AlignmentSettings",
    "AnimalInfo",
    "Backend",
    "Backfill",
    "ChannelAlignment",
    "ChannelDrift",
    "Check",
    "CorrectableFilter",
    "Correction",
    "CorrectionError",
    "CorrectionKind",
    "CorrectionState",
    "Corrections",
    "CropSettings",
    "DeadlineReport",
    "Detections",
    "DropPolicy",
    "Durations",
    "IdentityFilter",
    "IdentitySettings",
    "LabelSettings",
    "LabeledVolume",
    "Labeler",
    "Light",
    "LiveMark",
    "LiveSettings",
    "Mark",
    "MarkChannel",
    "MarkSettings",
    "ModelError",
    "NeuronTable",
    "NotBegunError",
    "Pace",
    "PluginError",
    "PreprocessSettings",
    "PublishMode",
    "PublishSettings",
    "PublishedSample",
    "Publisher",
    "RandomAccessSource",
    "RecordingError",
    "RereadableSource",
    "ResumableSource",
    "RunSettings",
    "SessionCounters",
    "SessionError",
    "SessionState",
    "SessionWriter",
    "SettingsError",
    "SourceSettings",
    "StageGroup",
    "StageTimings",
    "SteadyClock",
    "TraceEstimator",
    "TraceFlag",
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
    "corrected",
    "live_session_runs",
    "load_stage",
    "lock_file",
    "lock_file_soon",
    "stage_names",
    "user_cache_dir",
    "user_data_dir",
    "volume_times",
    "worst_light",
    "write_whole",
]
