"""A session folder that grows while the session runs."""

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from napari_acll.core import (
    ChannelAlignment,
    LabeledVolume,
    Mark,
    SessionError,
    StageTimings,
    TraceSample,
    VolumeStatus,
)
from napari_acll.export._columns import GrowingArray
from napari_acll.export._header import SessionHeader, now_iso
from napari_acll.export._layout import (
    ALIGNMENT_FILE,
    ALIGNMENT_FORMAT,
    DETECTION_ARRAYS,
    DETECTIONS_PER_CHUNK,
    EVENTS_FILE,
    FORMAT,
    FORMAT_VERSION,
    SAMPLE_ARRAYS,
    SESSION_FILE,
    STAGES,
    STATUS,
    TIME_ARRAYS,
    TIMEPOINTS_PER_CHUNK,
    ArraySpec,
)
from napari_acll.export._marks import MARKS_FILE, MarksFile
from napari_acll.export._store import AtomicLocalStore, append_bytes, replace_bytes


def check_new_session(path: Path) -> None:
    """Check that a session could be created here, without creating it.

    Raises
    ------
    SessionError
        If something exists at the path already, or what it would lie in is not a folder.
    """
    if path.exists():
        raise SessionError(
            f"{path} exists already and nothing is ever overwritten; choose another folder for"
            " this session, or move the old one away."
        )
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    if not parent.is_dir():
        raise _cannot_create(path, f"{parent} is not a folder")


class ZarrSessionWriter:
    """Streams a session into a folder; `create` makes one.

    Each volume's values are written before its `status`, and no row is touched again: whoever
    reads the rows whose status is not 0, while the session runs or after a crash, reads complete
    volumes. Volumes and skips come in ascending order of their index.

    Parameters
    ----------
    path : Path
        A new, empty folder.
    header : SessionHeader
        What is known before the first volume.
    """

    def __init__(self, path: Path, header: SessionHeader) -> None:
        self.path = path
        self._header = header
        self._n_neurons = len(header.neurons)
        self._last_index: int | None = None
        self._n_detections = 0
        self._detections_of: tuple[int, int] | None = None
        self._is_closed = False
        self._write_session_file("running")
        (path / EVENTS_FILE).touch()
        self._marks = MarksFile(path / MARKS_FILE)
        group = self._create_group()
        table = group.create_group("detections")
        self._samples = [self._timepoints(group, spec) for spec in SAMPLE_ARRAYS]
        self._times = {spec.name: self._timepoints(group, spec) for spec in TIME_ARRAYS}
        self._detections = [self._rows(table, spec) for spec in DETECTION_ARRAYS]
        self._labels = self._create_labels(group) if header.settings.run.save_labels else None
        self._status = self._timepoints(group, STATUS)

    @classmethod
    def create(cls, path: str | Path, header: SessionHeader) -> "ZarrSessionWriter":
        """Create a session folder and return its writer.

        Parameters
        ----------
        path : str or Path
            The folder to create, customarily named `*.acll`; its parents are created too.
        header : SessionHeader
            What is known before the first volume.

        Raises
        ------
        SessionError
            If the path exists or cannot be written.
        """
        path = Path(path)
        check_new_session(path)
        try:
            path.mkdir(parents=True)
            return cls(path, header)
        except OSError as error:
            raise _cannot_create(path, _reason(error)) from error

    def write(self, sample: TraceSample, labeled: LabeledVolume, timings: StageTimings) -> None:
        """Keep one traced volume; after return it survives a crash of the process.

        Parameters
        ----------
        sample : TraceSample
            The values of all neurons.
        labeled : LabeledVolume
            Labels and detections of the same volume.
        timings : StageTimings
            How long each stage took.

        Raises
        ------
        SessionError
            If it cannot be written; what was written before stays readable.
        """
        with self._naming_what_is_safe():
            if self._labels is not None:
                self._put_labels(sample.index, labeled)
            self._put_detections(sample.index, labeled)
            for spec, array in zip(SAMPLE_ARRAYS, self._samples, strict=True):
                array.put(sample.index, np.asarray(getattr(sample, spec.name))[None])
            self._put_time("time_s", sample.index, sample.time_s)
            self._put_time("novelty", sample.index, labeled.novelty)
            self._put_time("timings_s", sample.index, [getattr(timings, name) for name in STAGES])
            self._put_status(sample.index, sample.status)

    def skip(self, index: int, status: VolumeStatus) -> None:
        """Keep that a timepoint has no values, and why.

        Raises
        ------
        SessionError
            If it cannot be written.
        """
        with self._naming_what_is_safe():
            self._put_status(index, status)

    def write_alignment(self, alignment: ChannelAlignment) -> None:
        """Keep the alignment that the samples were taken with.

        Raises
        ------
        SessionError
            If it cannot be written.
        """
        with self._naming_what_is_safe():
            content = {**ALIGNMENT_FORMAT, "alignment": alignment.model_dump(mode="json")}
            text = json.dumps(content, indent=2) + "\n"
            replace_bytes(self.path / ALIGNMENT_FILE, text.encode())

    def write_event(self, kind: str, message: str, details: Mapping[str, object]) -> None:
        """Keep something that happened, with the time at which it did.

        Parameters
        ----------
        kind : str
            One word, such as `skipped`.
        message : str
            One sentence.
        details : mapping
            JSON values.

        Raises
        ------
        SessionError
            If it cannot be written.
        """
        event = {"at": now_iso(), "kind": kind, "message": message, "details": dict(details)}
        with self._naming_what_is_safe():
            append_bytes(self.path / EVENTS_FILE, (json.dumps(event, default=str) + "\n").encode())

    def write_marks(self, marks: Sequence[Mark]) -> None:
        """Keep marks of behavior and stimuli; after return they survive a crash of the process.

        Parameters
        ----------
        marks : sequence of Mark
            In the order in which they came.

        Raises
        ------
        SessionError
            If they cannot be written.
        """
        with self._naming_what_is_safe():
            self._marks.write(marks)

    def close(self, *, state: str) -> None:
        """Finish the session; a second call does nothing.

        Parameters
        ----------
        state : str
            The last `SessionState`.

        Raises
        ------
        SessionError
            If the state cannot be written; the data stay readable.
        """
        if self._is_closed:
            return
        self._is_closed = True
        with self._naming_what_is_safe():
            self._write_session_file(state)

    def _write_session_file(self, state: str) -> None:
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "state": state,
            "ended_at": None if state == "running" else now_iso(),
            **self._header.to_json(),
        }
        text = json.dumps(content, indent=2, default=str) + "\n"
        replace_bytes(self.path / SESSION_FILE, text.encode())

    def _create_group(self) -> zarr.Group:
        attributes = {"format": FORMAT, "format_version": FORMAT_VERSION}
        neurons = list(self._header.neurons.names)
        store = AtomicLocalStore(self.path)
        return zarr.create_group(store, attributes={**attributes, "neurons": neurons})

    def _timepoints(self, group: zarr.Group, spec: ArraySpec) -> GrowingArray:
        return GrowingArray(
            group,
            self.path / group.path,
            spec,
            rows_per_chunk=TIMEPOINTS_PER_CHUNK,
            n_neurons=self._n_neurons,
            first_axis="time",
        )

    def _rows(self, group: zarr.Group, spec: ArraySpec) -> GrowingArray:
        return GrowingArray(
            group,
            self.path / group.path,
            spec,
            rows_per_chunk=DETECTIONS_PER_CHUNK,
            n_neurons=self._n_neurons,
            first_axis="detection",
        )

    def _create_labels(self, group: zarr.Group) -> zarr.Array[Any]:
        shape = self._header.spec.shape
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
        if labels is None:
            return
        if index >= labels.shape[0]:
            n_steps = index // TIMEPOINTS_PER_CHUNK + 1
            labels.resize((n_steps * TIMEPOINTS_PER_CHUNK, *labels.shape[1:]))
        labels[index] = labeled.labels(self._n_neurons)

    def _put_detections(self, index: int, labeled: LabeledVolume) -> None:
        found = labeled.detections
        if self._detections_of is None or self._detections_of[0] != index:
            self._detections_of = index, self._n_detections
        first_row = self._detections_of[1]  # the same one when a write is tried again
        columns = [np.full(len(found), index), labeled.spec.grid.to_stored_px(found.centroid_px)]
        columns += [getattr(found, spec.name) for spec in DETECTION_ARRAYS[2:]]
        for array, column in zip(self._detections, columns, strict=True):
            array.put(first_row, column)
        self._put_time("detection_start", index, first_row)
        self._put_time("n_detections", index, len(found))
        self._n_detections = first_row + len(found)

    def _put_time(self, name: str, index: int, value: object) -> None:
        self._times[name].put(index, np.asarray(value)[None])

    def _put_status(self, index: int, status: VolumeStatus) -> None:
        self._status.put(index, np.array([status], np.uint8))
        self._last_index = index

    def _check_there(self) -> None:
        """Raise if the folder is gone: parts of it must not come into being again elsewhere."""
        if not (self.path / SESSION_FILE).exists():
            raise FileNotFoundError(errno.ENOENT, "the folder was removed or cannot be reached")

    @contextmanager
    def _naming_what_is_safe(self) -> Iterator[None]:
        try:
            self._check_there()
            yield
        except OSError as error:
            safe = (
                "no volume was written yet"
                if self._last_index is None
                else f"everything up to volume {self._last_index} is safe and can be exported"
            )
            raise SessionError(
                f"The session folder {self.path} cannot be written ({_reason(error)}); {safe}."
                " Free space or choose another disk, then start a new session."
            ) from error


def _cannot_create(path: Path, reason: str) -> SessionError:
    return SessionError(
        f"The session folder {path} cannot be created ({reason}); choose a place where you may"
        " write and that has room."
    )


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
