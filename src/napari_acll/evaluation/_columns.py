"""Columns of CSV tables, whatever their order and whoever wrote them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import AcllError

AXES = ("z", "y", "x")
ALIASES: Mapping[str, str] = {
    "volume_index": "volume",
    "neuron": "name",
    "neuron_class": "name",
    "confidence": "probability",
    "roi_id": "instance",
    "roi": "instance",
    "label": "instance",
}
"""Other names of columns: those of our exports and of ROI spreadsheets."""
SEPARATORS = (",", ";", "\t")
TRUE_WORDS = frozenset({"1", "1.0", "true", "yes", "y", "t"})

Columns = dict[str, list[str]]


def read_rows(path: Path, error: type[AcllError]) -> tuple[list[str], list[list[str]]]:
    """Return the header of a table as it stands there, and the rows below it.

    Parameters
    ----------
    path : Path
        CSV file with a header, UTF-8; its fields between commas, semicolons or tabs.
    error : type of AcllError
        What to raise.

    Raises
    ------
    AcllError
        If the file cannot be read, is empty, or has rows of unequal length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator = _separator(file.readline())
            file.seek(0)
            rows = [row for row in csv.reader(file, delimiter=separator) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        raise error(f"{path} cannot be read as a CSV table ({reason}); check the file.") from None
    if len(rows) < 2:
        raise error(f"{path} holds no rows below its header; give a table that has some.")
    header, *body = rows
    uneven = next((n for n, row in enumerate(body, start=2) if len(row) != len(header)), None)
    if uneven is not None:
        raise error(
            f"{path} has {len(header)} columns in its header but {len(body[uneven - 2])} in row"
            f" {uneven}; correct the table."
        )
    return header, body


def _separator(header: str) -> str:
    """Return what stands between the fields: spreadsheets of some countries write semicolons."""
    return max(SEPARATORS, key=header.count)


def read_columns(path: Path, error: type[AcllError]) -> Columns:
    """Return the columns of a table under their usual names.

    Parameters
    ----------
    path : Path
        CSV file with a header, UTF-8; its fields between commas, semicolons or tabs.
    error : type of AcllError
        What to raise.

    Raises
    ------
    AcllError
        If the file cannot be read, is empty, or has rows of unequal length.
    """
    header, body = read_rows(path, error)
    names = [_usual(name) for name in header]
    return {
        name: list(column) for name, column in zip(names, zip(*body, strict=True), strict=True)
    }


def _usual(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_")
    return ALIASES.get(plain, plain)


def need(columns: Columns, names: Sequence[str], path: Path, error: type[AcllError]) -> None:
    """Raise what tells which columns a table lacks.

    Raises
    ------
    AcllError
        If it lacks any.
    """
    missing = [name for name in names if name not in columns]
    if missing:
        raise error(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(columns)}. Expected"
            f" at least {', '.join(names)}."
        )


def position_unit(columns: Columns, path: Path, error: type[AcllError]) -> str:
    """Return "um" or "px", whichever the positions of a table are given in.

    Raises
    ------
    AcllError
        If neither is complete.
    """
    if all(f"{axis}_um" in columns for axis in AXES):
        return "um"
    need(columns, [f"{axis}_px" for axis in AXES], path, error)
    return "px"


def floats(columns: Columns, name: str, path: Path, error: type[AcllError]) -> NDArray[np.float64]:
    """Return a column of numbers, NaN where a field is empty.

    Raises
    ------
    AcllError
        If a field is no number.
    """
    texts = [text.strip() or "nan" for text in columns[name]]
    try:
        return np.array(texts, np.float64)
    except ValueError as reason:
        raise error(f"Column {name} of {path} must hold numbers ({reason}); correct it.") from None


def integers(columns: Columns, name: str, path: Path, error: type[AcllError]) -> NDArray[np.int64]:
    """Return a column of whole numbers.

    Raises
    ------
    AcllError
        If a field is empty or no whole number.
    """
    values = floats(columns, name, path, error)
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        raise error(f"Column {name} of {path} must hold whole numbers; correct it.")
    return values.astype(np.int64)


def booleans(columns: Columns, name: str) -> NDArray[np.bool_]:
    """Return a column of `true` and `false`, `1` and `0` or `yes` and `no`."""
    return np.array([text.strip().lower() in TRUE_WORDS for text in columns[name]], bool)


def positions(
    columns: Columns, unit: str, path: Path, error: type[AcllError]
) -> NDArray[np.float64]:
    """Return the `(n, 3)` positions of a table.

    Raises
    ------
    AcllError
        If a field is no number.
    """
    return np.stack([floats(columns, f"{axis}_{unit}", path, error) for axis in AXES], axis=1)
