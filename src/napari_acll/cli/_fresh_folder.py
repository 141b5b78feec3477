"""New folders for results, so that no earlier result is touched."""

from pathlib import Path

from napari_acll.core import SessionError

_ARCHIVE = ".zip"
"""What is left of a result whose folder somebody deleted."""


def fresh_folder(out: Path) -> Path:
    """Return a new folder inside a folder.

    Parameters
    ----------
    out : Path
        Where results of such a command are collected; made if it is not there.

    Raises
    ------
    SessionError
        If it cannot be made.
    """
    number = 1
    while any((out / f"run_{number:03d}{ending}").exists() for ending in ("", _ARCHIVE)):
        number += 1
    folder = out / f"run_{number:03d}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise SessionError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another with --out."
        ) from error
    return folder
