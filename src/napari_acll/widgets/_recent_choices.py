"""What was chosen last, so that dialogs open where the last one ended."""

import json
import logging
from pathlib import Path

from napari_acll.core import user_data_dir, write_whole

_LOG = logging.getLogger(__name__)
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
        content = {"folders": self._folders, "recordings": self._recordings}
        try:
            write_whole(_file(), json.dumps(content, indent=1))
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
    return user_data_dir() / "recent.json"
