"""What napari opens with this plugin: ND2 recordings, saved sessions and sample data."""

import shutil
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info

from napari_acll.core import AcllError, SessionError, SourceSettings
from napari_acll.widgets._lazy_volumes import LayerData

if TYPE_CHECKING:
    from napari_acll.widgets._saved_run import SavedRun

_SAMPLE = "simulated:volumes=10"
_NOTHING: list[Any] = [(None,)]
"""Tells napari that a file was read and made no layer: the user has been told why."""
_PLUGIN = "napari-acll"
_TRACES_NAME = "AutoCellLabel Traces"


def get_nd2_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return the function that reads a path, None if it is not one ND2 file.

    Parameters
    ----------
    path : str or list of str
        What the user opens.
    """
    if isinstance(path, list) or not str(path).lower().endswith(".nd2"):
        return None
    return _telling(read_nd2)


def read_nd2(path: str) -> list[LayerData]:
    """Return marker and activity of an ND2 recording as lazy layers.

    Raises
    ------
    RecordingError
        If it is not a two-channel series of volumes; the message says what it is instead.
    """
    from napari_acll.sources import Nd2Source
    from napari_acll.widgets._playable import look_at

    source = Nd2Source.from_recording(str(path), SourceSettings())
    return look_at(source, path=str(path), title=Path(path).stem)[1]


def get_session_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return the function that reads a path, None if it is not one session folder of ours.

    Parameters
    ----------
    path : str or list of str
        What the user opens; napari asks for every folder.
    """
    from napari_acll.widgets._saved_layers import is_session_folder

    if isinstance(path, list) or not is_session_folder(path):
        return None
    return _telling(read_session)


def read_session(path: str) -> list[LayerData]:
    """Return label maps and channels of a session as lazy layers; the docks show its traces.

    Raises
    ------
    SessionError
        If it is no session, is damaged, or has no volumes yet.
    """
    from napari_acll.widgets._saved_layers import open_session

    run, layers = open_session(path)
    _show_traces(run)
    return layers or _NOTHING


def open_simulated_worm() -> list[LayerData]:
    """Return ten volumes of the simulated worm as lazy layers, for File > Open Sample."""
    from napari_acll.simulate import SimulatedSource
    from napari_acll.widgets._playable import look_at

    source = SimulatedSource.from_recording(_SAMPLE, SourceSettings())
    return look_at(source, path=_SAMPLE, title="simulated")[1]


def open_sample_session() -> list[LayerData]:
    """Return a session on a dozen volumes of the simulated worm, made on the spot.

    It takes some seconds, and lies in a temporary folder that goes with its layers. Canceled in
    napari's activity dock, it opens nothing.

    Raises
    ------
    AcllError
        If the session cannot be run, or was canceled.
    """
    from napari_acll.widgets._long_work import CanceledError
    from napari_acll.widgets._sample_session import make_sample_session
    from napari_acll.widgets._saved_layers import open_session

    try:
        folder = make_sample_session()
    except CanceledError:  # napari takes a sample without layers for an error in any case
        raise SessionError("The sample was canceled: no session was made.") from None
    run, layers = open_session(folder)
    weakref.finalize(run.playable, shutil.rmtree, folder.parent, ignore_errors=True)
    _show_traces(run)
    return layers


def _telling(read: Callable[[str], list[LayerData]]) -> Callable[[str], list[LayerData]]:
    """Return a reader that says in its own words what is wrong.

    napari hides the error of a preferred reader behind "tried opening, but failed".
    """

    def read_or_tell(path: str) -> list[LayerData]:
        try:
            return read(path)
        except AcllError as error:
            show_error(str(error))
            return _NOTHING

    return read_or_tell


def _show_traces(run: "SavedRun") -> None:
    """Let the docks of the viewer that is being used show a session, if there is one."""
    import napari

    from napari_acll.widgets._engine import engine_of

    viewer = napari.current_viewer()
    if viewer is None:
        return
    for note in run.notes:
        show_info(note)
    if not engine_of(viewer).adopt(run):
        show_info(
            "A session runs in this window: only the layers of the saved one are shown, not its"
            " traces."
        )
        return
    with suppress(KeyError, ValueError):  # this plugin may be disabled, or not installed
        viewer.window.add_plugin_dock_widget(_PLUGIN, _TRACES_NAME)
