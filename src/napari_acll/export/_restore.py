"""A session folder put in order after its writer was killed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import SessionError
from napari_acll.export._arrays import SessionArrays
from napari_acll.export._layout import EVENTS_FILE, FORMAT, FORMAT_VERSION, SESSION_FILE


@dataclass(frozen=True, slots=True)
class Restored:
    """A session folder in order.

    Parameters
    ----------
    arrays : SessionArrays
        Ready for the next row.
    status : ndarray of uint8, shape (n,)
        `VolumeStatus` of the rows that were reached.
    torn : list of int
        Rows that were not complete and were taken back.
    """

    arrays: SessionArrays
    status: NDArray[np.uint8]
    torn: list[int]


def restore(path: Path, header: Mapping[str, Any]) -> Restored:
    """Take back what a writer that was killed did not finish; its lock must be held.

    Raises
    ------
    SessionError
        If the folder is damaged.
    OSError
        If it cannot be written.
    """
    for leftover in path.rglob("*.partial"):
        leftover.unlink(missing_ok=True)
    _cut_events(path / EVENTS_FILE)
    with as_damage(path):
        arrays = arrays_of(path, header)
        status, torn = arrays.restore()
    return Restored(arrays, status, torn)


def arrays_of(path: Path, header: Mapping[str, Any]) -> SessionArrays:
    """Return the arrays of a session, made where they are lacking."""
    run = header["settings"]["run"]
    return SessionArrays(
        path,
        neurons=list(header["neurons"]),
        shape=tuple(header["spec"]["grid"]["shape"]),
        has_labels=bool(run["save_labels"]),
        is_synced=bool(run.get("waits_for_disk")),
    )


def read_header(path: Path) -> dict[str, Any]:
    """Return the content of `session.json`.

    Raises
    ------
    SessionError
        If this is no session, or one of a newer version.
    """
    file = path / SESSION_FILE
    if not path.exists():
        raise SessionError(f"There is no session {path}; check the path.")
    if not file.is_file():
        raise SessionError(
            f"{path} is not a session: it holds no {SESSION_FILE}. Give the folder that"
            " `acll run --out` made."
        )
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SessionError(f"{file} cannot be read ({error}); restore it from a copy.") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise SessionError(
            f"{file} was not written by this program; give the folder that `acll run --out` made."
        )
    if header.get("format_version") != FORMAT_VERSION:
        raise SessionError(
            f"{path} has format version {header.get('format_version')}, this program reads"
            f" {FORMAT_VERSION}; install the version that wrote it."
        )
    return header


@contextmanager
def as_damage(path: Path) -> Iterator[None]:
    """Turn what Zarr and its codecs raise on damaged files into what means something to a user.

    Raises
    ------
    SessionError
        Instead of any of those.
    """
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise SessionError(
            f"The session {path} is damaged ({error}); the files that it lacks or that are cut"
            " short must come from a copy."
        ) from error


def whole_events(text: str) -> list[dict[str, object]]:
    """Return the events of a file without those at its end that a crash cut short.

    Raises
    ------
    ValueError
        If one before the end is damaged.
    """
    *lines, _ = text.split("\n")
    while lines and not _is_event(lines[-1]):
        lines.pop()
    return [json.loads(line) for line in lines]


def _cut_events(file: Path) -> None:
    if not file.exists():
        return
    content = file.read_bytes()
    *lines, rest = content.split(b"\n")
    n_bytes = len(content) - len(rest)
    while lines and not _is_event(lines[-1].decode("utf-8", errors="replace")):
        n_bytes -= len(lines.pop()) + 1
    if n_bytes < len(content):
        with file.open("r+b") as events:
            events.truncate(n_bytes)


def _is_event(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
