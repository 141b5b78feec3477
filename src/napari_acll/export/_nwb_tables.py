"""Marks, gaps and provenance, in an NWB file."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from hdmf.common import DynamicTable, VectorData
from numpy.typing import NDArray
from pynwb import NWBFile
from pynwb.epoch import TimeIntervals

from napari_acll.core import VolumeStatus
from napari_acll.export._corrections import CORRECTION_COLUMNS
from napari_acll.export._saved_session import SavedSession

_WITH_VALUES = (VolumeStatus.TRACED, VolumeStatus.BACKFILLED)
_MARK_COLUMNS = {
    "mark": "What it is about.",
    "value": "Its value; NaN where there is none.",
    "channel": "Where it came from.",
    "note": "Anything else.",
    "volume_index": "The newest volume that had come by then; -1 where that is not known.",
}
_FIELD = {"mark": "name", "neuron": "name"}
"""Columns that cannot be called as the fields are: every table has a `name` of its own."""
_CORRECTION_COLUMNS = tuple("neuron" if name == "name" else name for name in CORRECTION_COLUMNS)
_HEADER_PARTS = ("recording", "source", "model", "calibrated_on", "rig", "settings", "stored_spec")


def add_intervals(
    content: NWBFile, saved: SavedSession, times_s: NDArray[np.float64], period_s: float
) -> None:
    """Add the marks, and when there are no values, to a file.

    Raises
    ------
    SessionError
        If the session is damaged.
    """
    _add_marks(content, saved)
    ends_s = np.append(times_s[1:], times_s[-1:] + period_s)
    for start, stop, status in _gaps(saved.status):
        content.add_invalid_time_interval(
            start_time=float(times_s[start]), stop_time=float(ends_s[stop - 1]), tags=[status]
        )


def add_provenance(content: NWBFile, saved: SavedSession) -> None:
    """Add what the values were made with, and what happened.

    Raises
    ------
    SessionError
        If the session is damaged.
    """
    module = content.create_processing_module("provenance", "How the values were made.")
    alignment = saved.alignment
    told = {key: saved.header.get(key) for key in _HEADER_PARTS}
    told["alignment"] = None if alignment is None else alignment.model_dump(mode="json")
    rows = list(_flat("", told))
    about = "Settings, model, source and channel alignment; each value as JSON."
    module.add(_table("provenance", about, ("key", "value"), rows))
    events = [
        (str(event["at"]), str(event["kind"]), str(event["message"]), json.dumps(event["details"]))
        for event in saved.events()
    ]
    columns = ("at", "kind", "message", "details")
    if events:
        module.add(_table("events", "What the session told, with wall times.", columns, events))
    corrections = [
        tuple(str(getattr(one, _FIELD.get(name, name))) for name in _CORRECTION_COLUMNS)
        for one in saved.corrections()
    ]
    about = "What a person corrected in the names; the values have it already."
    if corrections:
        module.add(_table("corrections", about, _CORRECTION_COLUMNS, corrections))


def _add_marks(content: NWBFile, saved: SavedSession) -> None:
    marks = saved.marks()
    if not marks:
        return
    timed = [mark for mark in marks if math.isfinite(mark.time_s)]
    n_untimed = len(marks) - len(timed)
    table = TimeIntervals(
        name="marks",
        description="What the animal did or was shown; moments, so starts are stops."
        f" {n_untimed} marks without a time of the recording are left out.",
    )
    for name, about in _MARK_COLUMNS.items():
        table.add_column(name=name, description=about)
    for mark in timed:
        values = {name: getattr(mark, _FIELD.get(name, name)) for name in _MARK_COLUMNS}
        table.add_row(start_time=mark.time_s, stop_time=mark.time_s, **values)
    content.add_time_intervals(table)


def _gaps(status: NDArray[np.uint8]) -> Iterator[tuple[int, int, str]]:
    """Yield start and stop of runs of volumes without values, and what became of them."""
    edges = np.flatnonzero(np.diff(status)) + 1
    for start, stop in zip([0, *edges], [*edges, len(status)], strict=True):
        if start < stop and status[start] not in _WITH_VALUES:
            yield start, stop, VolumeStatus(int(status[start])).name.lower()


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested mappings by their dotted names."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    else:
        yield name, json.dumps(value)


def _table(
    name: str, about: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> DynamicTable:
    return DynamicTable(
        name=name,
        description=about,
        columns=[
            VectorData(name=column, description=column, data=[row[number] for row in rows])
            for number, column in enumerate(columns)
        ],
        colnames=list(columns),
    )
