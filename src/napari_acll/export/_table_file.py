"""A table of text in a session folder to which lines are added."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from napari_acll.export._store import sync

_BLOCK_BYTES = 4096
_LINE_BREAKS = str.maketrans("\r\n\0", "   ")


class TableFile:
    """Appends lines to a file, which is made with the first of them.

    Parameters
    ----------
    path : Path
        The file. Of one that a crash cut short, the last line goes.
    columns : sequence of str
        Its first line.
    is_synced : bool
        Whether to wait until the disk has each line, so that it survives a power cut.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, is_synced: bool = False) -> None:
        self._path = path
        self._header = header_line(columns)
        self._is_synced = is_synced

    def append(self, lines: Iterable[str]) -> None:
        """Append lines; after return they survive a crash of the process.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        n_bytes = _whole_bytes(self._path)
        text = "".join(lines) if n_bytes else self._header + "".join(lines)
        with self._path.open("ab") as file:
            file.truncate(n_bytes)
            try:
                file.write(text.encode())
                file.flush()
                if self._is_synced:
                    sync(file)
            except OSError:  # all or nothing, so that it can be tried again
                file.truncate(n_bytes)
                raise


def header_line(columns: Sequence[str]) -> str:
    """Return the first line of a table."""
    return ",".join(columns) + "\n"


def table_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines of a table; line breaks within a cell become spaces."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in rows:
        writer.writerow([cell.translate(_LINE_BREAKS) for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def read_table(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """Return the rows of a file, none if it is not there; a line cut by a crash is left out.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no table with these columns.
    """
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    header, *lines = text[: text.rfind("\n") + 1].split("\n")
    if header and header.split(",") != list(columns):
        raise ValueError(f"{path.name} begins with {header[:80]!r}")
    # each line by itself: a quote that a crash left open must not swallow what follows
    rows = [row for line in lines for row in csv.reader([line])]
    return [row for row in rows if len(row) == len(columns)]


def _whole_bytes(path: Path) -> int:
    """Return how long a file is without a last line that is not complete."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        n_bytes = file.seek(0, 2)
        while n_bytes:
            n_before = max(0, n_bytes - _BLOCK_BYTES)
            file.seek(n_before)
            end = file.read(n_bytes - n_before).rfind(b"\n")
            if end >= 0:
                return n_before + end + 1
            n_bytes = n_before
    return 0
