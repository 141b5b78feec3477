"""Where this program keeps what it remembers for a user, and how that is written."""

import contextlib
import os
from pathlib import Path

DATA_DIR_VARIABLE = "ACLL_DATA_DIR"
"""Environment variable with the folder in which everything is kept instead."""
_PROGRAM = "napari-acll"


def user_data_dir() -> Path:
    """Return the folder for models, profiles and what was learned of rigs."""
    import platformdirs

    given = os.environ.get(DATA_DIR_VARIABLE)
    return Path(given) if given else platformdirs.user_data_path(_PROGRAM, appauthor=False)


def user_cache_dir() -> Path:
    """Return the folder for what can be found out once more."""
    import platformdirs

    given = os.environ.get(DATA_DIR_VARIABLE)
    return Path(given) if given else platformdirs.user_cache_path(_PROGRAM, appauthor=False)


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that others see all of it or what was there before.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    text : str
        All of it.

    Raises
    ------
    OSError
        If it cannot be written, or another program has it open on Windows; nothing else is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
