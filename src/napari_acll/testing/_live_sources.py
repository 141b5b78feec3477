"""What every source of a recording that is still being written must do, as tests."""

import json
import queue
import threading
import time
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    LiveSettings,
    NotBegunError,
    RereadableSource,
    ResumableSource,
    SourceSettings,
    Volume,
    VolumeSource,
)

Counts = NDArray[np.uint16]

_PATIENCE_S = 20.0
"""After this a test has failed; far above what a loaded machine needs."""
_MEMBERS = ("spec", "is_live", "notes", "describe", "__iter__", "close")
_LONG_S = 60.0
_SHORT_S = 0.3


class LiveSourceContract(ABC):
    """Tests that every live source passes; say how yours is made and how volumes reach it.

    Each test makes one source, before anything was recorded, and then lets the microscope write
    volumes of the given `shape`. Volumes are read by a thread, as in a session.

    Attributes
    ----------
    shape : tuple of int
        `(Z, Y, X)` of the volumes that are written; a subclass may choose another.
    tells_when_seen : bool
        Whether volumes say when their last slice had come (`Volume.seen_s`), from which the
        deadlines of a session count; without it they count from when the volume was given.

    Examples
    --------
    >>> class TestMySource(LiveSourceContract):
    ...     def make_source(self, settings):
    ...         return MySource("address", settings)
    ...
    ...     def write(self, index, activity, marker):
    ...         self.microscope.send(index, activity, marker)
    """

    shape: tuple[int, int, int] = (4, 6, 8)
    tells_when_seen: bool = False

    @abstractmethod
    def make_source(self, settings: SourceSettings) -> VolumeSource:
        """Return the source of a recording that has not begun yet; called once in a test."""

    @abstractmethod
    def write(self, index: int, activity: Counts, marker: Counts) -> None:
        """Record one complete volume; it may be called again only with a higher index."""

    def finish(self) -> None:  # noqa: B027  silence is an end, too
        """End the recording, where the route has a way to tell it; else it falls silent."""

    def test_it_fits_the_protocol_and_waits_for_nothing(self) -> None:
        """A session is armed before the recording begins."""
        source = self._make()
        # not isinstance: before Python 3.12 that asks for `spec`, which waits
        lacking = [name for name in _MEMBERS if not hasattr(type(source), name)]
        _require(not lacking, f"not a VolumeSource: {lacking} are lacking")
        _require(source.is_live, "not live")
        source.close()
        source.close()

    def test_volumes_come_complete_and_in_order(self) -> None:
        """Every voxel is what the microscope wrote."""
        reader = _Reader(source := self._make())
        try:
            for index in range(4):
                self._record(index)
                self._require_volume(reader.next(), index, source)
        finally:
            reader.stop()

    def test_volumes_that_came_before_they_were_asked_for_are_kept(self) -> None:
        """The model warms up while the recording begins."""
        source = self._make()
        for index in range(3):
            self._record(index)
        reader = _Reader(source)
        try:
            found = [_required(reader.next()).index for _ in range(3)]
        finally:
            reader.stop()
        _require(found == [0, 1, 2], f"volumes {found}")

    def test_a_volume_says_truly_when_its_last_slice_had_come(self) -> None:
        """How late a sample is counts from then."""
        reader = _Reader(self._make())
        try:
            for index in range(2):
                before_s = time.perf_counter()
                self._record(index)
                seen_s = _required(reader.next()).seen_s
                is_true = before_s <= seen_s <= time.perf_counter()
                _require(is_true or not np.isfinite(seen_s), f"seen {seen_s - before_s} s after")
                _require(is_true or not self.tells_when_seen, "not told")
        finally:
            reader.stop()

    def test_a_lost_volume_is_a_gap(self) -> None:
        """Nothing is renumbered."""
        reader = _Reader(source := self._make())
        try:
            for index in (0, 1, 4, 5):
                self._record(index)
            for index in (0, 1, 4, 5):
                self._require_volume(reader.next(), index, source)
        finally:
            reader.stop()

    def test_silence_ends_the_recording_and_is_told(self) -> None:
        """Nobody needs to stop the session by hand."""
        source = self._make(idle_timeout_s=_SHORT_S)
        reader = _Reader(source)
        try:
            self._record(0)
            self._require_volume(reader.next(), 0, source)
            _require(reader.next() is None, "volumes come after the end")
        finally:
            reader.stop()
        for note in source.notes:
            _require(isinstance(note, str) and note.endswith("."), f"not a sentence: {note!r}")
        _require(any("over" in note for note in source.notes), f"no reason in {source.notes}")

    def test_the_end_of_the_recording_ends_the_iteration(self) -> None:
        """Volumes written before the end all come."""
        reader = _Reader(self._make(idle_timeout_s=2.0))
        try:
            for index in range(2):
                self._record(index)
            self.finish()
            found = [_required(reader.next()).index for _ in range(2)]
            _require(reader.next() is None, "volumes come after the end")
        finally:
            reader.stop()
        _require(found == [0, 1], f"volumes {found}")

    def test_closing_wakes_a_waiting_iteration(self) -> None:
        """Not only when it would have looked again, nor when the silence is long enough."""
        reader = _Reader(source := self._make(poll_ms=1000, idle_timeout_s=_LONG_S))
        try:
            self._record(0)
            self._require_volume(reader.next(), 0, source)
            began_s = time.monotonic()
            source.close()
            _require(reader.next() is None, "volumes come after closing")
            waited_s = time.monotonic() - began_s
        finally:
            reader.stop()
        _require(waited_s < 0.5, f"it took {waited_s:.2f} s to wake up")

    def test_closing_ends_the_wait_for_the_first_volume(self) -> None:
        """A user may change their mind."""
        source = self._make(poll_ms=1000, start_timeout_s=_LONG_S)
        reader = _Reader(source)
        source.close()
        try:
            _require(reader.next() is None, "a volume of nothing")
        finally:
            reader.stop()

    def test_a_recording_that_never_begins_is_an_error_that_says_so(self) -> None:
        """Once the stated time is over."""
        source = self._make(start_timeout_s=_SHORT_S)
        try:
            shape = source.spec.shape
        except NotBegunError:
            return
        finally:
            source.close()
        raise AssertionError(f"a spec of nothing: {shape}")

    def test_it_describes_itself_in_json_values(self) -> None:
        """The description is kept in the session."""
        reader = _Reader(source := self._make())
        try:
            self._record(0)
            reader.next()
            description = dict(source.describe())
        finally:
            reader.stop()
        _require(json.loads(json.dumps(description)) == description, "not JSON values")
        _require({"kind", "path"} <= set(description), "kind or path is missing")

    def test_times_go_on(self) -> None:
        """Traces rely on it."""
        reader = _Reader(self._make())
        try:
            for index in (0, 1, 3):
                self._record(index)
            starts_s = [_required(reader.next()).timestamp_s for _ in range(3)]
        finally:
            reader.stop()
        _require(bool((np.diff(starts_s) > 0).all()), f"times stand or go back: {starts_s}")

    def test_a_volume_in_hand_is_not_overwritten(self) -> None:
        """Volumes wait for labeling while the next ones are read."""
        reader = _Reader(source := self._make())
        try:
            for index in range(4):
                self._record(index)
            volumes = [reader.next() for _ in range(4)]
        finally:
            reader.stop()
        for index, volume in enumerate(volumes):
            self._require_volume(volume, index, source)

    def test_a_volume_is_given_once_more_by_a_source_that_says_it_can(self) -> None:
        """What was skipped while the labeling was late can be labeled later."""
        reader = _Reader(source := self._make())
        try:
            for index in range(3):
                self._record(index)
                self._require_volume(reader.next(), index, source)
            if isinstance(source, RereadableSource):
                self._require_volume(source.reread(1), 1, source)
                _require(source.reread(7) is None, "a volume that never came")
        finally:
            reader.stop()

    def test_it_goes_on_where_a_session_was_interrupted_if_it_says_it_can(self) -> None:
        """Indices and times are those of the session before."""
        reader = _Reader(before := self._make())
        try:
            for index in range(4):
                self._record(index)
            found = [_required(reader.next()) for _ in range(4)]
        finally:
            reader.stop()
        source = self._make(takes_existing=True)
        if not (isinstance(source, ResumableSource) and isinstance(source, RereadableSource)):
            source.close()  # a stream goes on with what comes next
            return
        source.resume_at(2, before.describe())
        reader = _Reader(source)
        try:
            self._record(4)
            for index in (2, 3, 4):
                volume = _required(reader.next())
                self._require_volume(volume, index, source)
                if index < len(found):
                    _require(volume.timestamp_s == found[index].timestamp_s, "another time")
            self._require_volume(source.reread(0), 0, source)
        finally:
            reader.stop()

    def _make(self, **live: float) -> VolumeSource:
        wanted = {"start_timeout_s": _PATIENCE_S, "idle_timeout_s": _LONG_S, "reorder_ms": 50}
        return self.make_source(
            SourceSettings(
                voxel_size_um=(0.54, 0.2, 0.2),
                period_s=0.5,
                live=LiveSettings.model_validate({"is_live": True, **wanted, **live}),
            )
        )

    def _record(self, index: int) -> None:
        self.write(index, *_counts(self.shape, index))

    def _require_volume(self, volume: Volume | None, index: int, source: VolumeSource) -> None:
        volume = _required(volume)
        activity, marker = _counts(self.shape, index)
        _require(volume.index == index, f"volume {volume.index}, expected {index}")
        np.testing.assert_array_equal(volume.marker, marker)
        np.testing.assert_array_equal(volume.activity, activity)
        _require(volume.missing_z == (), f"slices {volume.missing_z} are missing")
        _require(volume.spec == source.spec, "the spec of a volume differs")
        _require(volume.spec.shape == self.shape, f"shape {volume.spec.shape}")
        _require(volume.slice_times_s.shape == self.shape[:1], "slice times are missing")
        _require(bool(np.isfinite(volume.slice_times_s).all()), "slice times are not finite")


class _Reader:
    """Reads a source on a thread of its own, as a session does."""

    def __init__(self, source: VolumeSource) -> None:
        self._source = source
        self._came: queue.Queue[Volume | Exception | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self._thread.start()

    def next(self) -> Volume | None:
        """Return the next volume, None at the end; an error of the source is raised here."""
        try:
            came = self._came.get(timeout=_PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"neither a volume nor an end within {_PATIENCE_S} s") from None
        if isinstance(came, Exception):
            raise came
        return came

    def stop(self) -> None:
        """Close the source and wait for the thread."""
        self._source.close()
        self._thread.join(_PATIENCE_S)
        _require(not self._thread.is_alive(), "closing did not end the iteration")

    def _read(self) -> None:
        try:
            for volume in self._source:
                self._came.put(volume)
        except Exception as error:  # noqa: BLE001  the edge of the thread: raised by next()
            self._came.put(error)
        else:
            self._came.put(None)


def _counts(shape: tuple[int, int, int], index: int) -> tuple[Counts, Counts]:
    """Return what is written as activity and marker of a volume, none of it zero."""
    rng = np.random.default_rng(index)
    activity, marker = rng.integers(1, 4096, (2, *shape), dtype=np.uint16)
    return activity, marker


def _required(volume: Volume | None) -> Volume:
    if volume is None:
        raise AssertionError("the iteration ended before the volume came")
    return volume


def _require(holds: bool, otherwise: str) -> None:
    # Not `assert`: python -O would strip the suite of its tests.
    if not holds:
        raise AssertionError(otherwise)
