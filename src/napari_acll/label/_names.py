"""Neuron names that travel beside a checkpoint."""

import csv
from pathlib import Path

import numpy as np

from napari_acll.core import ModelError, NeuronTable

_SUFFIXES = (".txt", ".csv", ".h5")
_STEMS = ("names", "neuron_names", "neuron_ids")
_STEM_BEGINNINGS = ("extracted_neuron_ids",)
_NAME_COLUMNS = ("name", "neuron", "neuron_name", "neuron_id")
_ID_COLUMNS = ("id", "class", "class_id", "class_number")
_DATASETS = ("neuron_ids", "neuron_names", "names")


def names_for(checkpoint: Path, names_file: str | None, n_classes: int) -> NeuronTable:
    """Return the names of a checkpoint's classes.

    Parameters
    ----------
    checkpoint : Path
        File with the weights.
    names_file : str or None
        Table that the user gave; None: the one beside the checkpoint, and where there is none
        the classes are numbered.
    n_classes : int
        Channels of the network's output, the background included.

    Raises
    ------
    ModelError
        If the table cannot be read or its length does not fit.
    """
    path = find_names_file(checkpoint) if names_file is None else Path(names_file)
    n_neurons = n_classes - 1
    if path is None:
        return NeuronTable.numbered(n_neurons)
    names = read_names(path)
    if len(names) != n_neurons:
        raise ModelError(
            f"Name table {path} has {len(names)} names, the checkpoint has {n_neurons} classes"
            " besides the background; give the table of this checkpoint."
        )
    return names


def find_names_file(checkpoint: Path) -> Path | None:
    """Return the name table beside a checkpoint, None where there is none.

    It has the checkpoint's name, or is called `names`, `neuron_names`, `neuron_ids` or
    `extracted_neuron_ids...`, and ends in `.txt`, `.csv` or `.h5`.

    Raises
    ------
    ModelError
        If there are several that could be meant.
    """
    beside = [p for p in sorted(checkpoint.parent.glob("*")) if p.suffix.lower() in _SUFFIXES]
    own = [path for path in beside if path.stem == checkpoint.stem]
    found = own or [p for p in beside if p.stem in _STEMS or p.stem.startswith(_STEM_BEGINNINGS)]
    if len(found) > 1:
        raise ModelError(
            f"Beside checkpoint {checkpoint} lie several name tables:"
            f" {', '.join(path.name for path in found)}; say which (--names FILE)."
        )
    return found[0] if found else None


def read_names(path: Path) -> NeuronTable:
    """Return the neuron names of a table, in the order of the classes 1, 2, ...

    Parameters
    ----------
    path : Path
        `.txt`: one name per line. `.csv`: one column of names, or columns `id` and `name` under
        a header. `.h5`: a dataset of strings, called `neuron_ids` or the only one.

    Raises
    ------
    ModelError
        If the file is missing, of another kind or damaged, the ids are not 1, 2, 3 ..., or names
        are empty or stand twice.
    """
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ModelError(f"Name table {path} must be one of {', '.join(_SUFFIXES)}.")
    if not path.is_file():
        raise ModelError(f"Name table {path} does not exist; give the path of a file.")
    read = {".txt": _read_text, ".csv": _read_csv, ".h5": _read_h5}[suffix]
    try:
        return NeuronTable.from_names(_without_background(read(path)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"Name table {path} is damaged or no {suffix} file.") from error


def _without_background(names: list[str]) -> list[str]:
    """Drop a first entry that names the background, which some tables list as class 0."""
    return names[1:] if names and names[0].lower() == "background" else names


def _read_text(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _read_csv(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    header = [cell.lower() for cell in rows[0]] if rows else []
    name_column = _column(header, _NAME_COLUMNS)
    if name_column is None and len(header) == 1:
        return [row[0] for row in rows]
    if name_column is None or any(len(row) != len(header) for row in rows):
        raise ModelError(f"Name table {path} must have one column, or the columns id and name.")
    id_column = _column(header, _ID_COLUMNS)
    rows = rows[1:]
    return [
        row[name_column] for row in (rows if id_column is None else _by_id(rows, id_column, path))
    ]


def _column(header: list[str], known: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in known if name in header), None)


def _by_id(rows: list[list[str]], id_column: int, path: Path) -> list[list[str]]:
    try:
        numbered = {int(row[id_column]): row for row in rows}
    except ValueError as error:
        raise ModelError(f"Name table {path} has an id that is no whole number.") from error
    background = numbered.get(0)
    if background is not None and "background" in (cell.lower() for cell in background):
        del numbered[0]
        rows = [row for row in rows if row is not background]
    if sorted(numbered) != list(range(1, len(rows) + 1)):
        raise ModelError(f"Name table {path} must have the ids 1 to {len(rows)}, each once.")
    return [numbered[number] for number in sorted(numbered)]


def _read_h5(path: Path) -> list[str]:
    import h5py

    with h5py.File(path, "r") as file:
        tables = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
        chosen = next((name for name in _DATASETS if name in tables), None)
        if chosen is None and len(tables) == 1:
            chosen = next(iter(tables))
        if chosen is None:
            raise ModelError(
                f"Name table {path} must have a dataset of names called neuron_ids, it has"
                f" {', '.join(tables) or 'none'}."
            )
        return [_as_text(name, path) for name in np.ravel(tables[chosen][()])]


def _as_text(name: object, path: Path) -> str:
    if isinstance(name, bytes):
        return name.decode("utf-8").strip("\x00 ")
    if isinstance(name, str):
        return name.strip("\x00 ")
    raise ModelError(f"Name table {path} must hold text, it holds {type(name).__name__}.")
