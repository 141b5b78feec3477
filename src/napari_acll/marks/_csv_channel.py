"""Marks from a table that another program writes, and may still be writing."""

import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from napari_acll.core import Mark
from napari_acll.marks._line import number

_LOOK_EVERY_S = 0.02
_SUFFIXES = (".csv", ".tsv", ".txt")
_MOST_BYTES = 1 << 20
_TIMES = ("at_s", "time_s")


class CsvChannel:
    """Follows a CSV file with a header: one mark per row, or one per number in it.

    The column `time_s` is the time of the recording, `at_s` wall time in s since 1970. A file
    without them is read from its present end on, and its rows get the time at which they came.
    With a column `name`, a row is one mark (`name`, `value`, `note`); else each other column is a
    feature, and a row is one mark for each of them. The file need not be there yet, is opened
    for moments only, and may be replaced.

    Parameters
    ----------
    path : Path
        The file; columns are divided by commas, semicolons or tabs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._existing: int | None = None
        self._rest = b""
        self._columns: list[str] = []
        self._delimiter = ","

    @classmethod
    def rejects(cls, address: str) -> str:
        """Return why this is no table, empty if it can be one."""
        if Path(address).suffix.lower() in _SUFFIXES:
            return ""
        return f"its name does not end in {', '.join(_SUFFIXES)}"

    @classmethod
    def from_address(cls, address: str) -> Self:
        """Return the channel of a file, which need not be there yet."""
        return cls(Path(address))

    @property
    def name(self) -> str:
        """Name of the file."""
        return self._path.name

    def why_unreachable(self) -> str:
        """Return why the file can never be there, empty if it can."""
        folder = self._path.absolute().parent
        return "" if folder.is_dir() else f"there is no folder {folder}"

    def open(self) -> None:
        """Note what is there already.

        Raises
        ------
        OSError
            If the file can never be there, for want of its folder.
        """
        why_not = self.why_unreachable()
        if why_not:
            raise FileNotFoundError(why_not)
        if self._existing is None:
            self._existing = self._path.stat().st_size if self._path.exists() else 0

    def read(self, timeout_s: float) -> Sequence[Mark]:
        """Return the marks of complete new rows; waits for the first one, but no longer.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        until_s = time.monotonic() + timeout_s
        while not (marks := list(self._new_marks())):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(_LOOK_EVERY_S, left_s))
        return marks

    def close(self) -> None:
        """Do nothing: the file is open for moments only."""

    def _new_marks(self) -> Iterator[Mark]:
        for start, line in self._new_lines():
            text = line.decode("utf-8-sig", errors="replace")
            if not text.strip():
                continue
            if not self._columns:
                self._begin(text)
            elif self._is_new(start):
                yield from self._marks_of(text)

    def _new_lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield complete lines and where they start in the file."""
        found = self._new_bytes()
        start = self._offset - len(found) - len(self._rest)
        *lines, self._rest = (self._rest + found).split(b"\n")
        for line in lines:
            yield start, line
            start += len(line) + 1

    def _new_bytes(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                n_bytes = file.seek(0, 2)
                if n_bytes < self._offset:
                    self._forget()
                file.seek(self._offset)
                found = file.read(_MOST_BYTES)
        except FileNotFoundError:
            return b""
        self._offset += len(found)
        return found

    def _forget(self) -> None:
        """Begin anew with a file that was replaced or emptied."""
        self._offset, self._existing, self._rest, self._columns = 0, 0, b"", []

    def _begin(self, header: str) -> None:
        self._delimiter = max(",;\t", key=header.count)
        self._columns = [column.strip() for column in self._split(header)]

    def _is_new(self, start: int) -> bool:
        """Return whether a row is to be taken: it says when it was, or came just now."""
        return any(time in self._columns for time in _TIMES) or start >= (self._existing or 0)

    def _split(self, text: str) -> list[str]:
        return next(csv.reader([text.rstrip("\r")], delimiter=self._delimiter), [])

    def _marks_of(self, text: str) -> Iterator[Mark]:
        row = dict(zip(self._columns, self._split(text), strict=False))
        at_s, time_s = (number(row.get(column)) for column in _TIMES)
        if "name" in row:
            value = number(row.get("value"))
            note = row.get("note") or ""
            yield Mark(
                channel=self.name,
                name=row["name"],
                value=value,
                note=note,
                at_s=at_s,
                time_s=time_s,
            )
            return
        for column, cell in row.items():
            if column in _TIMES or not cell.strip():
                continue
            value = number(cell)
            note = cell.strip() if value != value else ""
            yield Mark(
                channel=self.name, name=column, value=value, note=note, at_s=at_s, time_s=time_s
            )
