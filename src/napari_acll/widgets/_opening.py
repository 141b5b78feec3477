"""Opens what is to be played, in a thread of its own: a share may be slow."""

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_acll.core import AcllError
from napari_acll.widgets._lazy_volumes import LayerData
from napari_acll.widgets._playable import Playable, open_recording_file

if TYPE_CHECKING:
    from napari_acll.widgets._saved_run import SavedRun

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Something that was opened.

    Parameters
    ----------
    playable : Playable
        What is played.
    layers : list of LayerData
        Its layers, which nobody has added to a viewer yet.
    run : SavedRun, optional
        The session, if it is one.
    """

    playable: Playable
    layers: list[LayerData]
    run: "SavedRun | None" = None


class Opening:
    """Opens a recording or a session folder.

    Parameters
    ----------
    path : str
        What the user chose.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.opened: Opened | None = None
        self.error = ""
        self._done = threading.Event()
        threading.Thread(target=self._work, name="acll-open", daemon=True).start()

    @property
    def is_done(self) -> bool:
        """Whether it is open, or `error` says why not."""
        return self._done.is_set()

    def _work(self) -> None:
        try:
            self.opened = open_playable(self.path)
        except AcllError as error:
            self.error = str(error)
        except Exception as error:  # noqa: BLE001  the edge of the thread: shown on screen
            _log.exception("%s cannot be opened.", self.path)
            self.error = f"{self.path} cannot be opened ({type(error).__name__}: {error})."
        finally:
            self._done.set()


def open_playable(path: str) -> Opened:
    """Open a session folder, or else a recording.

    Raises
    ------
    AcllError
        If it is neither, or cannot be read.
    """
    from napari_acll.widgets._saved_layers import is_session_folder, open_session

    if is_session_folder(path):
        run, layers = open_session(path)
        return Opened(playable=run.playable, layers=layers, run=run)
    playable, layers = open_recording_file(path)
    return Opened(playable=playable, layers=layers)
