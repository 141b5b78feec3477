"""Where a session is saved unless the user says otherwise: never over something that exists."""

import os
import re
from pathlib import Path

SESSION_SUFFIX = ".acll"
SIMULATED = "simulated"


def is_simulated(recording: str) -> bool:
    """Return whether a recording is the virtual worm and not a path."""
    return recording == SIMULATED or recording.startswith(f"{SIMULATED}:")


def fresh_session_path(recording: str) -> Path:
    """Return a session folder that does not exist yet.

    Beside the recording where that can be written, otherwise in the user's documents.

    Parameters
    ----------
    recording : str
        Path of a recording, or "simulated...".
    """
    if is_simulated(recording):
        return _first_free(_documents(), SIMULATED)
    path = Path(recording).expanduser()
    beside = path.parent
    folder = beside if beside.is_dir() and os.access(beside, os.W_OK) else _documents()
    return _first_free(folder, path.stem or "session")


def _documents() -> Path:
    from platformdirs import user_documents_path

    return user_documents_path() / "AutoCellLabel"


def _first_free(folder: Path, stem: str) -> Path:
    name = re.sub(r"[^\w.-]+", "_", stem)
    number = 1
    while (folder / f"{name}_{number:03d}{SESSION_SUFFIX}").exists():
        number += 1
    return folder / f"{name}_{number:03d}{SESSION_SUFFIX}"
