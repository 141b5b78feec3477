"""Traces as one HDF5 file, with the original's `signal` in it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_acll.export._corrections import CORRECTION_COLUMNS
from napari_acll.export._layout import DETECTION_ARRAYS, SAMPLE_ARRAYS, STATUS, TIME_ARRAYS
from napari_acll.export._marks import MARK_COLUMNS
from napari_acll.export._output import Progress, ignore_progress, new_file
from napari_acll.export._saved_session import SavedSession

if TYPE_CHECKING:
    import h5py

_NUMBERS = {
    "at_s": "f8",
    "time_s": "f8",
    "volume_index": "i4",
    "value": "f8",
    "from_index": "i4",
}


def export_h5(
    saved: SavedSession,
    out: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress = ignore_progress,
) -> None:
    """Write everything but the label maps into one HDF5 file.

    `signal` is the original program's table: `(classes, T)` float32, row 0 is the background and
    holds NaN, row `c` is class `c`. Every array of the session folder follows under its own name,
    one row per timepoint; `neurons` are the names, the header is the attribute `session`.

    Parameters
    ----------
    saved : SavedSession
        The session.
    out : str or Path
        The file to write; it appears when it is complete.
    overwrite : bool
        Whether an existing file is replaced.
    progress : callable
        Told the part that is done; what it raises ends the export, and leaves no file.

    Raises
    ------
    SessionError
        If the file exists and is not to be replaced, cannot be written, or the session is
        damaged.
    """
    import h5py

    with new_file(Path(out), overwrite=overwrite) as partial, h5py.File(partial, "w") as file:
        _write_header(file, saved)
        _write_signal(file, saved)
        arrays = (*SAMPLE_ARRAYS, *TIME_ARRAYS)
        for n_done, spec in enumerate(arrays):
            progress(n_done / (len(arrays) + 1))
            file.create_dataset(spec.name, data=saved.read(spec.name), track_times=False)
            file[spec.name].attrs["about"] = spec.about
        progress(len(arrays) / (len(arrays) + 1))
        file.create_dataset(
            "side_swap_probability", data=saved.side_swap_probability(), track_times=False
        )
        file.create_dataset(STATUS.name, data=saved.status, track_times=False)
        file[STATUS.name].attrs["about"] = STATUS.about
        _write_detections(file, saved)
        _write_table(file, "marks", MARK_COLUMNS, saved.marks())
        _write_table(file, "corrections", CORRECTION_COLUMNS, saved.corrections())
        progress(1.0)


def _write_header(file: "h5py.File", saved: SavedSession) -> None:
    file.attrs["session"] = json.dumps(saved.header, indent=2)
    file.attrs["calibrated_on"] = saved.calibrated_on
    alignment = saved.alignment
    file.attrs["alignment"] = "" if alignment is None else alignment.model_dump_json()
    file.create_dataset(
        "neurons", data=list(saved.neurons.names), dtype=_text(), track_times=False
    )
    events = [json.dumps(event) for event in saved.events()]
    file.create_dataset("events", data=events, dtype=_text(), track_times=False)


def _write_signal(file: "h5py.File", saved: SavedSession) -> None:
    ratio = saved.read("ratio").T
    background = np.full((1, ratio.shape[1]), np.nan, np.float32)
    signal = np.concatenate([background, ratio]).astype(np.float32)
    file.create_dataset("signal", data=signal, track_times=False)
    file["signal"].attrs["about"] = "ratio of each class, row 0 is the background"


def _write_detections(file: "h5py.File", saved: SavedSession) -> None:
    table = file.create_group("detections")
    n_rows = saved.n_detections
    for spec in DETECTION_ARRAYS:
        rows = saved.read_detections(spec.name, 0, n_rows)
        table.create_dataset(spec.name, data=rows, track_times=False)
        table[spec.name].attrs["about"] = spec.about


def _write_table(
    file: "h5py.File", group: str, columns: Sequence[str], rows: Sequence[object]
) -> None:
    table = file.create_group(group)
    for name in columns:
        column = [getattr(row, name) for row in rows]
        dtype = _NUMBERS.get(name) or _text()
        table.create_dataset(name, data=column, dtype=dtype, track_times=False)


def _text() -> object:
    import h5py

    return h5py.string_dtype("utf-8")
