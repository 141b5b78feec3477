"""One live or replayed recording: the threads, the queue and the states."""

from napari_acll.session._build import build_session, trace_estimator_of
from napari_acll.session._first_volume import first_volume
from napari_acll.session._handover import Handover, LentSource
from napari_acll.session._kept_model import KeptModel
from napari_acll.session._label_speed import (
    LabelSpeed,
    check_speed,
    measure_label_speed,
    measured_label_speed,
)
from napari_acll.session._latest import Latest
from napari_acll.session._look import LookMeasures, LookMeter, settings_to_look
from napari_acll.session._preflight import preflight
from napari_acll.session._recording_calibration import CalibrationReport, calibrate_recording
from napari_acll.session._refine import Refinement, refine_session, refined_path
from napari_acll.session._resume import resume_session
from napari_acll.session._room import DiskUse, disk_use
from napari_acll.session._saved import open_recording, spec_of, traces_of
from napari_acll.session._session import Session
from napari_acll.session._settings_file import (
    load_settings,
    own_profiles_dir,
    profile_names,
    save_profile,
    save_settings,
)
from napari_acll.session._warm_up import warm_up

__all__ = [
    "CalibrationReport",
    "DiskUse",
    "Handover",
    "KeptModel",
    "LabelSpeed",
    "Latest",
    "LentSource",
    "LookMeasures",
    "LookMeter",
    "Refinement",
    "Session",
    "build_session",
    "calibrate_recording",
    "check_speed",
    "disk_use",
    "first_volume",
    "load_settings",
    "measure_label_speed",
    "measured_label_speed",
    "open_recording",
    "own_profiles_dir",
    "preflight",
    "profile_names",
    "refine_session",
    "refined_path",
    "resume_session",
    "save_profile",
    "save_settings",
    "settings_to_look",
    "spec_of",
    "trace_estimator_of",
    "traces_of",
    "warm_up",
]
