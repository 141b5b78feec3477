"""Traces from a session, from the files of ANTSUN, and from tables of any other pipeline."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_acll.core import SessionError, SettingsError, VolumeStatus
from napari_acll.evaluation._columns import read_rows
from napari_acll.evaluation._nuclei import Floats
from napari_acll.evaluation._trace_table import TraceTable
from napari_acll.export import SavedSession

LABELS_FILE = "labels.json"
_VALUES = "gcamp/trace_array_original"
_TIMES = "timing/timestamp_confocal"
_TIME_NAMES = ("time_s", "time", "t", "seconds")
_VOLUME_NAMES = ("volume_index", "volume", "index", "frame", "timepoint")
_WITH_VALUES = (VolumeStatus.TRACED, VolumeStatus.BACKFILLED)


def read_traces(
    path: str | Path, *, labels: str | Path | None = None, quantity: str = "ratio"
) -> TraceTable:
    """Return the traces of a session folder, an ANTSUN file or a table.

    Parameters
    ----------
    path : str or Path
        A session folder; ANTSUN's `*-data.h5`; or a CSV file with a column of times or volume
        numbers and one column per neuron, or as `acll export` writes it.
    labels : str or Path, optional
        The names of ANTSUN's columns; `labels.json` beside the file by default.
    quantity : str
        Which array of a session, or column of an exported table, is compared.

    Raises
    ------
    SessionError
        If there is nothing at the path, or what is there is no table of traces.
    SettingsError
        If a session has no such quantity.
    """
    path = Path(path)
    if path.is_dir():
        return traces_of_session(SavedSession.open(path), quantity)
    if not path.exists():
        raise SessionError(f"There is nothing at {path}; give a session, an .h5 or a .csv file.")
    if has_numbered_columns(path):
        return _antsun(path, Path(labels) if labels else path.with_name(LABELS_FILE))
    if path.suffix.lower() == ".csv":
        return _table(path, quantity)
    raise SessionError(
        f"{path} is neither a session folder nor an .h5 or .csv file; export the traces as CSV."
    )


def traces_of_session(saved: SavedSession, quantity: str = "ratio") -> TraceTable:
    """Return the traces of the neurons that were found in any volume of a session.

    Parameters
    ----------
    saved : SavedSession
        The session.
    quantity : str
        An array with one value per neuron and timepoint, such as `ratio` or `activity`.

    Raises
    ------
    SessionError
        If the session is damaged.
    SettingsError
        If there is no such quantity.
    """
    try:
        values = saved.read(quantity).astype(np.float64)
    except KeyError as error:
        raise SettingsError(f"{error.args[0]} Choose one with a value per neuron.") from None
    if values.ndim != 2 or values.shape[1] != len(saved.neurons):
        raise SettingsError(f"{quantity} has no value per neuron; choose ratio or activity.")
    values[~np.isin(saved.status, _WITH_VALUES)] = np.nan
    is_there = np.isfinite(values).any(0)
    return TraceTable(
        source=saved.path.name,
        neurons=tuple(np.array(saved.neurons.names)[is_there].tolist()),
        values=values[:, is_there],
        volume_index=np.arange(saved.n_timepoints),
        time_s=saved.read("time_s"),
    )


def has_numbered_columns(path: str | Path) -> bool:
    """Return whether the columns of what is at a path need names: ANTSUN's are numbered."""
    return Path(path).suffix.lower() in (".h5", ".hdf5") and not Path(path).is_dir()


def _antsun(path: Path, labels: Path) -> TraceTable:
    """Return the named columns of an ANTSUN file, as ratios before they were z-scored."""
    try:
        with h5py.File(path) as file:
            values = np.asarray(file[_VALUES], np.float64)
            time_s = np.asarray(file[_TIMES], np.float64)
    except (OSError, KeyError, TypeError, ValueError) as error:
        why = "it lacks one of the two" if isinstance(error, KeyError) else str(error)
        raise SessionError(
            f"{path} is not what ANTSUN writes ({why}); expected numbers in {_VALUES} and"
            f" {_TIMES}. Export the traces as CSV instead."
        ) from None
    if values.ndim != 2 or time_s.shape != values.shape[:1] or not len(values):
        raise SessionError(
            f"{path} has traces of shape {values.shape} and times of shape {time_s.shape};"
            " expected one row of traces per time, and at least one."
        )
    _check_times(path, time_s)
    columns, notes = _named_columns(path, labels, values.shape[1])
    return TraceTable(
        source=path.name,
        neurons=tuple(columns),
        values=values[:, list(columns.values())],
        volume_index=np.arange(len(values)),
        time_s=time_s - time_s[0],
        notes=notes,
    )


def _named_columns(path: Path, labels: Path, n: int) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the column of each name, the surest one where a name stands twice."""
    entries = _labels_of(path, labels)
    found: dict[str, tuple[float, int]] = {}
    n_doubles = 0
    try:
        for key, entry in entries.items():
            name, sure, column = str(entry["label"]), float(entry["confidence"]), int(key)
            if not 0 <= column < n:
                raise ValueError(f"column {column} of {n}")
            n_doubles += name in found
            found[name] = max(found.get(name, (sure, column)), (sure, column))
    except (KeyError, TypeError, ValueError) as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise SessionError(
            f"{labels} does not name the columns of {path.name} ({why}); expected column numbers"
            ' from 0 with their names, such as {"17": {"label": "AVAL", "confidence": 5}}.'
        ) from None
    notes = [f"{n - len(entries)} of {n} columns of {path.name} have no name and are left out."]
    if n_doubles:
        notes.append(f"{n_doubles} columns of {path.name} share a name; the surest are compared.")
    return {name: column for name, (_, column) in found.items()}, tuple(notes)


def _labels_of(path: Path, labels: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        content = json.loads(labels.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        raise SessionError(
            f"The names of {path.name} cannot be read from {labels} ({why}); give the file with"
            " --labels."
        ) from None
    animal = path.stem.removesuffix("-data")
    entries = _entries_of(animal, content)
    if not entries:
        raise SessionError(f"{labels} has no names for {animal}; give another file (--labels).")
    return entries


def _entries_of(animal: str, content: Any) -> Mapping[str, Any]:
    """Return the names of an animal, from a file of many animals or of this one alone."""
    if isinstance(content, dict) and "animals" in content:
        content = content["animals"]
        found = content.get(animal) if isinstance(content, dict) else None
    else:
        found = content.get(animal, content) if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}


def _table(path: Path, quantity: str) -> TraceTable:
    header, rows = read_rows(path, SessionError)
    plain = [name.strip().lower() for name in header]
    if "neuron" in plain and quantity in plain:
        return _long(path, plain, rows, quantity)
    volume = _first_of(plain, _VOLUME_NAMES)
    time = _first_of(plain, _TIME_NAMES)
    if volume is None and time is None:
        raise SessionError(
            f"{path} has no column of times or volumes; call one of them {_TIME_NAMES[0]} or"
            f" {_VOLUME_NAMES[0]}, its columns are {', '.join(header[:6])}..."
        )
    names = [name.strip() for name in header]
    columns = [number for number in range(len(names)) if number not in (volume, time)]
    twice = [name for name, n in Counter(names[number] for number in columns).items() if n > 1]
    if twice or not columns:
        raise SessionError(
            f"{path} has {f'the column {twice[0]} twice' if twice else 'no neurons'}; expected one"
            " column per neuron."
        )
    values = _numbers(path, names, rows, columns)
    index = None if volume is None else _numbers(path, names, rows, [volume])[:, 0]
    time_s = None if time is None else _numbers(path, names, rows, [time])[:, 0]
    return _ordered(path, tuple(names[number] for number in columns), values, index, time_s)


def _ordered(
    path: Path,
    neurons: tuple[str, ...],
    values: Floats,
    index: Floats | None,
    time_s: Floats | None,
) -> TraceTable:
    n = len(values)
    rows = np.arange(n, dtype=np.float64) if index is None else index
    whole = np.isfinite(rows) & (rows == np.round(rows)) & (rows >= 0)
    if not whole.all() or len(np.unique(rows)) < n:
        raise SessionError(
            f"{path} must have one row per volume, each with its number, a whole one from 0 on;"
            " correct the column."
        )
    order = np.argsort(rows)
    if time_s is not None:
        _check_times(path, time_s[order])
    return TraceTable(
        source=path.name,
        neurons=neurons,
        values=values[order],
        volume_index=rows[order].astype(np.int64),
        time_s=np.full(n, np.nan) if time_s is None else time_s[order],
        has_volumes=index is not None,
        notes=_notes_of_volumes(path, index),
    )


def _check_times(path: Path, time_s: Floats) -> None:
    """Check that each row is later than those before it, as far as times are known."""
    known = np.flatnonzero(np.isfinite(time_s))
    late = np.flatnonzero(np.diff(time_s[known]) <= 0)
    if len(late):
        before, after = time_s[known[late[0]]], time_s[known[late[0] + 1]]
        raise SessionError(
            f"{path} has the time {after:g} s after {before:g} s; expected one row per volume,"
            " in order of time."
        )


def _notes_of_volumes(path: Path, index: Floats | None) -> tuple[str, ...]:
    if index is None or index.min() != 1:
        return ()
    return (
        f"The volumes of {path.name} begin with 1; they are taken as counted from 0. If all lags"
        " are 1, subtract 1.",
    )


def _long(path: Path, header: list[str], rows: list[list[str]], quantity: str) -> TraceTable:
    """Return a table that has one row per volume and neuron, as `acll export` writes it."""
    volume = _first_of(header, _VOLUME_NAMES)
    if volume is None:
        raise SessionError(f"{path} lacks the column {_VOLUME_NAMES[0]}; export it once more.")
    wanted = [volume, header.index(quantity)]
    time = _first_of(header, _TIME_NAMES)
    numbers = _numbers(path, header, rows, wanted if time is None else [*wanted, time])
    names, column = np.unique([row[header.index("neuron")] for row in rows], return_inverse=True)
    index, row = np.unique(numbers[:, 0], return_inverse=True)
    values, time_s = np.full((len(index), len(names)), np.nan), np.full(len(index), np.nan)
    values[row, column] = numbers[:, 1]
    if time is not None:
        time_s[row] = numbers[:, 2]
    is_there = np.isfinite(values).any(0)
    neurons = tuple(names[is_there].tolist())
    return _ordered(path, neurons, values[:, is_there], index, time_s)


def _first_of(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _numbers(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[int]
) -> Floats:
    """Return columns as numbers, NaN where a field is empty."""
    result = np.full((len(rows), len(columns)), np.nan)
    for place, column in enumerate(columns):
        for number, row in enumerate(rows):
            text = row[column].strip()
            if not text:
                continue
            try:
                result[number, place] = float(text)
            except ValueError:
                raise SessionError(
                    f"{path} has {text!r} in row {number + 2} of the column {header[column]};"
                    " expected a number or nothing."
                ) from None
    return result
