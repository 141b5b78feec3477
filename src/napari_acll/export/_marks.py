"""The table of marks in a session folder."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_acll.core import Mark

MARKS_FILE = "marks.csv"
MARK_COLUMNS = ("at_s", "time_s", "volume_index", "channel", "name", "value", "note")
_LINE_BREAKS = str.maketrans("\r\n\0", "   ")


class MarksFile:
    """Appends marks to a file, which is made with the first of them.

    Parameters
    ----------
    path : Path
        The file. One that a crash cut short is gone on with in a new line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, marks: Sequence[Mark]) -> None:
        """Append marks; after return they survive a crash of the process.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        is_new = not self._path.exists()
        text = "".join(mark_lines(marks))
        with self._path.open("ab") as file:
            n_bytes = file.seek(0, 2)
            if is_new or not n_bytes:
                text = ",".join(MARK_COLUMNS) + "\n" + text
            elif not _ends_with_line(self._path):
                text = "\n" + text
            try:
                file.write(text.encode())
                file.flush()
            except OSError:  # all or nothing, so that it can be tried again
                file.truncate(n_bytes)
                raise


def mark_lines(marks: Iterable[Mark]) -> Iterator[str]:
    """Yield marks as lines of the table; what is not known is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for mark in marks:
        writer.writerow(
            (
                _decimal(mark.at_s),
                _decimal(mark.time_s),
                mark.volume_index if mark.volume_index >= 0 else "",
                mark.channel.translate(_LINE_BREAKS),
                mark.name.translate(_LINE_BREAKS),
                "" if math.isnan(mark.value) else repr(float(mark.value)),
                mark.note.translate(_LINE_BREAKS),
            )
        )
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def read_marks(path: Path) -> list[Mark]:
    """Return the marks in a file, none if it is not there; a line cut by a crash is left out.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no table of marks.
    """
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    header, *lines = text[: text.rfind("\n") + 1].split("\n")
    if header and header.split(",") != list(MARK_COLUMNS):
        raise ValueError(f"{path.name} begins with {header[:80]!r}")
    rows = csv.reader(lines)
    return [_mark(row) for row in rows if len(row) == len(MARK_COLUMNS)]


def with_times(marks: Iterable[Mark], zero_at_s: float) -> list[Mark]:
    """Return marks of which those without a time of the recording got theirs.

    Parameters
    ----------
    marks : iterable of Mark
        The marks.
    zero_at_s : float
        Time 0 of the recording as wall time, in s since 1970; NaN if not known.
    """
    return [
        replace(mark, time_s=mark.at_s - zero_at_s) if math.isnan(mark.time_s) else mark
        for mark in marks
    ]


def _mark(row: Sequence[str]) -> Mark:
    at_s, time_s, volume_index, channel, name, value, note = row
    return Mark(
        channel=channel,
        name=name,
        value=float(value or "nan"),
        note=note,
        at_s=float(at_s or "nan"),
        time_s=float(time_s or "nan"),
        volume_index=int(volume_index or -1),
    )


def _decimal(seconds: float) -> str:
    return "" if math.isnan(seconds) else f"{seconds:.6f}"


def _ends_with_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return True
        file.seek(-1, 2)
        return file.read(1) == b"\n"
