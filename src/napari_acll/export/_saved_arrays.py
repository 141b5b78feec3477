"""The arrays of a session folder, read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_acll.core import Detections, NeuronTable, SessionError, VolumeStatus
from napari_acll.export._layout import (
    DETECTION_ARRAYS,
    MODEL_ARRAYS,
    MODEL_PREFIX,
    SAMPLE_ARRAYS,
    STATUS,
    TIME_ARRAYS,
)
from napari_acll.export._restore import as_damage

TIMEPOINT_ARRAYS = tuple(spec.name for spec in (*SAMPLE_ARRAYS, *TIME_ARRAYS))
"""Arrays with one row per timepoint that `SavedSession.read` gives."""
_WITHOUT_VALUES = (VolumeStatus.PENDING, VolumeStatus.SKIPPED, VolumeStatus.LOST)
_SPECS = {spec.name: spec for spec in (*SAMPLE_ARRAYS, *TIME_ARRAYS)}


class SavedArrays:
    """What was saved of each volume, up to the last one that is complete.

    Parameters
    ----------
    path : Path
        The session folder.
    group : zarr.Group
        Its arrays.
    neurons : NeuronTable
        The neurons of the model.
    """

    def __init__(self, path: Path, group: zarr.Group, neurons: NeuronTable) -> None:
        self.path = path
        self.neurons = neurons
        self._group = group
        self._status = self._committed()

    @property
    def n_timepoints(self) -> int:
        """Number of timepoints, skipped and lost ones included."""
        return len(self._status)

    @property
    def status(self) -> NDArray[np.uint8]:
        """`VolumeStatus` of each timepoint, shape `(n_timepoints,)`."""
        return self._status

    @property
    def has_labels(self) -> bool:
        """Whether label maps were saved."""
        return "labels" in self._group

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return an array with one row per timepoint.

        Parameters
        ----------
        name : str
            `ratio`, `activity`, `marker`, `activity_sum`, `marker_sum`, `confidence`,
            `n_voxels`, `neuron_time_s`, `centroid_px`, `time_s`, `timings_s`, `ratio_sd`,
            `flags`, ...
        start, stop : int
            Timepoints; everything by default.

        Returns
        -------
        ndarray, shape (stop - start, ...)

        Raises
        ------
        KeyError
            If there is no such array.
        SessionError
            If the array is damaged.
        """
        if name not in TIMEPOINT_ARRAYS:
            raise KeyError(f"A session has no {name!r}; it has {', '.join(TIMEPOINT_ARRAYS)}.")
        stop = self.n_timepoints if stop is None else min(stop, self.n_timepoints)
        if _SPECS[name].is_later and name not in self._group:  # older sessions did not tell
            return _SPECS[name].empty(max(stop - start, 0), len(self.neurons))
        rows = self._slice(name, start, stop)
        has_none = np.isin(self._status[start:stop], _WITHOUT_VALUES)
        if has_none.any():  # a kill may leave parts there of what was to be filled in later
            rows[has_none] = _SPECS[name].fill
        return rows

    def side_swap_probability(
        self, start: int = 0, stop: int | None = None
    ) -> NDArray[np.float32]:
        """Return how probable it is that each name should be that of the other body side.

        Parameters
        ----------
        start, stop : int
            Timepoints; everything by default.

        Returns
        -------
        ndarray of float32, shape (stop - start, n_neurons)
            NaN where a neuron has no name at that time.

        Raises
        ------
        SessionError
            If the table of detections is damaged.
        """
        stop = self.n_timepoints if stop is None else min(stop, self.n_timepoints)
        result = np.full((max(stop - start, 0), len(self.neurons)), np.nan, np.float32)
        first = self.read("detection_start", start, stop)
        n_rows = self.read("n_detections", start, stop)
        if not n_rows.any():
            return result
        begin = int(first[n_rows > 0].min())
        end = int((first + n_rows)[n_rows > 0].max())
        row = self.read_detections("volume_index", begin, end) - start
        found = self._rows_of(begin, end, {})
        is_named = (found.neuron > 0) & (row >= 0) & (row < len(result))
        swapped = found.side_swap_probability(self.neurons)
        result[row[is_named], found.neuron[is_named] - 1] = swapped[is_named]
        return result

    def labels(self, index: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return the label map of one volume, `(Z, Y, X)`; all 0 where it was not traced.

        Raises
        ------
        IndexError
            If the session has no such timepoint.
        SessionError
            If label maps were not saved, or this one is damaged.
        """
        self._check_index(index)
        if not self.has_labels:
            raise SessionError(
                f"{self.path} was recorded with `run.save_labels: false` and holds no label maps."
            )
        labels: NDArray[np.uint8] | NDArray[np.uint16] = self._slice("labels", index, index + 1)[0]
        return labels * (self._status[index] not in _WITHOUT_VALUES)

    def detections(self, index: int) -> Detections:
        """Return everything that was detected in one volume; centers are stored voxels.

        Raises
        ------
        IndexError
            If the session has no such timepoint.
        SessionError
            If the table is damaged.
        """
        return self._detections(index, {})

    def said(self, index: int) -> Detections:
        """Return the same as the model said it, before identities over time and corrections.

        Of sessions that did not keep it, what `detections` returns.

        Raises
        ------
        IndexError
            If the session has no such timepoint.
        SessionError
            If the table is damaged.
        """
        by_model = (spec.name for spec in MODEL_ARRAYS)
        return self._detections(
            index, {name.removeprefix(MODEL_PREFIX): name for name in by_model}
        )

    def _detections(self, index: int, other: Mapping[str, str]) -> Detections:
        self._check_index(index)
        start = int(self.read("detection_start", index, index + 1)[0])
        stop = start + int(self.read("n_detections", index, index + 1)[0])
        return self._rows_of(start, stop, other)

    def _rows_of(self, start: int, stop: int, other: Mapping[str, str]) -> Detections:
        """Return rows of the table, some columns read from others."""
        return Detections(
            **{
                name: self.read_detections(other.get(name, name), start, stop)
                for name in Detections.__dataclass_fields__
            }
        )

    @property
    def n_detections(self) -> int:
        """Number of rows in the table of detections of all volumes."""
        if not self.n_timepoints:
            return 0
        return int((self.read("detection_start") + self.read("n_detections")).max())

    def read_detections(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Return rows of one column of the table of detections of all volumes.

        Parameters
        ----------
        name : str
            `volume_index`, `centroid_px`, `n_voxels`, `neuron`, `probability`,
            `candidate_neuron` or `candidate_probability`; the last four also with `model_`
            before, as the model said of the volume alone. Of sessions that did not keep it, they
            are those that were given.
        start, stop : int
            Rows.

        Raises
        ------
        KeyError
            If there is no such column.
        SessionError
            If the table is damaged.
        """
        if name not in {spec.name for spec in DETECTION_ARRAYS}:
            raise KeyError(f"The table of detections has no column {name!r}.")
        if name.startswith(MODEL_PREFIX) and f"detections/{name}" not in self._group:
            name = name.removeprefix(MODEL_PREFIX)
        return self._slice(f"detections/{name}", start, stop)

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self.n_timepoints:
            raise IndexError(f"The session has volumes 0 to {self.n_timepoints - 1}, got {index}.")

    def _committed(self) -> NDArray[np.uint8]:
        status = self._slice(STATUS.name, 0, None)
        reached = np.flatnonzero(status != VolumeStatus.PENDING)
        return status[: reached[-1] + 1 if len(reached) else 0]

    def _slice(self, name: str, start: int, stop: int | None) -> NDArray[Any]:
        with as_damage(self.path):
            array = self._group[name]
            rows: NDArray[Any] = np.asarray(array[start:stop])  # type: ignore[index]
            return rows
