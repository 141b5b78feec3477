"""The table of corrections in a session folder."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from napari_acll.core import Correction, CorrectionKind
from napari_acll.export._marks import decimal
from napari_acll.export._table_file import read_table, table_lines

CORRECTIONS_FILE = "corrections.csv"
CORRECTION_COLUMNS = ("at_s", "from_index", "kind", "name", "new_name", "note")


def correction_lines(corrections: Iterable[Correction]) -> Iterator[str]:
    """Yield corrections as lines of the table; what does not apply is empty."""
    return table_lines(_row(correction) for correction in corrections)


def read_corrections(path: Path) -> list[Correction]:
    """Return the corrections in a file, none if it is not there.

    A line that a crash cut short is left out.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no table of corrections.
    """
    return [_correction(row) for row in read_table(path, CORRECTION_COLUMNS)]


def _row(correction: Correction) -> tuple[str, ...]:
    return (
        decimal(correction.at_s),
        str(correction.from_index),
        correction.kind.value,
        correction.name,
        correction.new_name,
        correction.note,
    )


def _correction(row: Sequence[str]) -> Correction:
    at_s, from_index, kind, name, new_name, note = row
    return Correction(
        kind=CorrectionKind(kind),
        name=name,
        new_name=new_name,
        from_index=int(from_index),
        at_s=float(at_s or "nan"),
        note=note,
    )
