"""The thread that publishes samples."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_acll.core import (
    AcllError,
    Corrections,
    NeuronTable,
    PublishedSample,
    Publisher,
    SteadyClock,
    TraceSample,
    VolumeStatus,
)
from napari_acll.session._deadline_monitor import DeadlineMonitor
from napari_acll.session._failures import close_quietly
from napari_acll.session._outbox import Event

_log = logging.getLogger(__name__)

_CAPACITY = 64
"""Samples that may wait for a slow publisher, 38 s at the usual pace; then the oldest goes."""
_PATIENCE_S = 2.0
"""How long the end of a session waits for a publisher that hangs."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A sample that waits to be published; its times are those of `time.perf_counter`."""

    sample: PublishedSample
    seen_s: float
    traced_s: float
    is_held: bool


class Publishing:
    """Hands each sample to the publishers, in a thread of its own: nobody waits for it.

    A publisher that raises gets nothing more; the session goes on.

    Parameters
    ----------
    publishers : sequence of Publisher
        Who sends them; closed at the end.
    neurons : NeuronTable
        The neurons of the model.
    corrections : Corrections
        Know which names a person has pinned.
    clock : SteadyClock
        Wall time.
    deadlines : DeadlineMonitor
        Is told when packets were sent.
    tell : callable
        Gets events.
    """

    def __init__(
        self,
        publishers: Sequence[Publisher],
        *,
        neurons: NeuronTable,
        corrections: Corrections,
        clock: SteadyClock,
        deadlines: DeadlineMonitor,
        tell: Callable[[Event], None],
    ) -> None:
        self._publishers = list(publishers)
        self._neurons = neurons
        self._corrections = corrections
        self._clock = clock
        self._deadlines = deadlines
        self._tell = tell
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._is_finished = False
        self._thread = threading.Thread(target=self._run, name="acll-publish", daemon=True)

    def start(self) -> None:
        """Open the publishers, and start the thread if there is anything for it to do."""
        for publisher in list(self._publishers):
            try:
                publisher.open()
            except Exception as error:  # noqa: BLE001  whatever it is, the recording goes on
                self._give_up(publisher, "The session goes on without publishing", error)
            else:
                self._tell(Event("publish", f"Samples are published at {publisher.address}."))
        if self._publishers:
            self._thread.start()

    def put(self, sample: TraceSample, *, seen_s: float, traced_s: float, is_held: bool) -> None:
        """Publish a sample, soon.

        Parameters
        ----------
        sample : TraceSample
            The values of all neurons.
        seen_s, traced_s : float
            `time.perf_counter` when the last slice had come and when the values were known.
        is_held : bool
            Whether the volume was held until the alignment was known.
        """
        if self._publishers:
            told = self._told(sample, seen_s, traced_s)
            self._add(_Waiting(told, seen_s, traced_s, is_held))

    def put_gap(self, index: int, status: VolumeStatus) -> None:
        """Publish that a timepoint has no values, and why."""
        if self._publishers:
            now_s = time.perf_counter()
            told = PublishedSample.without_values(
                index, status, traced_at_s=self._clock.at_s(now_s)
            )
            self._add(_Waiting(told, now_s, now_s, is_held=True))

    def finish(self) -> None:
        """Publish what waits, close the publishers, and end the thread."""
        with self._changed:
            self._is_finished = True
            self._changed.notify_all()
        if self._thread.ident is None:
            self._close()
            return
        self._thread.join(_PATIENCE_S)
        if self._thread.is_alive():
            _log.warning("A publisher hangs; the session ends without it.")

    def _told(self, sample: TraceSample, seen_s: float, traced_s: float) -> PublishedSample:
        found = np.flatnonzero(np.isfinite(sample.confidence))
        names = tuple(self._neurons.names[row] for row in found)
        pinned = self._corrections.state_at(sample.index).pinned
        return PublishedSample(
            index=sample.index,
            status=sample.status,
            time_s=sample.time_s,
            seen_at_s=self._clock.at_s(seen_s),
            traced_at_s=self._clock.at_s(traced_s),
            sent_at_s=float("nan"),
            names=names,
            neuron_time_s=sample.neuron_time_s[found],
            ratio=sample.ratio[found],
            confidence=sample.confidence[found],
            is_pinned=np.array([name in pinned for name in names], np.bool_),
            ratio_sd=sample.ratio_sd[found],
            flags=sample.flags[found],
        )

    def _add(self, waiting: _Waiting) -> None:
        dropped = None
        with self._changed:
            self._waiting.append(waiting)
            if len(self._waiting) > _CAPACITY:
                dropped = self._waiting.popleft()
            self._changed.notify_all()
        if dropped is not None:
            self._deadlines.unpublished(dropped.sample.index)

    def _take(self) -> _Waiting | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_finished)
            return self._waiting.popleft() if self._waiting else None

    def _run(self) -> None:
        try:
            while (waiting := self._take()) is not None:
                self._publish(waiting)
        finally:
            self._close()

    def _publish(self, waiting: _Waiting) -> None:
        sample = replace(waiting.sample, sent_at_s=self._clock.now_s())
        for publisher in list(self._publishers):
            try:
                publisher.publish(sample)
            except Exception as error:  # noqa: BLE001  whatever it is, the recording goes on
                what = "Samples are not published any more, but the recording goes on"
                self._give_up(publisher, what, error)
        if np.isfinite(sample.seen_at_s):
            sent_s = time.perf_counter()
            self._deadlines.published(
                sample.index,
                publish_s=sent_s - waiting.traced_s,
                end_to_end_s=sent_s - waiting.seen_s,
                is_held=waiting.is_held,
            )

    def _give_up(self, publisher: Publisher, what: str, error: Exception) -> None:
        self._publishers.remove(publisher)
        if not self._publishers:
            self._deadlines.end_publishing()
        close_quietly(publisher.close, "publisher")
        # our own say all that the user can do about it, and are told as they are
        level = logging.DEBUG if isinstance(error, AcllError) else logging.WARNING
        _log.log(level, "A publisher failed.", exc_info=error)
        self._tell(Event("publish", f"{what}: {error}"))

    def _close(self) -> None:
        for publisher in self._publishers:
            close_quietly(publisher.close, "publisher")
