"""The napari plugin: docks for live sessions, traces and alignment, a reader, sample data.

The only package that needs Qt and napari. Names are imported on first use, so that napari can
read a file without a screen.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_acll.widgets._alignment_widget import AlignmentWidget
    from napari_acll.widgets._live_widget import LiveSessionWidget
    from napari_acll.widgets._neurons_widget import NeuronsWidget
    from napari_acll.widgets._projections import ProjectionsPanel
    from napari_acll.widgets._reader import (
        get_nd2_reader,
        get_session_reader,
        open_sample_session,
        open_simulated_worm,
    )
    from napari_acll.widgets._replay_widget import ReplayWidget
    from napari_acll.widgets._settings_form import SettingsForm
    from napari_acll.widgets._trace_widget import TracePlotWidget

__all__ = [
    "AlignmentWidget",
    "LiveSessionWidget",
    "NeuronsWidget",
    "ProjectionsPanel",
    "ReplayWidget",
    "SettingsForm",
    "TracePlotWidget",
    "get_nd2_reader",
    "get_session_reader",
    "open_sample_session",
    "open_simulated_worm",
]

_MODULES = {
    "AlignmentWidget": "_alignment_widget",
    "LiveSessionWidget": "_live_widget",
    "NeuronsWidget": "_neurons_widget",
    "ProjectionsPanel": "_projections",
    "ReplayWidget": "_replay_widget",
    "SettingsForm": "_settings_form",
    "TracePlotWidget": "_trace_widget",
    "get_nd2_reader": "_reader",
    "get_session_reader": "_reader",
    "open_sample_session": "_reader",
    "open_simulated_worm": "_reader",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
