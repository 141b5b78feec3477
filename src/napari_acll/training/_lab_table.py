"""Tables in which annotators say which ROI is which neuron."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_acll.core import RecordingError
from napari_acll.training._lab_settings import N_CONFIDENCES

_NAME_COLUMNS = ("neuron class", "neuron", "neuron name", "name", "neuron id")
_ROI_COLUMNS = ("roi id", "roi ids", "roi", "id", "label")
_CONFIDENCE_COLUMNS = ("confidence", "human confidence")
_NO_NAMES = ("", "unknown", "none", "nan", "n/a", "-", "unlabeled")
_UNCERTAIN_MARKS = ("?", "-alt")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiName:
    """What an annotator says of one ROI.

    Parameters
    ----------
    roi : int
        Its number, from 1.
    name : str
        Neuron; empty where the annotator gives none, or no certain one.
    confidence : int
        From 1 to 5; 5 where the table has no such column.
    """

    roi: int
    name: str
    confidence: int


def read_roi_names(path: Path) -> list[RoiName]:
    """Return the rows of an ID table, one per ROI.

    Parameters
    ----------
    path : Path
        `.csv` or `.xlsx` with a column of neuron names ("Neuron Class", "neuron", "name"), one of
        ROI numbers ("ROI ID", "roi"; one cell may list several) and optionally one of confidences
        from 1 to 5 ("Confidence"). Other columns are ignored. A name with `?` or
        `-alt` is not certain, which leaves the ROI without a name.

    Raises
    ------
    RecordingError
        If the file is missing, damaged or lacks a column, a ROI number or confidence is none,
        or an `.xlsx` cannot be read because openpyxl is not installed.
    """
    rows = _read_rows(path)
    header = [_plain(cell) for cell in next(rows, [])]
    name_at = _column(header, _NAME_COLUMNS, "neuron names", path)
    roi_at = _column(header, _ROI_COLUMNS, "ROI numbers", path)
    sure_at = next((header.index(name) for name in _CONFIDENCE_COLUMNS if name in header), None)
    found: list[RoiName] = []
    for line, row in enumerate(rows, start=2):
        cells = [*row, *[""] * (len(header) - len(row))]
        sure = N_CONFIDENCES if sure_at is None else _confidence(cells[sure_at], path, line)
        name = _certain(cells[name_at])
        found += [
            RoiName(roi=roi, name=name, confidence=sure)
            for roi in _rois(cells[roi_at], path, line)
        ]
    return found


def settled_names(
    rows: Iterable[RoiName], *, min_confidence: int, repeatable: frozenset[str]
) -> dict[int, RoiName]:
    """Return the name of each ROI that has one that can be used.

    ROIs with two names have none. Where a name stands at several ROIs in a volume, the one that
    the annotator trusts most keeps it; if none is trusted most, nobody does.

    Parameters
    ----------
    rows : iterable of RoiName
        Rows of one table.
    min_confidence : int
        Names that are trusted less are left out.
    repeatable : frozenset of str
        Names that may stand at several ROIs.
    """
    sure = {row for row in rows if row.name and row.confidence >= min_confidence}
    names_of = Counter(roi for roi, _ in {(row.roi, row.name) for row in sure})
    best: dict[int, RoiName] = {}
    for row in sorted(sure, key=lambda row: row.confidence):
        if names_of[row.roi] == 1:
            best[row.roi] = row
    return {roi: row for roi, row in best.items() if _keeps(row, best.values(), repeatable)}


def _keeps(row: RoiName, rows: Iterable[RoiName], repeatable: frozenset[str]) -> bool:
    rivals = [other for other in rows if other.name == row.name and other.roi != row.roi]
    return row.name in repeatable or all(row.confidence > other.confidence for other in rivals)


def _read_rows(path: Path) -> Iterator[list[str]]:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".xlsx"):
        raise RecordingError(f"An ID table must be a .csv or .xlsx file, got {path}.")
    if not path.is_file():
        raise RecordingError(f"There is no ID table {path}; check the path.")
    rows = _csv_rows(path) if suffix == ".csv" else _xlsx_rows(path)
    return iter([row for row in rows if any(row)])


def _csv_rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [[cell.strip() for cell in row] for row in csv.reader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"ID table {path} cannot be read ({error}).") from error


def _xlsx_rows(path: Path) -> list[list[str]]:
    """Return the cells of the first sheet."""
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise RecordingError(
            f'To read {path.name}, openpyxl is needed: pip install "napari-acll[xlsx]", or save'
            " the table as .csv."
        ) from error
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # openpyxl raises whatever its parsers raise
        raise RecordingError(f"ID table {path} is damaged or no .xlsx file ({error}).") from error
    try:
        rows = book.worksheets[0].iter_rows(values_only=True)
        return [["" if cell is None else str(cell).strip() for cell in row] for row in rows]
    finally:
        book.close()


def _plain(cell: str) -> str:
    return " ".join(cell.lower().replace("_", " ").split())


def _column(header: list[str], known: tuple[str, ...], what: str, path: Path) -> int:
    for name in known:
        if name in header:
            return header.index(name)
    raise RecordingError(
        f"ID table {path} must have a column of {what} called {known[0]!r} (or"
        f" {', '.join(known[1:])}), its columns are {', '.join(header) or 'none'}."
    )


def _certain(cell: str) -> str:
    is_uncertain = cell.lower() in _NO_NAMES or any(mark in cell for mark in _UNCERTAIN_MARKS)
    return "" if is_uncertain else cell


def _rois(cell: str, path: Path, line: int) -> list[int]:
    parts = cell.replace(";", ",").replace("/", ",").split(",")
    try:
        numbers = [float(part) for part in parts if part.strip()]
    except ValueError:
        numbers = [-1.0]
    if any(number < 0 or number != int(number) for number in numbers):
        raise RecordingError(
            f"ID table {path}, line {line}: expected ROI numbers from 1, got {cell!r}."
        )
    return [int(number) for number in numbers if number]


def _confidence(cell: str, path: Path, line: int) -> int:
    if not cell:
        return 1
    try:
        number = float(cell)
    except ValueError:
        number = 0.0
    if number != int(number) or not 1 <= number <= N_CONFIDENCES:
        raise RecordingError(
            f"ID table {path}, line {line}: expected a confidence from 1 to {N_CONFIDENCES}, got"
            f" {cell!r}."
        )
    return int(number)
