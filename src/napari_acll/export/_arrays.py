"""The arrays of a session folder, as they are written."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from napari_acll.core import LabeledVolume, StageTimings, TraceSample, VolumeStatus
from napari_acll.export._columns import GrowingArray
from napari_acll.export._layout import (
    DETECTION_ARRAYS,
    DETECTIONS_PER_CHUNK,
    FORMAT,
    FORMAT_VERSION,
    MODEL_PREFIX,
    SAMPLE_ARRAYS,
    STAGES,
    STATUS,
    TIME_ARRAYS,
    TIMEPOINTS_PER_CHUNK,
    ArraySpec,
)
from napari_acll.export._store import AtomicLocalStore

VALUES = (VolumeStatus.TRACED, VolumeStatus.UNLABELABLE, VolumeStatus.BACKFILLED)
"""Rows of this status were written by `SessionArrays.write`."""
_N_RECENT = 64
"""Label maps that are looked at after a kill; the system has long put earlier ones on the disk."""


class SessionArrays:
    """The arrays of one session: those that are there, and new ones for what is lacking.

    Parameters
    ----------
    path : Path
        The session folder.
    neurons : list of str
        Names of the columns.
    shape : tuple of int
        `(Z, Y, X)` of a label map.
    has_labels : bool
        Whether label maps are kept.
    is_synced : bool
        Whether to wait until the disk has each row, its values before its status.
    """

    def __init__(
        self,
        path: Path,
        *,
        neurons: list[str],
        shape: tuple[int, ...],
        has_labels: bool,
        is_synced: bool,
    ) -> None:
        self.path = path
        self._is_synced = is_synced
        self._n_neurons = len(neurons)
        group = self._group(neurons)
        table = group["detections"] if "detections" in group else group.create_group("detections")
        self._samples = [self._timepoints(group, spec) for spec in SAMPLE_ARRAYS]
        self._times = {spec.name: self._timepoints(group, spec) for spec in TIME_ARRAYS}
        self._detections = {spec.name: self._rows(table, spec) for spec in _columns_of(table)}
        self._labels: Any = self._label_maps(group, shape) if has_labels else None
        self._status = self._timepoints(group, STATUS)
        self.n_detections = 0
        self._detections_of: tuple[int, int] | None = None

    def write(self, sample: TraceSample, labeled: LabeledVolume, timings: StageTimings) -> None:
        """Write one row, its status last.

        Raises
        ------
        OSError
            If it cannot be written; its status is as it was then.
        """
        if self._labels is not None:
            self._put_labels(sample.index, labeled)
        self._put_detections(sample.index, labeled)
        for spec, array in zip(SAMPLE_ARRAYS, self._samples, strict=True):
            array.put(sample.index, np.asarray(getattr(sample, spec.name))[None])
        self._put_time("time_s", sample.index, sample.time_s)
        self._put_time("novelty", sample.index, labeled.novelty)
        self._put_time("timings_s", sample.index, [getattr(timings, name) for name in STAGES])
        self.put_status(sample.index, sample.status)

    def put_status(self, index: int, status: VolumeStatus) -> None:
        """Write what became of a timepoint."""
        self._status.put(index, np.array([status], np.uint8))

    def restore(self) -> tuple[NDArray[np.uint8], list[int]]:
        """Find out what a writer that was killed has left, and take back what it did not finish.

        A row without all that belongs to it becomes one that was not reached if it is at the end,
        else a skipped one.

        Returns
        -------
        status : ndarray of uint8, shape (n,)
            Up to the last row that was reached.
        torn : list of int
            Rows that were taken back.
        """
        status, _ = self._status.restore()
        for array in (*self._samples, *self._times.values()):
            array.reach(len(status))
        times, is_there = {}, [array.restore()[1] for array in self._samples]
        for name, array in self._times.items():
            times[name], of_array = array.restore()
            is_there.append(of_array)
        found = self._restore_detections()
        written = np.flatnonzero(np.isin(status, VALUES))
        recent = set(written[-_N_RECENT:].tolist())
        recent.update(np.flatnonzero(status == VolumeStatus.BACKFILLED)[-_N_RECENT:].tolist())
        torn = [
            index
            for index in written.tolist()
            if not all(index < len(rows) and rows[index] for rows in is_there)
            or not _has_detections(index, times, found)
            or (index in recent and not self._has_labels_of(index))
        ]
        for index in torn:
            status[index] = VolumeStatus.PENDING
        reached = np.flatnonzero(status != VolumeStatus.PENDING)
        n = int(reached[-1]) + 1 if len(reached) else 0
        for index in torn:
            status[index] = VolumeStatus.SKIPPED if index < n else VolumeStatus.PENDING
            self.put_status(index, VolumeStatus(status[index]))
        whole = np.flatnonzero(np.isin(status, VALUES))
        ends = times["detection_start"][whole] + times["n_detections"][whole]
        self.n_detections = int(ends.max(initial=0))
        return status[:n], torn

    def _restore_detections(self) -> NDArray[np.int64]:
        """Return the volume of each row of the table of detections, -1 where one is lacking."""
        restored = [array.restore() for array in self._detections.values()]
        n_rows = min(len(is_there) for _, is_there in restored)
        is_whole = np.all([is_there[:n_rows] for _, is_there in restored], axis=0)
        return np.where(is_whole, restored[0][0][:n_rows].astype(np.int64), -1)

    def _has_labels_of(self, index: int) -> bool:
        if self._labels is None:
            return True
        try:
            np.asarray(self._labels[index])
        except (OSError, ValueError, RuntimeError, IndexError):
            return False
        return True

    def _group(self, neurons: list[str]) -> Any:
        store = AtomicLocalStore(self.path, is_synced=self._is_synced)
        if (self.path / "zarr.json").exists():
            return zarr.open_group(store, mode="r+")
        attributes = {"format": FORMAT, "format_version": FORMAT_VERSION, "neurons": neurons}
        return zarr.create_group(store, attributes=attributes)

    def _timepoints(self, group: Any, spec: ArraySpec) -> GrowingArray:
        return GrowingArray(
            group,
            self.path / group.path,
            spec,
            rows_per_chunk=TIMEPOINTS_PER_CHUNK,
            n_neurons=self._n_neurons,
            first_axis="time",
            is_synced=self._is_synced,
        )

    def _rows(self, group: Any, spec: ArraySpec) -> GrowingArray:
        return GrowingArray(
            group,
            self.path / group.path,
            spec,
            rows_per_chunk=DETECTIONS_PER_CHUNK,
            n_neurons=self._n_neurons,
            first_axis="detection",
            is_synced=self._is_synced,
        )

    def _label_maps(self, group: Any, shape: tuple[int, ...]) -> Any:
        if "labels" in group:
            return group["labels"]
        return group.create_array(
            "labels",
            shape=(TIMEPOINTS_PER_CHUNK, *shape),
            chunks=(1, *shape),
            dtype="uint8" if self._n_neurons <= np.iinfo(np.uint8).max else "uint16",
            fill_value=0,
            compressors=ZstdCodec(level=1),
            dimension_names=("time", "z", "y", "x"),
            attributes={"about": "class number at each labeled voxel; 0 is no named neuron"},
        )

    def _put_labels(self, index: int, labeled: LabeledVolume) -> None:
        labels = self._labels
        if index >= labels.shape[0]:
            n_steps = index // TIMEPOINTS_PER_CHUNK + 1
            labels.resize((n_steps * TIMEPOINTS_PER_CHUNK, *labels.shape[1:]))
        labels[index] = labeled.labels(self._n_neurons)

    def _put_detections(self, index: int, labeled: LabeledVolume) -> None:
        found = labeled.detections
        if self._detections_of is None or self._detections_of[0] != index:
            self._detections_of = index, self.n_detections
        first_row = self._detections_of[1]  # the same one when a write is tried again
        columns = {
            "volume_index": np.full(len(found), index),
            "centroid_px": labeled.spec.grid.to_stored_px(found.centroid_px),
        }
        for name, array in self._detections.items():
            array.put(first_row, columns[name] if name in columns else _column(labeled, name))
        self._put_time("detection_start", index, first_row)
        self._put_time("n_detections", index, len(found))
        self.n_detections = first_row + len(found)

    def _put_time(self, name: str, index: int, value: object) -> None:
        self._times[name].put(index, np.asarray(value)[None])


def _columns_of(table: Any) -> Iterable[ArraySpec]:
    """Return the columns of a table of detections: of an older session those that it has."""
    is_new = DETECTION_ARRAYS[0].name not in table
    return [spec for spec in DETECTION_ARRAYS if is_new or spec.name in table]


def _column(labeled: LabeledVolume, name: str) -> NDArray[Any]:
    found = labeled.by_model if name.startswith(MODEL_PREFIX) else labeled.detections
    column: NDArray[Any] = getattr(found, name.removeprefix(MODEL_PREFIX))
    return column


def _has_detections(
    index: int, times: dict[str, NDArray[Any]], volume_index: NDArray[np.int64]
) -> bool:
    """Return whether a row has its time, and all of its detections are in the table."""
    start, n_rows = times["detection_start"][index], times["n_detections"][index]
    of_volume = volume_index[start : start + n_rows]
    return (
        bool(np.isfinite(times["time_s"][index]))
        and len(of_volume) == n_rows
        and bool((of_volume == index).all())
    )
