"""What waits to be written, and how each kind is written."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from napari_acll.core import (
    ChannelAlignment,
    Correction,
    IdentityFilter,
    LabeledVolume,
    Labeler,
    Mark,
    SessionCounters,
    SessionWriter,
    StageTimings,
    TraceSample,
    VolumeSource,
    VolumeStatus,
    calibration_notice,
)

STOPPED_BY_USER = "is_stopped_by_user"
"""In the details of the last event."""


class Item(Protocol):
    """Something that a writer keeps."""

    def hand_to(self, writer: SessionWriter) -> None:
        """Give it to a writer."""
        ...


@dataclass(frozen=True, slots=True)
class Traced:
    """A traced volume, with or without its label map."""

    sample: TraceSample
    labeled: LabeledVolume
    timings: StageTimings
    keeps_labels: bool = True

    def hand_to(self, writer: SessionWriter) -> None:
        """Give it to a writer."""
        labeled = self.labeled if self.keeps_labels else self.labeled_without_map()
        writer.write(self.sample, labeled, self.timings)

    def labeled_without_map(self) -> LabeledVolume:
        """Return what was found, with an empty label map that takes no memory."""
        nothing = np.broadcast_to(np.uint16(0), self.labeled.instances.shape)
        return replace(self.labeled, instances=nothing)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A timepoint without values."""

    index: int
    status: VolumeStatus

    def hand_to(self, writer: SessionWriter) -> None:
        """Give it to a writer."""
        writer.skip(self.index, self.status)


@dataclass(frozen=True, slots=True)
class Aligned:
    """The alignment that all samples are taken with."""

    alignment: ChannelAlignment

    def hand_to(self, writer: SessionWriter) -> None:
        """Give it to a writer."""
        writer.write_alignment(self.alignment)


@dataclass(frozen=True, slots=True)
class Marked:
    """Marks of behavior and stimuli; more may be added for as long as they wait."""

    marks: list[Mark]

    def hand_to(self, writer: SessionWriter) -> None:
        """Give it to a writer."""
        writer.write_marks(self.marks)


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction of names."""

    correction: Correction

    def hand_to(self, writer: SessionWriter) -> None:
        """Give it to a writer."""
        writer.write_corrections([self.correction])


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    kind: str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)

    def hand_to(self, writer: SessionWriter) -> None:
        """Give it to a writer."""
        writer.write_event(self.kind, self.message, self.details)


def first_events(model: Mapping[str, object]) -> list[Event]:
    """Return what is known before the first volume: whether the model's names can be trusted."""
    return [
        Event("calibration", calibration_notice(model)),
        Event("ready", "The model is warm; reading begins."),
    ]


def last_event(
    counters: SessionCounters, error: Exception | None, *, is_stopped_by_user: bool
) -> Event:
    """Return how a session ended."""
    if error is not None:
        return Event("failed", str(error))
    how = "Stopped by the user" if is_stopped_by_user else "The recording ended"
    later = f" ({counters.n_backfilled} labeled later)" if counters.n_backfilled else ""
    message = (
        f"{how}: {counters.n_traced} volumes traced, {counters.n_skipped} skipped{later},"
        f" {counters.n_lost} lost, {counters.n_unlabelable} unlabelable."
    )
    return Event("finished", message, {STOPPED_BY_USER: is_stopped_by_user})


_MOST_MARKS = 100_000
"""Marks that may wait for a slow disk: a quarter of an hour at 100 per second."""


class Outbox:
    """A bounded queue from the labeling thread to the writing thread; nothing in it is dropped.

    What a person does (marks, corrections) does not wait for room: far too many marks are dropped.

    Parameters
    ----------
    capacity : int
        Items that may wait; then the labeling thread waits.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self._is_finished = False

    def put(self, item: Item) -> None:
        """Add an item, waiting for room."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._capacity)
            self._waiting.append(item)
            self._changed.notify_all()

    def add(self, *items: Item) -> bool:
        """Add what a person did, waiting for nothing; return False if it is too late."""
        with self._changed:
            if not self._is_finished:
                self._waiting += items
                self._changed.notify_all()
            return not self._is_finished

    def add_mark(self, mark: Mark) -> bool:
        """Add a mark, waiting for nothing; return False if it is too late or there is no room."""
        with self._changed:
            waiting = [item for item in self._waiting if isinstance(item, Marked)]
            if self._is_finished or sum(len(item.marks) for item in waiting) >= _MOST_MARKS:
                return False
            if waiting and waiting[-1] is self._waiting[-1]:
                waiting[-1].marks.append(mark)
            else:
                self._waiting.append(Marked([mark]))
            self._changed.notify_all()
            return True

    def finish(self) -> None:
        """Say that nothing more comes."""
        with self._changed:
            self._is_finished = True
            self._changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether nothing waits and nothing more comes."""
        with self._changed:
            return self._is_finished and not self._waiting

    def take(self, timeout_s: float | None = None) -> Item | None:
        """Return the next item; None if none came in time or nothing more comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_finished, timeout_s)
            item = self._waiting.popleft() if self._waiting else None
            self._changed.notify_all()
            return item


class SourceNotes:
    """Hands on what source and model have to say, each sentence once; both may say more later.

    Parameters
    ----------
    source : VolumeSource
        Has notes.
    outbox : Outbox
        Gets them as events.
    labeler : Labeler, optional
        May have notes, too.
    identity_filter : IdentityFilter, optional
        As well.
    """

    def __init__(
        self,
        source: VolumeSource,
        outbox: Outbox,
        labeler: Labeler | None = None,
        identity_filter: IdentityFilter | None = None,
    ) -> None:
        self._speakers = {"source": source, "model": labeler, "identity": identity_filter}
        self._outbox = outbox
        self._n_told = dict.fromkeys(self._speakers, 0)
        self._remarks: deque[Event] = deque()

    def add(self, event: Event) -> None:
        """Keep what another thread has to tell until `tell`; never waits."""
        self._remarks.append(event)

    def pass_over(self, kind: str) -> None:
        """Take what a speaker has said so far for told.

        Parameters
        ----------
        kind : str
            `source`, `model` or `identity`.
        """
        self._n_told[kind] = len(getattr(self._speakers[kind], "notes", ()))

    def tell(self) -> None:
        """Hand on what is new."""
        for kind, speaker in self._speakers.items():
            new = list(getattr(speaker, "notes", ())[self._n_told[kind] :])
            self._n_told[kind] += len(new)
            for note in new:
                self._outbox.put(Event(kind, note))
        while self._remarks:
            self._outbox.put(self._remarks.popleft())
