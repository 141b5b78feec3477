"""A session folder, read: finished, growing or left by a crash."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import zarr
from pydantic import ValidationError
from zarr.storage import LocalStore

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    Correction,
    Mark,
    NeuronTable,
    SessionError,
    calibration_label,
)
from napari_acll.export._corrections import CORRECTIONS_FILE, read_corrections
from napari_acll.export._layout import (
    ALIGNMENT_FILE,
    EVENTS_FILE,
    INTERRUPTED,
)
from napari_acll.export._lock import WriterLock, is_being_written, was_written_here
from napari_acll.export._marks import MARKS_FILE, read_marks, with_times
from napari_acll.export._restore import as_damage, read_header, restore, whole_events
from napari_acll.export._saved_arrays import SavedArrays


class SavedSession(SavedArrays):
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
        names = header["neurons"]
        super().__init__(
            path, group, NeuronTable.from_names(names if isinstance(names, list) else [])
        )
        self.header = header

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
