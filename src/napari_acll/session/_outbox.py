"""What waits to be written, and how each kind is written."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from napari_acll.core import (
    ChannelAlignment,
    LabeledVolume,
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
    """A traced volume."""

    sample: TraceSample
    labeled: LabeledVolume
    timings: StageTimings

    def hand_to(self, writer: SessionWriter) -> None:
        """Give it to a writer."""
        writer.write(self.sample, self.labeled, self.timings)


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


class Outbox:
    """A bounded queue from the labeling thread to the writing thread; nothing in it is dropped.

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

    def finish(self) -> None:
        """Say that nothing more comes."""
        with self._changed:
            self._is_finished = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        """Yield the items as they come, until nothing more comes."""
        while (item := self._take()) is not None:
            yield item

    def _take(self) -> Item | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_finished)
            item = self._waiting.popleft() if self._waiting else None
            self._changed.notify_all()
            return item


class SourceNotes:
    """Hands on what a source has to say, each sentence once; a live one says more as it goes.

    Parameters
    ----------
    source : VolumeSource
        Has the notes.
    outbox : Outbox
        Gets them as events.
    """

    def __init__(self, source: VolumeSource, outbox: Outbox) -> None:
        self._source = source
        self._outbox = outbox
        self._n_told = 0

    def tell(self) -> None:
        """Hand on what is new."""
        new = list(self._source.notes[self._n_told :])
        self._n_told += len(new)
        for note in new:
            self._outbox.put(Event("source", note))
