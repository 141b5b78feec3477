"""Where a session is saved unless the user says otherwise: never over something that exists."""

import os
import re
from pathlib import Path

SESSION_SUFFIX = ".acll"
SIMULATED = "simulated"
_ADDRESS = re.compile(r"[a-z]{2,}:")  # one letter is a drive


def is_simulated(recording: str) -> bool:
    """Return whether a recording is the virtual worm and not a path."""
    return recording == SIMULATED or recording.startswith(f"{SIMULATED}:")


def is_address(recording: str) -> bool:
    """Return whether a recording is no path but something that sends, such as `shm:NAME`."""
    return _ADDRESS.match(recording) is not None and not is_simulated(recording)


def fresh_session_path(recording: str, folder: Path | None = None) -> Path:
    """Return a session folder that does not exist yet.

    Beside the recording where that can be written, otherwise in the user's documents.

    Parameters
    ----------
    recording : str
        Path of a recording, "simulated..." or an address.
    folder : Path, optional
        Where the user wants all session folders; it need not be there yet.
    """
    if is_simulated(recording):
        return _first_free(folder or _documents(), SIMULATED)
    if is_address(recording):
        name = recording.rstrip(":").replace("://", "_")
        return _first_free(folder or _documents(), name)
    if folder is not None:
        return _first_free(folder, Path(recording).stem or "session")
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
