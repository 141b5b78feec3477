"""The thread that reads the recording."""

import math
import time
from collections.abc import Callable, Iterator
from threading import Event

from napari_acll.core import (
    Pace,
    RandomAccessSource,
    RecordingError,
    Volume,
    VolumeSource,
    VolumeStatus,
)
from napari_acll.session import _outbox as outbox
from napari_acll.session._counters import Tally
from napari_acll.session._failures import close_quietly
from napari_acll.session._ladder import DegradeLadder
from napari_acll.session._pausing import Pausing
from napari_acll.session._recording_clock import RecordingClock
from napari_acll.session._stages import Preprocessing
from napari_acll.session._tolerance import Tolerance
from napari_acll.session._volume_queue import Arrival, Gap, VolumeQueue

MAX_GAP = 10_000
"""A larger jump of the volume index is a damaged recording, not a loss (1.7 h at 0.6 s)."""


class Acquisition:
    """Reads, paces and preprocesses volumes and puts them into the queue.

    Parameters
    ----------
    source : VolumeSource
        The recording; closed at the end.
    preprocessor : Preprocessing
        Crop, binning, background.
    queue : VolumeQueue
        Where the volumes go.
    tally : Tally
        Counts the volumes that were read.
    clock : RecordingClock
        Is told when volumes came.
    pace : Pace
        Speed of a replay; a live source sets its own.
    ready : Event
        Set when the model is warm; reading begins then.
    stop : Event
        Ends the reading when set.
    ladder : DegradeLadder
        Says which volumes are skipped at once because we are late.
    pausing : Pausing
        Says when to stand still, and which volumes are skipped meanwhile.
    tolerance : Tolerance
        Says when the preprocessing failed too often.
    tell : callable
        Called with an event when a volume cannot be preprocessed.
    first_index : int
        The first volume that is wanted, if an interrupted session is gone on with.
    done : Event, optional
        The source is kept open until this is set: volumes may be read once more.
    """

    def __init__(
        self,
        *,
        source: VolumeSource,
        preprocessor: Preprocessing,
        queue: VolumeQueue,
        tally: Tally,
        clock: RecordingClock,
        pace: Pace,
        ready: Event,
        stop: Event,
        ladder: DegradeLadder,
        pausing: Pausing,
        tolerance: Tolerance,
        tell: Callable[[outbox.Event], None],
        first_index: int = 0,
        done: Event | None = None,
    ) -> None:
        self._source = source
        self._first_index = first_index
        self._done = done
        self._preprocessor = preprocessor
        self._queue = queue
        self._tally = tally
        self._clock = clock
        self._ready = ready
        self._stop = stop
        self._ladder = ladder
        self._pausing = pausing
        self._tolerance = tolerance
        self._tell = tell
        is_paced = pace is Pace.RECORDED and not source.is_live
        self._pacer: _Pacer | _Hurry = _Pacer(stop) if is_paced else _Hurry()
        self._last_index = first_index - 1
        self._unfinished: tuple[Gap, ...] = ()
        self.doing = "Opening the recording"

    def run(self) -> None:
        """Read to the end of the recording, or until `stop`.

        Raises
        ------
        RecordingError
            If the recording turns out not to be what it should be.
        """
        is_kept_open = False
        try:
            if not self._source.is_live:  # a microscope does not wait for a model
                self._ready.wait()
            for volume, read_s in self._volumes():
                arrival = self._arrival(volume, read_s)
                if arrival is not None:
                    self._queue.put(arrival)
                    self._unfinished = ()
            if not self._stop.is_set():
                self._unfinished += self._missing_at_the_end()
            is_kept_open = self._done is not None
        finally:
            if is_kept_open:
                self._close_when_done()
            else:
                self._close()

    def _close(self) -> None:
        try:
            self._source.close()
        finally:
            self._queue.finish(self._unfinished)

    def _close_when_done(self) -> None:
        self._queue.finish(self._unfinished)
        if self._done is not None:
            self._done.wait()
        close_quietly(self._source.close)  # the session may be over by now

    def _volumes(self) -> Iterator[tuple[Volume, float]]:
        volumes = None
        while self._may_read():
            self.doing = f"Reading the volume after {self._last_index}"
            began_s = time.perf_counter()
            volumes = volumes_from(self._source, self._first_index) if volumes is None else volumes
            volume = next(volumes, None)
            if volume is None:
                return
            self._tally.count_read()
            yield volume, time.perf_counter() - began_s

    def _may_read(self) -> bool:
        """Return whether the session wants one more volume, when it does not stand still."""
        if self._pausing.stand_still():
            self._pacer.restart()
            self._clock.restart()
        return not self._stop.is_set()

    def _arrival(self, volume: Volume, read_s: float) -> Arrival | None:
        """Return the volume as it waits, None if it becomes a gap before the next one."""
        came_s = time.perf_counter()
        live_seen_s = self._seen_s(volume, came_s) if self._source.is_live else None
        gaps = (*self._unfinished, *self._gaps_before(volume.index))
        self._unfinished = (*gaps, (volume.index, VolumeStatus.SKIPPED))
        if self._pausing.leaves_out(volume.index) or self._ladder.leaves_out(volume.index):
            return None
        self.doing = f"Preprocessing volume {volume.index}"
        began_s = time.perf_counter()
        prepared = self._prepared(volume)
        if prepared is None:
            return None
        preprocess_s = time.perf_counter() - began_s
        due_s = self._pacer.wait(volume.timestamp_s)
        queued_s = time.perf_counter()
        if live_seen_s is None:
            self._clock.saw(volume.index, volume.timestamp_s, due_s)
        else:
            read_s = came_s - volume.seen_s
        return Arrival(
            volume=prepared,
            gaps=gaps,
            queued_s=queued_s,
            read_s=read_s,
            preprocess_s=preprocess_s,
            seen_s=due_s - preprocess_s - read_s if live_seen_s is None else live_seen_s,
        )

    def _seen_s(self, volume: Volume, came_s: float) -> float:
        """Return when the last slice of a live volume had come, and tell the clock."""
        seen_s = volume.seen_s if math.isfinite(volume.seen_s) else came_s
        self._clock.saw(volume.index, float(volume.slice_times_s[-1]), seen_s)
        return seen_s

    def _prepared(self, volume: Volume) -> Volume | None:
        try:
            prepared = self._preprocessor.apply(volume)
        except Exception as error:  # noqa: BLE001  one volume must not cost a recording
            what = self._tolerance.forgive(error, self.doing)
            message = f"Volume {volume.index} could not be preprocessed ({what}); it is skipped."
            self._tell(outbox.Event("failure", message, {"index": volume.index}))
            return None
        self._tolerance.succeeded()
        return prepared

    def _gaps_before(self, index: int) -> tuple[Gap, ...]:
        n_missing = index - self._last_index - 1
        if n_missing < 0:
            raise RecordingError(
                f"Volume {index} came after volume {self._last_index}; a source must give volumes"
                " once and in order. Check for files with the same number."
            )
        if n_missing > MAX_GAP:
            raise RecordingError(
                f"Volume {index} came after volume {self._last_index}: {n_missing} volumes cannot"
                " all be lost. Check the numbers in the file names."
            )
        self._last_index, first = index, self._last_index + 1
        return tuple((lost, VolumeStatus.LOST) for lost in range(first, index))

    def _missing_at_the_end(self) -> tuple[Gap, ...]:
        n_volumes = self._source.spec.n_volumes
        if n_volumes is None or n_volumes - self._last_index > MAX_GAP:
            return ()
        return tuple((lost, VolumeStatus.LOST) for lost in range(self._last_index + 1, n_volumes))


def volumes_from(source: VolumeSource, first_index: int) -> Iterator[Volume]:
    """Yield the volumes of a recording from one index on."""
    if first_index == 0:
        return iter(source)
    if source.is_live or not isinstance(source, RandomAccessSource):
        return (volume for volume in source if volume.index >= first_index)
    return (source.read(index) for index in source.indices if index >= first_index)


class _Pacer:
    """Waits so that volumes come at the distances at which they were recorded."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop
        self._offset_s: float | None = None

    def wait(self, timestamp_s: float) -> float:
        """Return when the volume was due, as `time.perf_counter` tells it."""
        now_s = time.perf_counter()
        if self._offset_s is None:
            self._offset_s = now_s - timestamp_s
        due_s = self._offset_s + timestamp_s
        self._stop.wait(max(0.0, due_s - now_s))
        return due_s

    def restart(self) -> None:
        """Let the next volume be due at once, and the others after it."""
        self._offset_s = None


class _Hurry:
    """Goes on at once: a volume is due when it is there."""

    def wait(self, timestamp_s: float) -> float:
        """Return the time."""
        del timestamp_s
        return time.perf_counter()

    def restart(self) -> None:
        """Do nothing."""
