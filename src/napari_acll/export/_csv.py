"""Traces as a long table that every program reads."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import TraceFlag, VolumeStatus
from napari_acll.export._corrections import CORRECTION_COLUMNS, correction_lines
from napari_acll.export._forecasts import FORECAST_COLUMNS, forecast_lines
from napari_acll.export._layout import TIMEPOINTS_PER_CHUNK
from napari_acll.export._marks import MARK_COLUMNS, mark_lines
from napari_acll.export._output import Progress, ignore_progress, new_file
from napari_acll.export._saved_session import SavedSession
from napari_acll.export._table_file import header_line

CSV_COLUMNS = (
    "volume_index",
    "time_s",
    "neuron_time_s",
    "neuron",
    "ratio",
    "activity",
    "marker",
    "confidence",
    "z_px",
    "y_px",
    "x_px",
    "n_voxels",
    "volume_status",
    "alignment",
    "alignment_is_trusted",
    "other_side",
    "novelty",
    "calibrated_on",
    "ratio_sd",
    "flags",
)
"""Columns of the exported table. `*_px` are voxels of the recording as stored; `other_side` is
the probability that the name should be that of the partner on the other body side; `flags` are
the names of the `TraceFlag`s that hold, with spaces in between."""


def export_csv(
    saved: SavedSession,
    out: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress = ignore_progress,
) -> None:
    """Write the traces as one row per volume and neuron of the model.

    If the session has marks of behavior or stimuli, they follow in a table of their own: beside
    `traces.csv` it is `traces.marks.csv`. So do corrections of names, in `traces.corrections.csv`,
    and what was expected of each neuron, in `traces.forecast.csv`.

    Fields are empty where a neuron is absent or a volume was skipped, lost or unlabelable.
    Numbers have a decimal point and lines end in a line feed everywhere; values are the shortest
    text that reads back as the same float32, times have microseconds, positions thousandths of a
    voxel.

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
    with (
        new_file(Path(out), overwrite=overwrite) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        file.write(",".join(CSV_COLUMNS) + "\n")
        for stop, text in _blocks(saved):
            file.write(text)
            progress(stop / saved.n_timepoints)
    for name, columns, lines in (
        ("marks", MARK_COLUMNS, mark_lines(saved.marks())),
        ("corrections", CORRECTION_COLUMNS, correction_lines(saved.corrections())),
        ("forecast", FORECAST_COLUMNS, forecast_lines(saved.forecasts())),
    ):
        beside = Path(out).with_suffix(f".{name}{Path(out).suffix}")
        _export_table(beside, columns, lines, overwrite=overwrite)


def _export_table(
    out: Path, columns: Sequence[str], lines: Iterable[str], *, overwrite: bool
) -> None:
    text = "".join(lines)
    if not text:
        return
    with new_file(out, overwrite=overwrite) as partial:
        partial.write_text(header_line(columns) + text, encoding="utf-8", newline="")


def _blocks(saved: SavedSession) -> Iterator[tuple[int, str]]:
    """Yield the lines of some volumes at a time, and the number of volumes done by then."""
    names = [_quoted(name) for name in saved.neurons.names]
    for start in range(0, saved.n_timepoints, TIMEPOINTS_PER_CHUNK):
        stop = min(start + TIMEPOINTS_PER_CHUNK, saved.n_timepoints)
        yield stop, _block(saved, names, start, stop)


def _block(saved: SavedSession, names: list[str], start: int, stop: int) -> str:
    n_timepoints, n_neurons = stop - start, len(names)
    columns = [
        _repeated([str(index) for index in range(start, stop)], n_neurons),
        _repeated(_decimals(saved.read("time_s", start, stop), 6), n_neurons),
        _decimals(saved.read("neuron_time_s", start, stop), 6),
        names * n_timepoints,
        *(_shortest(saved.read(name, start, stop)) for name in CSV_COLUMNS[4:8]),
        *_positions(saved, start, stop),
        _counts(saved.read("n_voxels", start, stop)),
        _repeated(_status_names(saved.status[start:stop]), n_neurons),
        *([text] * (n_timepoints * n_neurons) for text in _alignment_flags(saved)),
        _decimals(saved.side_swap_probability(start, stop), 3),
        _repeated(_decimals(saved.read("novelty", start, stop), 3), n_neurons),
        [_quoted(saved.calibrated_on)] * (n_timepoints * n_neurons),
        _shortest(saved.read("ratio_sd", start, stop)),
        _flag_names(saved.read("flags", start, stop)),
    ]
    return "".join([",".join(row) + "\n" for row in zip(*columns, strict=True)])


def _positions(saved: SavedSession, start: int, stop: int) -> list[list[str]]:
    centroid_px = saved.read("centroid_px", start, stop)
    return [_decimals(centroid_px[..., axis], 3) for axis in range(3)]


def _alignment_flags(saved: SavedSession) -> tuple[str, str]:
    alignment = saved.alignment
    if alignment is None:
        return "", ""
    return str(alignment.origin), str(alignment.is_trusted).lower()


def _repeated(texts: list[str], n_times: int) -> list[str]:
    return [text for text in texts for _ in range(n_times)]


def _decimals(values: NDArray[Any], n_decimals: int) -> list[str]:
    form = f"%.{n_decimals}f"
    return ["" if value != value else form % value for value in values.ravel().tolist()]


def _shortest(values: NDArray[Any]) -> list[str]:
    texts: list[str] = values.ravel().astype("U24").tolist()
    return ["" if text == "nan" else text for text in texts]


def _counts(values: NDArray[Any]) -> list[str]:
    return [str(value) if value else "" for value in values.ravel().tolist()]


def _status_names(status: NDArray[np.uint8]) -> list[str]:
    return [VolumeStatus(int(value)).name.lower() for value in status]


def _flag_names(flags: NDArray[np.uint8]) -> list[str]:
    texts = {value: " ".join(TraceFlag.names_of(value)) for value in np.unique(flags).tolist()}
    return [texts[value] for value in flags.ravel().tolist()]


def _quoted(name: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow([name])
    return buffer.getvalue()
