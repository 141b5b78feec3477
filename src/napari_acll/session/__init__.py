"""One live or replayed recording: the threads, the queue and the states."""

from napari_acll.session._build import build_session
from napari_acll.session._latest import Latest
from napari_acll.session._recording_calibration import CalibrationReport, calibrate_recording
from napari_acll.session._resume import resume_session
from napari_acll.session._session import Session
from napari_acll.session._settings_file import load_settings, profile_names, save_settings

__all__ = [
    "CalibrationReport",
    "Latest",
    "Session",
    "build_session",
    "calibrate_recording",
    "load_settings",
    "profile_names",
    "resume_session",
    "save_settings",
]
