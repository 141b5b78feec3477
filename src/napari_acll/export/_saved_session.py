"""A session folder, read: finished, growing or left by a crash."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from pydantic import ValidationError
from zarr.storage import LocalStore

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    Correction,
    Detections,
    Mark,
    NeuronTable,
    SessionError,
    VolumeStatus,
    calibration_label,
)
from napari_acll.export._corrections import CORRECTIONS_FILE, read_corrections
from napari_acll.export._layout import (
    ALIGNMENT_FILE,
    DETECTION_ARRAYS,
    EVENTS_FILE,
    INTERRUPTED,
    MODEL_ARRAYS,
    MODEL_PREFIX,
    SAMPLE_ARRAYS,
    STATUS,
    TIME_ARRAYS,
)
from napari_acll.export._lock import WriterLock, is_being_written, was_written_here
from napari_acll.export._marks import MARKS_FILE, read_marks, with_times
from napari_acll.export._restore import as_damage, read_header, restore, whole_events

TIMEPOINT_ARRAYS = tuple(spec.name for spec in (*SAMPLE_ARRAYS, *TIME_ARRAYS))
"""Arrays with one row per timepoint that `SavedSession.read` gives."""
_WITHOUT_VALUES = (VolumeStatus.PENDING, VolumeStatus.SKIPPED, VolumeStatus.LOST)
_SPECS = {spec.name: spec for spec in (*SAMPLE_ARRAYS, *TIME_ARRAYS)}


class SavedSession:
    """What a session folder holds, as of the moment it was opened.

    A session that still grows, or that a crash ended, is read up to its last complete volume;
    `refresh` looks again. Values that a crash or a power cut left incomplete are taken back first,
    if the folder can be written to. Use `open`.

    Parameters
    ----------
    path : Path
        The session folder.
    header : mapping
        Content of its `session.json`.
    group : zarr.Group
        Its arrays.

    Examples
    --------
    >>> saved = SavedSession.open("worm.acll")  # doctest: +SKIP
    >>> saved.read("ratio").shape  # doctest: +SKIP
    (1600, 185)
    """

    def __init__(self, path: Path, header: Mapping[str, object], group: zarr.Group) -> None:
        self.path = path
        self.header = header
        self._group = group
        self._status = self._committed()

    @classmethod
    def open(cls, path: str | Path) -> "SavedSession":
        """Open a session folder; what a killed writer did not finish is taken back.

        Parameters
        ----------
        path : str or Path
            The session folder.

        Raises
        ------
        SessionError
            If it is not a session folder, was written by a newer version, or is damaged.
        """
        path = Path(path)
        header = read_header(path)
        if header["state"] == "running" and not is_being_written(path):
            header["state"] = INTERRUPTED
            if was_written_here(path):  # shares need not tell of locks of other computers
                _put_in_order(path, header)
        with as_damage(path):
            group = zarr.open_group(LocalStore(path, read_only=True), mode="r")
            return cls(path, header, group)

    def refresh(self) -> "SavedSession":
        """Return the session as it is now.

        Raises
        ------
        SessionError
            As for `open`.
        """
        return SavedSession.open(self.path)

    @property
    def state(self) -> str:
        """`running` while it grows, `finished`, `failed`, or `interrupted` by a kill or crash."""
        return str(self.header["state"])

    @property
    def neurons(self) -> NeuronTable:
        """The neurons of the model."""
        names = self.header["neurons"]
        return NeuronTable.from_names(names if isinstance(names, list) else [])

    @property
    def calibrated_on(self) -> str:
        """On what the probabilities were calibrated, such as `simulation only`."""
        model = self.header.get("model")
        return calibration_label(model) if isinstance(model, Mapping) else ""

    @property
    def settings(self) -> AcllSettings:
        """The settings that the session ran with.

        Raises
        ------
        SessionError
            If they were written by a version with other settings.
        """
        try:
            return AcllSettings.model_validate(_as_they_were(self.header["settings"]))
        except ValidationError as error:
            raise SessionError(
                f"The settings saved in {self.path} do not fit this version of the program; read"
                " them from `header['settings']` instead."
            ) from error

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

    @property
    def alignment(self) -> ChannelAlignment | None:
        """The alignment that the samples were taken with; None before it was known.

        Raises
        ------
        SessionError
            If its file is damaged.
        """
        file = self.path / ALIGNMENT_FILE
        if not file.exists():
            return None
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            return ChannelAlignment.model_validate(content["alignment"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SessionError(
                f"{file} is not a channel alignment; restore the file, the traces need it to say"
                " how they were taken."
            ) from error

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

    def events(self) -> list[dict[str, object]]:
        """Return what happened, in order: `at`, `kind`, `message`, `details`.

        A last line that a crash cut short is left out.
        """
        file = self.path / EVENTS_FILE
        if not file.exists():
            return []
        text = file.read_text(encoding="utf-8", errors="replace")
        with as_damage(self.path):
            return whole_events(text)

    def marks(self) -> list[Mark]:
        """Return what the animal did or was shown, in the order in which it was noted.

        Marks that came before the first volume have negative times, if the session could tell.

        Raises
        ------
        SessionError
            If the table of marks is damaged.
        """
        with as_damage(self.path):
            marks = read_marks(self.path / MARKS_FILE)
        return with_times(marks, self.zero_at_s)

    @property
    def zero_at_s(self) -> float:
        """Wall time of time 0 of the recording, in s since 1970; NaN where nobody asked for it."""
        return self._detail("clock", "zero_at_s", float("nan"))

    def corrections(self) -> list[Correction]:
        """Return what a person corrected, in order; undoing and redoing are corrections, too.

        Raises
        ------
        SessionError
            If the table of corrections is damaged.
        """
        with as_damage(self.path):
            return read_corrections(self.path / CORRECTIONS_FILE)

    @property
    def deadlines(self) -> Mapping[str, object]:
        """How long the stages took and how often samples were late; empty after a crash.

        The same as `DeadlineReport.to_json` gives.
        """
        told = [event["details"] for event in self.events() if event["kind"] == "deadlines"]
        return told[-1] if told and isinstance(told[-1], dict) else {}

    def forecasts(self) -> list[Mapping[str, Any]]:
        """Return what was expected of each neuron, oldest first; empty if it was too short.

        The same as `Forecast.to_json` gives: the first one after 30 labeled volumes, the last one
        at the end.
        """
        told = [event["details"] for event in self.events() if event["kind"] == "forecast"]
        return [details for details in told if isinstance(details, dict) and details]

    def _detail(self, kind: str, key: str, otherwise: float) -> float:
        """Return a number that the last event of a kind that tells it tells."""
        for event in reversed(self.events()):
            details = event["details"]
            if event["kind"] == kind and isinstance(details, dict) and key in details:
                return float(details[key])
        return otherwise

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


def _as_they_were(settings: object) -> object:
    """Return saved settings with what was not a choice yet when they were saved."""
    if not isinstance(settings, Mapping) or not isinstance(settings.get("trace"), Mapping):
        return settings
    return {**settings, "trace": {"estimator": "ratio", **settings["trace"]}}


def _put_in_order(path: Path, header: Mapping[str, Any]) -> None:
    """Take back what a killed writer did not finish, unless the folder may only be read."""
    with suppress(OSError, SessionError):  # reading then says what is wrong, if it matters
        lock = WriterLock(path)
        try:
            restore(path, header)
        finally:
            lock.release()
