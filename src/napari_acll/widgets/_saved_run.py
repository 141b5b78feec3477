"""A saved session as docks ask of a run: its traces are there, and nothing goes on."""

import threading
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_acll.core import (
    ChannelAlignment,
    Correction,
    CorrectionError,
    Corrections,
    DeadlineReport,
    Durations,
    LabeledVolume,
    SessionError,
    SessionState,
    StageTimings,
    TraceSample,
    VolumeStatus,
)
from napari_acll.export import SavedSession
from napari_acll.quality import MEASURED, Forecast, TraceQuality, quality_of
from napari_acll.session import Latest, spec_of, traces_of
from napari_acll.widgets._last_read import LastRead
from napari_acll.widgets._lazy_volumes import LazyVolumes
from napari_acll.widgets._playable import Playable
from napari_acll.widgets._run import Run, RunRequest

_WITH_VALUES = (VolumeStatus.TRACED, VolumeStatus.UNLABELABLE, VolumeStatus.BACKFILLED)


class SavedTraces:
    """What a session folder holds, as docks ask of a session; nothing ever changes in it.

    Traces, confidences and centers are in memory, a few MB; the rest is read when somebody asks
    for it. `index` is the volume that is looked at.

    Parameters
    ----------
    saved : SavedSession
        The session.
    volumes : LazyVolumes, optional
        The volumes as they were labeled; None: the recording is gone.

    Raises
    ------
    SessionError
        If it is damaged.
    """

    event = Signal(str, str)
    alignment_ready = Signal(ChannelAlignment)
    state = SessionState.FINISHED
    is_paused = False
    given_up: ClassVar[tuple[str, ...]] = ()
    drift: ClassVar[None] = None

    def __init__(self, saved: SavedSession, volumes: LazyVolumes | None) -> None:
        self.saved = saved
        self.spec = spec_of(saved)
        self.calibrated_on = saved.calibrated_on
        self.volumes = volumes
        self.labels = LastRead(saved.labels) if saved.has_labels else None
        self.index = 0
        self.store, self.counters = traces_of(saved)
        self._centroid_px = saved.read("centroid_px")
        self._novelty = saved.read("novelty")
        self.marks = tuple(saved.marks())
        self.deadlines = _deadlines_of(saved)
        self.corrections = Corrections(self.store.neurons)
        self.corrections.restore(saved.corrections(), next_index=self.store.n_timepoints)
        self._latest: Latest | None = None

    @property
    def novelty(self) -> float:
        """How odd the volume looks that is looked at, 0 to 1; NaN if nobody knows."""
        return float(self._novelty[self.index]) if self.index < len(self._novelty) else np.nan

    @cached_property
    def quality(self) -> TraceQuality:
        """How far each trace could be trusted at the end."""
        return quality_of(
            self.store.neurons,
            self.spec.grid.stored_voxel_size_um(),
            status=self.store.status,
            values={name: self.saved.read(name) for name in MEASURED},
            novelty=self._novelty,
        )

    @cached_property
    def forecast(self) -> Forecast | None:
        """The last forecast of the session, None if it made none."""
        told = self.saved.forecasts()
        return Forecast.from_json(told[-1], self.store.neurons) if told else None

    def times_s(self) -> NDArray[np.float64]:
        """Return the time of each volume, in s; those that never came lie on the period."""
        known = self.store.time_s
        return np.where(np.isfinite(known), known, np.arange(len(known)) * self.spec.period_s)

    def sample(self, index: int) -> TraceSample:
        """Return ratios, confidences and centers of a volume; all else in it is NaN."""
        status = VolumeStatus(int(self.store.status[index]))
        n_neurons = len(self.store.neurons)
        empty = TraceSample.absent(index, float(self.store.time_s[index]), n_neurons, status)
        return replace(
            empty,
            ratio=self.store.ratio[:, index],
            confidence=self.store.confidence[:, index],
            centroid_px=self._centroid_px[index],
        )

    def load(self, index: int) -> None:
        """Bring what is drawn of a volume into memory.

        Raises
        ------
        AcllError
            If it cannot be read.
        """
        if self.labels is not None:
            self.labels.get(index)
        if self.volumes is not None:
            self.volumes.load(index)

    def latest(self) -> Latest | None:
        """Return the volume that is looked at, if it was labeled and its recording is there."""
        if self._latest is None or self._latest.sample.index != self.index:
            self._latest = self._look()  # None is asked again: its volume may be in memory then
        return self._latest

    def mark(
        self, name: str, value: float = float("nan"), *, note: str = "", channel: str = ""
    ) -> None:
        """Refuse: it is over.

        Raises
        ------
        SessionError
            Always.
        """
        del value, note, channel
        raise SessionError(f"The mark {name!r} was not kept: the session is over.")

    def correct(self, correction: Correction) -> None:
        """Refuse: it is over.

        Raises
        ------
        CorrectionError
            Always.
        """
        raise CorrectionError(
            f"{correction.name} was not corrected: the session is over. Names can be corrected"
            " while one runs."
        )

    def undo_correction(self) -> None:
        """Refuse: it is over.

        Raises
        ------
        CorrectionError
            Always.
        """
        raise CorrectionError("Nothing was undone: the session is over.")

    def redo_correction(self) -> None:
        """Refuse: it is over.

        Raises
        ------
        CorrectionError
            Always.
        """
        raise CorrectionError("Nothing was done again: the session is over.")

    def start(self) -> None:
        """Do nothing: it is over."""

    def stop(self) -> None:
        """Do nothing: it is over."""

    def pause(self) -> None:
        """Do nothing: it is over."""

    def unpause(self) -> None:
        """Do nothing: it is over."""

    def join(self, timeout: float | None = None) -> bool:
        """Return that it is over."""
        del timeout
        return True

    def _look(self) -> Latest | None:
        volume = None if self.volumes is None else self.volumes.in_memory(self.index)
        has_values = self.index < len(self._novelty) and (
            self.store.status[self.index] in _WITH_VALUES
        )
        if volume is None or self.labels is None or not has_values:
            return None
        labeled = self._labeled(self.labels.get(self.index))
        return Latest(volume, labeled, self.sample(self.index), self._timings())

    def _labeled(self, labels: NDArray[np.unsignedinteger]) -> LabeledVolume:
        found = self.saved.detections(self.index)
        centroid_px = self.spec.grid.from_stored_px(found.centroid_px).astype(np.float32)
        row_of_class = np.zeros(len(self.store.neurons) + 1, np.uint16)
        row_of_class[found.neuron] = np.arange(1, len(found) + 1)
        row_of_class[0] = 0  # whatever has no name is not in a label map
        return LabeledVolume(
            index=self.index,
            spec=self.spec,
            instances=row_of_class[labels],
            detections=replace(found, centroid_px=centroid_px),
            novelty=self.novelty,
        )

    def _timings(self) -> StageTimings:
        row = self.saved.read("timings_s", self.index, self.index + 1)[0]
        names = (field.name for field in fields(StageTimings))
        return StageTimings(**{name: float(took) for name, took in zip(names, row, strict=True)})


class SavedRun(Run):
    """A run that was over before it began: what a session folder holds.

    Parameters
    ----------
    traces : SavedTraces
        Its content.
    playable : Playable
        Its volumes.
    alignment : ChannelAlignment, optional
        The alignment that the samples were taken with.
    notes : sequence of str
        What the user should know, one sentence each.

    Raises
    ------
    SessionError
        If its settings do not fit this version of the program.
    """

    session: SavedTraces

    def __init__(
        self,
        traces: SavedTraces,
        playable: Playable,
        *,
        alignment: ChannelAlignment | None,
        notes: tuple[str, ...],
    ) -> None:
        saved = traces.saved
        request = RunRequest(
            recording=playable.recording, settings=saved.settings, out=Path(saved.path)
        )
        super().__init__(request, lambda _request: traces)
        # a thread for `_work` would hold this, and the files that it has open, until a collection
        self._thread = threading.Thread()
        self.session = traces
        self.playable = playable
        self.notes = notes
        self._alignment = alignment
        self._done.set()

    def start(self) -> None:
        """Do nothing: it is over."""

    def wait(self, timeout: float | None = None) -> bool:
        """Return that it is over."""
        del timeout
        return True


def _deadlines_of(saved: SavedSession) -> DeadlineReport:
    """Return how long the stages took, as the session told at its end; empty after a crash."""
    told: dict[str, Any] = {"deadline_s": None, "stages": {}, **saved.deadlines}
    stages = {name: _durations(kept) for name, kept in told.pop("stages").items()}
    return DeadlineReport(**told, stages=stages)


def _durations(kept: Mapping[str, Any]) -> Durations:
    known = {key: took for key, took in kept.items() if took is not None}
    return Durations(**known)
