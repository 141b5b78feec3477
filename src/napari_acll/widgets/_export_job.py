"""Writes the traces of a session in a thread of its own: a long session takes a minute."""

import logging
import threading
from pathlib import Path

from napari_acll.core import AcllError, SessionError

_LOG = logging.getLogger(__name__)
_CANCELED = "The export was canceled; {} was not written."


class ExportJob:
    """Exports a session into a file, tells how far it is, and can be canceled; knows no Qt.

    Parameters
    ----------
    session : Path
        A session folder.
    out : Path
        The file to write; one that exists is replaced.
    """

    def __init__(self, session: Path, out: Path) -> None:
        self.out = out
        self.part_done = 0.0
        self.sentence = ""
        self.error = ""
        self._session = session
        self._canceled = threading.Event()
        self._done = threading.Event()
        threading.Thread(target=self._work, name="acll-export", daemon=True).start()

    @property
    def is_done(self) -> bool:
        """Whether it has ended: `sentence` says what was done, or `error` what went wrong."""
        return self._done.is_set()

    def cancel(self) -> None:
        """Ask it to end and to leave no file; returns at once."""
        self._canceled.set()

    def _progress(self, part_done: float) -> None:
        self.part_done = part_done
        if self._canceled.is_set():
            raise SessionError(_CANCELED.format(self.out.name))

    def _work(self) -> None:
        from napari_acll.export import export_session

        try:
            self.sentence = export_session(
                self._session, self.out, overwrite=self.out.exists(), progress=self._progress
            )
        except AcllError as error:
            if self._canceled.is_set():
                self.sentence = _CANCELED.format(self.out.name)
            else:
                self.error = str(error)
        except Exception as error:  # noqa: BLE001  the edge of the thread: shown on screen
            _LOG.exception("%s cannot be exported.", self._session)
            self.error = (
                f"{self._session.name} cannot be exported ({type(error).__name__}: {error})."
            )
        finally:
            self._done.set()
