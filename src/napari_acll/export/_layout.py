"""Names, types and meanings of the files and arrays in a session folder."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import N_CANDIDATES, StageTimings, TraceFlag

FORMAT = "napari-acll session"
FORMAT_VERSION = 1

LOCK_FILE = "writer.lock"
SESSION_FILE = "session.json"
EVENTS_FILE = "events.jsonl"
ALIGNMENT_FILE = "alignment.json"
ALIGNMENT_FORMAT = {"format": "napari-acll channel alignment", "version": 1}
"""As `save_alignment` writes it, so that the file of a session can be given to the next one."""

INTERRUPTED = "interrupted"
"""State of a session whose file says that it runs, but which nobody writes."""

TIMEPOINTS_PER_CHUNK = 64
"""Arrays grow by this many timepoints."""
DETECTIONS_PER_CHUNK = 4096
"""The table of detections grows by this many rows, 280 kB or 27 volumes of 150."""

STAGES = tuple(field.name for field in fields(StageTimings))
"""Columns of `timings_s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """One array of a session: one row per timepoint or per detection.

    Parameters
    ----------
    name : str
        Name in the Zarr group.
    dtype : str
        NumPy dtype.
    fill : float
        Value where nothing was written.
    about : str
        What it holds, with unit.
    axes : tuple of str
        Names of the axes after the first.
    is_later : bool
        Whether sessions of earlier versions lack it; what is not there then holds `fill`.
    """

    name: str
    dtype: str
    fill: float
    about: str
    axes: tuple[str, ...] = ()
    is_later: bool = False

    def tail(self, n_neurons: int) -> tuple[int, ...]:
        """Return the lengths of the axes after the first."""
        lengths = {"neuron": n_neurons, "zyx": 3, "rank": N_CANDIDATES, "stage": len(STAGES)}
        return tuple(lengths[axis] for axis in self.axes)

    def empty(self, n_rows: int, n_neurons: int) -> NDArray[Any]:
        """Return rows in which nothing was written, little-endian as on disk."""
        return np.full(
            (n_rows, *self.tail(n_neurons)), self.fill, np.dtype(self.dtype).newbyteorder("<")
        )


def _neuron(
    name: str, dtype: str, about: str, fill: float = np.nan, *, is_later: bool = False
) -> ArraySpec:
    return ArraySpec(
        name=name, dtype=dtype, fill=fill, about=about, axes=("neuron",), is_later=is_later
    )


def _later(name: str, dtype: str, about: str, fill: float = np.nan) -> ArraySpec:
    return ArraySpec(name=name, dtype=dtype, fill=fill, about=about, is_later=True)


STATUS = ArraySpec(
    name="status",
    dtype="uint8",
    fill=0,
    about="0 not reached, 1 traced, 2 skipped (we were late), 3 lost (never seen),"
    " 4 unlabelable, 5 skipped and labeled later; a row of the other arrays is valid where this"
    " is 1, 4 or 5",
)

SAMPLE_ARRAYS = (
    _neuron("ratio", "float32", "activity over marker; NaN where absent"),
    _neuron("activity", "float32", "counts above background of the activity channel"),
    _neuron("marker", "float32", "counts above background of the marker channel"),
    _neuron("activity_sum", "float64", "raw counts summed over the voxels, activity channel"),
    _neuron("marker_sum", "float64", "raw counts summed over the voxels, marker channel"),
    _neuron("confidence", "float32", "probability that the name is right"),
    _neuron("n_voxels", "int32", "voxels that were summed; 0 where absent", fill=0),
    _neuron("neuron_time_s", "float64", "time of the slice through the centroid, s"),
    ArraySpec(
        name="centroid_px",
        dtype="float32",
        fill=np.nan,
        about="center in voxels of the recording as stored",
        axes=("neuron", "zyx"),
    ),
    _neuron("ratio_sd", "float32", "SD of the ratio by noise; NaN if not told", is_later=True),
    _neuron(
        "flags",
        "uint8",
        "what is to be said against a sample, added up: "
        + ", ".join(f"{flag.value} {flag.name.lower()}" for flag in TraceFlag if flag.name),
        fill=0,
        is_later=True,
    ),
    _later("activity_background", "float32", "counts per voxel of no neuron, activity channel"),
    _later("marker_background", "float32", "counts per voxel of no neuron, marker channel"),
    _later("light_factor", "float32", "what the ratios were multiplied by", fill=1),
)
"""Fields of `TraceSample`, under their own names."""

TIME_ARRAYS = (
    ArraySpec(name="time_s", dtype="float64", fill=np.nan, about="time of the first slice, s"),
    _later(
        "novelty",
        "float32",
        "how unlike what the model knows the volume looks, 0 to 1; odd from 0.5 on",
    ),
    ArraySpec(
        name="timings_s",
        dtype="float32",
        fill=np.nan,
        about="duration of each stage, s; columns: " + ", ".join(STAGES),
        axes=("stage",),
    ),
    ArraySpec(
        name="detection_start", dtype="int64", fill=0, about="first row in the detections table"
    ),
    ArraySpec(name="n_detections", dtype="int32", fill=0, about="rows in the detections table"),
)

_FOUND_ARRAYS = (
    ArraySpec(name="volume_index", dtype="int32", fill=-1, about="number of the volume"),
    ArraySpec(
        name="centroid_px",
        dtype="float32",
        fill=np.nan,
        about="center in voxels of the recording as stored",
        axes=("zyx",),
    ),
    ArraySpec(name="n_voxels", dtype="int32", fill=0, about="voxels of the mask"),
    ArraySpec(name="neuron", dtype="int32", fill=0, about="class of the name; 0 where none"),
    ArraySpec(name="probability", dtype="float32", fill=np.nan, about="probability of that name"),
    ArraySpec(
        name="candidate_neuron",
        dtype="int32",
        fill=-1,
        about="the five most probable classes; 0 is 'none of these', -1 fills up",
        axes=("rank",),
    ),
    ArraySpec(
        name="candidate_probability",
        dtype="float32",
        fill=np.nan,
        about="their probabilities",
        axes=("rank",),
    ),
)

_NAME_ARRAYS = _FOUND_ARRAYS[3:]
MODEL_PREFIX = "model_"
MODEL_ARRAYS = tuple(
    replace(
        spec,
        name=MODEL_PREFIX + spec.name,
        about=f"{spec.about}, as the model said of this volume alone",
    )
    for spec in _NAME_ARRAYS
)
"""Names before identities over time and corrections; sessions of before lack these columns."""
DETECTION_ARRAYS = (*_FOUND_ARRAYS, *MODEL_ARRAYS)
"""Fields of `Detections` after the first, under their own names, then what the model said."""
