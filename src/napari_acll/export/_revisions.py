"""What became of the names of a session when it was refined."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from pathlib import Path

from napari_acll.core import SessionError
from napari_acll.export._store import replace_bytes
from napari_acll.export._table_file import header_line, read_table, table_lines

REVISIONS_FILE = "revisions.csv"


class RevisionReason(StrEnum):
    """Why a name is another one than in the session as it was recorded."""

    CORRECTION = "correction"
    """A person corrected it, at some time, for this nucleus."""
    EVIDENCE = "evidence"
    """By all volumes together the nucleus has this name, or none."""
    ABSENCE = "absence"
    """The nucleus whose name it is in the whole recording is not found in these volumes."""
    MUTE = "mute"
    """A person did not want the name to be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A name that was changed, in volumes in a row in which its nucleus was found.

    Parameters
    ----------
    first_index, last_index : int
        Volumes.
    n_volumes : int
        Those of them in which the nucleus was found.
    nucleus : int
        Number of the nucleus in the recording, from 0; -1 for detections of none.
    before, after : str
        The names, empty for none.
    probability : float
        Of the name after, in the mean.
    why : RevisionReason
        The reason.
    n_said_before, n_said_after : int
        Volumes of the whole recording that had given the nucleus each of the names.
    """

    first_index: int
    last_index: int
    n_volumes: int
    nucleus: int
    before: str
    after: str
    probability: float
    why: RevisionReason
    n_said_before: int
    n_said_after: int


REVISION_COLUMNS = tuple(field.name for field in fields(Revision))


def write_revisions(folder: Path, revisions: Iterable[Revision]) -> None:
    """Write the table of revisions into a session folder.

    Parameters
    ----------
    folder : Path
        The session.
    revisions : iterable of Revision
        In any order.

    Raises
    ------
    SessionError
        If it cannot be written.
    """
    rows = (_row(revision) for revision in revisions)
    text = header_line(REVISION_COLUMNS) + "".join(table_lines(rows))
    try:
        replace_bytes(folder / REVISIONS_FILE, text.encode(), is_synced=True)
    except OSError as error:
        raise SessionError(
            f"The revisions cannot be written to {folder} ({error.strerror or error}); free space"
            " and refine the session once more."
        ) from error


def read_revisions(folder: Path) -> list[Revision]:
    """Return the revisions of a refined session; none if it is not one.

    Parameters
    ----------
    folder : Path
        The session.

    Raises
    ------
    SessionError
        If the table is damaged.
    """
    try:
        return [_revision(row) for row in read_table(folder / REVISIONS_FILE, REVISION_COLUMNS)]
    except (OSError, ValueError) as error:
        raise SessionError(
            f"{folder / REVISIONS_FILE} is damaged ({error}); refine the session once more."
        ) from error


def _row(revision: Revision) -> list[str]:
    return [f"{v:.4f}" if isinstance(v, float) else str(v) for v in astuple(revision)]


def _revision(row: list[str]) -> Revision:
    first, last, n_volumes, nucleus, before, after, probability, why, n_before, n_after = row
    return Revision(
        first_index=int(first),
        last_index=int(last),
        n_volumes=int(n_volumes),
        nucleus=int(nucleus),
        before=before,
        after=after,
        probability=float(probability),
        why=RevisionReason(why),
        n_said_before=int(n_before),
        n_said_after=int(n_after),
    )
