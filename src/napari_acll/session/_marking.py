"""Marks of behavior and stimuli on their way into the session."""

import logging
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from napari_acll.core import Mark, MarkChannel, SteadyClock
from napari_acll.session._failures import close_quietly
from napari_acll.session._mark_memory import MarkMemory
from napari_acll.session._outbox import Event, Outbox
from napari_acll.session._recording_clock import RecordingClock

_log = logging.getLogger(__name__)

_READ_S = 0.2
"""Longest wait for marks: how long the end of a session may have to wait for a channel."""
_AGAIN_S = 1.0
_PATIENCE_S = 3.0


class Marking:
    """Stamps marks with the time of the recording; listens to channels, each in its own thread.

    Errors of a channel are told once, it is tried again every second, and nothing else happens.

    Parameters
    ----------
    channels : sequence of MarkChannel
        Where marks come from, beside `add`.
    outbox : Outbox
        Where they go.
    clock : SteadyClock
        Wall time.
    recording_clock : RecordingClock
        Time of the recording.
    """

    def __init__(
        self,
        channels: Sequence[MarkChannel],
        *,
        outbox: Outbox,
        clock: SteadyClock,
        recording_clock: RecordingClock,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._recording = recording_clock
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._n_early = self._n_dropped = 0
        self.memory = MarkMemory()
        self._threads = [
            threading.Thread(
                target=self._listen, args=(channel,), name=f"acll-marks-{number}", daemon=True
            )
            for number, channel in enumerate(channels)
        ]

    def add(self, mark: Mark) -> bool:
        """Keep a mark; return False if it is too late, or if far too many wait."""
        mark = self._stamped(mark)
        is_kept = self._outbox.add_mark(mark)
        with self._lock:
            self._n_dropped += not is_kept
            self._n_early += is_kept and math.isnan(mark.time_s)
        if is_kept:
            self.memory.add(mark)
        return is_kept

    def start(self) -> None:
        """Begin to listen."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Take what has come, and end the threads."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_PATIENCE_S)
                if thread.is_alive():
                    _log.warning("A channel of marks hangs; the session ends without it.")
        self._tell_clock()
        if self._n_dropped:
            message = f"{self._n_dropped} marks came faster than they could be kept, and are lost."
            self._outbox.put(Event("marks", message, {"n_dropped": self._n_dropped}))

    def _stamped(self, mark: Mark) -> Mark:
        if math.isfinite(mark.time_s):
            return mark
        if math.isfinite(mark.at_s):
            return replace(mark, time_s=self._recording.time_s(self._clock.perf_s(mark.at_s)))
        at_s = self._clock.now_s()
        return replace(
            mark,
            at_s=at_s,
            time_s=self._recording.time_s(self._clock.perf_s(at_s)),
            volume_index=self._recording.newest,
        )

    def _tell_clock(self) -> None:
        """Tell how the clocks lie, if marks came before the first volume could tell it."""
        zero_s = self._clock.now_s()
        zero_s -= self._recording.time_s(self._clock.perf_s(zero_s))
        if self._n_early and math.isfinite(zero_s):
            began = datetime.fromtimestamp(zero_s, UTC).astimezone()
            message = f"Time 0 of the recording is {began.isoformat(timespec='milliseconds')}."
            self._outbox.put(Event("clock", message, {"zero_at_s": zero_s}))

    def _listen(self, channel: MarkChannel) -> None:
        trouble = ""
        while not self._stop.is_set():
            try:
                channel.open()
                for marks in self._batches(channel):
                    trouble = self._tell_return(channel, trouble)
                    for mark in marks:
                        self.add(mark)
            except Exception as error:  # noqa: BLE001  whatever it is, the recording goes on
                trouble = self._tell_trouble(channel, error, trouble)
            finally:
                close_quietly(channel.close, "channel of marks")
            self._stop.wait(_AGAIN_S)

    def _batches(self, channel: MarkChannel) -> Iterator[Sequence[Mark]]:
        """Yield what comes, until the session ends, and then once more."""
        is_last = False
        while not is_last:
            is_last = self._stop.is_set()
            yield channel.read(0.0 if is_last else _READ_S)

    def _tell_return(self, channel: MarkChannel, trouble: str) -> str:
        if trouble:
            self._outbox.put(Event("marks", f"Marks from {channel.name} can be read again."))
        return ""

    def _tell_trouble(self, channel: MarkChannel, error: Exception, trouble: str) -> str:
        reason = f"{type(error).__name__}: {error}"
        if reason != trouble:
            _log.warning("Marks from %s cannot be read.", channel.name, exc_info=error)
            message = (
                f"Marks from {channel.name} cannot be read ({error}); it is tried again, and the"
                " recording goes on."
            )
            self._outbox.put(Event("marks", message, {"channel": channel.name}))
        return reason
