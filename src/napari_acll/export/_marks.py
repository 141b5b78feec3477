"""The table of marks in a session folder."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_acll.core import Mark
from napari_acll.export._table_file import read_table, table_lines

MARKS_FILE = "marks.csv"
MARK_COLUMNS = ("at_s", "time_s", "volume_index", "channel", "name", "value", "note")


def mark_lines(marks: Iterable[Mark]) -> Iterator[str]:
    """Yield marks as lines of the table; what is not known is empty."""
    return table_lines(_row(mark) for mark in marks)


def read_marks(path: Path) -> list[Mark]:
    """Return the marks in a file, none if it is not there; a line cut by a crash is left out.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no table of marks.
    """
    return [_mark(row) for row in read_table(path, MARK_COLUMNS)]


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


def decimal(seconds: float) -> str:
    """Return a time with microseconds as a cell of a table, empty for NaN."""
    return "" if math.isnan(seconds) else f"{seconds:.6f}"


def _row(mark: Mark) -> tuple[str, ...]:
    return (
        decimal(mark.at_s),
        decimal(mark.time_s),
        str(mark.volume_index) if mark.volume_index >= 0 else "",
        mark.channel,
        mark.name,
        "" if math.isnan(mark.value) else repr(float(mark.value)),
        mark.note,
    )


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
