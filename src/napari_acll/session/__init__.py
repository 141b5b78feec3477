"""One live or replayed recording: the threads, the queue and the states."""

from napari_acll.session._build import build_session
from napari_acll.session._latest import Latest
from napari_acll.session._resume import resume_session
from napari_acll.session._saved import open_recording, spec_of, traces_of
from napari_acll.session._session import Session
from napari_acll.session._settings_file import load_settings, profile_names, save_settings

__all__ = [
    "Latest",
    "Session",
    "build_session",
    "load_settings",
    "open_recording",
    "profile_names",
    "resume_session",
    "save_settings",
    "spec_of",
    "traces_of",
]
