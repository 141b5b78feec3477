"""What was chosen last, so that dialogs open where the last one ended."""

import json
import logging
import os
from pathlib import Path

_LOG = logging.getLogger(__name__)
_DATA_DIR_VARIABLE = "ACLL_DATA_DIR"
_MOST_RECORDINGS = 10


class RecentChoices:
    """Folders and recordings of earlier sessions, kept in a file of the user.

    A file that cannot be read or written costs the memory, nothing else; that is logged.
    """

    def __init__(self) -> None:
        content = _read()
        folders = content.get("folders")
        recordings = content.get("recordings")
        self._folders: dict[str, str] = (
            {str(key): str(value) for key, value in folders.items()}
            if isinstance(folders, dict)
            else {}
        )
        self._recordings = (
            [str(text) for text in recordings] if isinstance(recordings, list) else []
        )

    @property
    def recordings(self) -> tuple[str, ...]:
        """The last recordings, the newest first."""
        return tuple(self._recordings)

    def folder(self, purpose: str) -> str:
        """Return the last folder of a purpose, empty if there is none any more."""
        folder = self._folders.get(purpose, "")
        return folder if folder and Path(folder).is_dir() else ""

    def remember_folder(self, purpose: str, path: str) -> None:
        """Keep the folder of a file, or a folder itself."""
        chosen = Path(path)
        self._folders[purpose] = str(chosen if chosen.is_dir() else chosen.parent)
        self._write()

    def remember_recording(self, recording: str) -> None:
        """Keep a recording on which a session was started."""
        others = [other for other in self._recordings if other != recording]
        self._recordings = [recording, *others][:_MOST_RECORDINGS]
        self._write()

    def _write(self) -> None:
        path = _file()
        content = {"folders": self._folders, "recordings": self._recordings}
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(content, indent=1), encoding="utf-8")
            unfinished.replace(path)
        except OSError as error:
            _LOG.warning("What was chosen is not remembered: %s", error)


def _read() -> dict[str, object]:
    try:
        content = json.loads(_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _LOG.warning("What was chosen last is not known: %s", error)
        return {}
    return content if isinstance(content, dict) else {}


def _file() -> Path:
    import platformdirs

    given = os.environ.get(_DATA_DIR_VARIABLE)
    folder = Path(given) if given else platformdirs.user_data_path("napari-acll", appauthor=False)
    return folder / "recent.json"
