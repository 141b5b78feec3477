"""A table of text in a session folder to which lines are added."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from napari_acll.export._store import sync

_LINE_BREAKS = str.maketrans("\r\n\0", "   ")


class TableFile:
    """Appends lines to a file, which is made with the first of them.

    Parameters
    ----------
    path : Path
        The file. One that a crash cut short is gone on with in a new line.
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
        is_new = not self._path.exists()
        text = "".join(lines)
        with self._path.open("ab") as file:
            n_bytes = file.seek(0, 2)
            if is_new or not n_bytes:
                text = self._header + text
            elif not _ends_with_line(self._path):
                text = "\n" + text
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
    return [row for row in csv.reader(lines) if len(row) == len(columns)]


def _ends_with_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return True
        file.seek(-1, 2)
        return file.read(1) == b"\n"
