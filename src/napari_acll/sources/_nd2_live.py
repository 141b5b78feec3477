"""Follows an ND2 file while the microscope writes it."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from napari_acll.core import RecordingError, SourceSettings, Volume, VolumeSpec, VoxelGrid
from napari_acll.sources._errors import reason_of
from napari_acll.sources._frame_order import (
    ClockedSlots,
    FrameNumbers,
    NumberedSlots,
    TimedFrame,
)
from napari_acll.sources._geometry import resolve_period, resolve_voxel_size
from napari_acll.sources._live_clock import LiveClock
from napari_acll.sources._nd2_follower import Nd2Follower
from napari_acll.sources._nd2_tail import Nd2Tail
from napari_acll.sources._volume_assembly import AssembledVolume, VolumeAssembly

_SUFFIX = ".nd2"
_LONGEST_WAIT_S = 0.02  # so that `close` never has to wait for longer
_IDENTITY_CHECK_S = 0.5
_SHARING_VIOLATION = 32
_EXPERIMENTAL = (
    "Following an ND2 file while NIS-Elements writes it is experimental; run `acll probe` on a"
    " test recording of this rig once."
)


class GrowingNd2Source:
    """An ND2 file that is still being written, volume by volume.

    The file may not exist yet. Frames are put into volumes as they become complete; a volume
    whose slices did not all come is given with zeros there and a list of them. The iteration ends
    when the microscope has finished the file, or with silence.

    Parameters
    ----------
    path : Path
        The file.
    settings : SourceSettings
        Channels, slices, what overrides the file's own calibration, and how to wait (`live`).

    Raises
    ------
    RecordingError
        If the file is finished already and existing recordings are not to be taken.
    """

    is_live = True

    def __init__(self, path: Path, settings: SourceSettings) -> None:
        self._path = path
        self._settings = settings
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._notes: list[str] = []
        self._follower: Nd2Follower | None = None
        self._spec: VolumeSpec | None = None
        self._waiting: deque[TimedFrame] = deque()
        self._ready: deque[Volume] = deque()
        self._numbers = FrameNumbers()
        self._slots: NumberedSlots | ClockedSlots = NumberedSlots(0)
        self._n_damaged = 0
        self._is_over = False
        self._is_walked = False
        self._checked_s = 0.0
        self._refusal = ""
        if not settings.live.takes_existing and _is_finished(path):
            raise RecordingError(
                f"{path} is finished already; replay it without following it (source.live), or"
                " take what is there too (source.live.takes_existing)."
            )

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this cannot be a growing ND2 file, in one sentence; empty if it can."""
        path = Path(recording)
        if path.suffix.casefold() != _SUFFIX:
            return f"its name does not end in {_SUFFIX}"
        return "it is a folder" if path.is_dir() else ""

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Follow a file, which may not exist yet.

        Raises
        ------
        RecordingError
            See the class.
        """
        return cls(Path(recording), settings)

    @property
    def spec(self) -> VolumeSpec:
        """Geometry and channels as stored; waits for the first frames.

        Raises
        ------
        RecordingError
            If none came for `live.start_timeout_s`, the file cannot be understood, or the source
            was closed.
        """
        spec = self._wait_for_spec()
        if spec is None:
            raise RecordingError(
                f"{self._path} was closed before the recording began; open it again to wait"
                " longer."
            )
        return spec

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about how the recording is read, one sentence each."""
        with self._lock:
            return (*self._notes, *self._counted())

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording, as JSON values."""
        description: dict[str, object] = {
            "kind": "growing nd2",
            "path": str(self._path.absolute()),
        }
        follower = self._follower
        if follower is not None and self._spec is not None:
            description |= {
                "loops": [f"{loop.axis}{loop.count}" for loop in follower.info.loops],
                "n_z": follower.layout.n_z,
                "channels": [channel.name for channel in follower.info.channels],
                "marker_channel": follower.marker,
                "activity_channel": follower.activity,
                "start_julian_day": follower.info.start_julian_day,
            }
        return description

    def __iter__(self) -> Iterator[Volume]:
        """Yield the volumes in acquisition order, from where an iteration before this ended.

        Raises
        ------
        RecordingError
            If the recording does not begin for `live.start_timeout_s`, cannot be understood, or
            the file is shortened, deleted or replaced.
        """
        if self._wait_for_spec() is None:
            return
        while (volume := self._next()) is not None:
            yield volume

    def close(self) -> None:
        """Release the file; a waiting iteration ends."""
        self._closed.set()
        with self._lock:
            if self._follower is not None:
                self._follower.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait_for_spec(self) -> VolumeSpec | None:
        """Return the spec; None if the source was closed before."""
        began_s = time.monotonic()
        while True:
            with self._lock:
                if self._spec is not None:
                    return self._spec
                if self._closed.is_set():
                    return None
                patience_s = self._patience_s()
                if time.monotonic() - began_s > patience_s and not self._give_up(patience_s):
                    continue
                is_moving = self._begin()
            if not is_moving:
                self._pause()

    def _patience_s(self) -> float:
        live = self._settings.live
        return live.idle_timeout_s if self._waiting else live.start_timeout_s

    def _give_up(self, patience_s: float) -> bool:
        """Make do with the frames that came; without any it is an error."""
        if self._waiting:
            self._is_walked = True
            return True
        reason = f" ({self._refusal})" if self._refusal else ""
        raise RecordingError(
            f"{self._path} did not begin within {patience_s:g} s{reason}; check the path and that"
            " the microscope records, or wait longer (source.live.start_timeout_s)."
        )

    def _begin(self) -> bool:
        """Take a step towards the spec; return whether there may be more to do at once."""
        if self._follower is None:
            self._follower = self._opened()
            return self._follower is not None
        if not hasattr(self._follower, "layout"):
            return self._follower.begin()
        period_s = self._planned_period_s(self._follower)
        if period_s is None and not self._is_walked:
            frame = self._walk()
            if frame is None:
                return self._is_walked
            self._waiting.append(frame)
            if len(self._waiting) <= self._follower.layout.n_z_stored:
                return True
            period_s = self._measured_period_s()
        elif period_s is None:
            period_s = self._measured_period_s()
        self._settle(self._follower, period_s)
        return True

    def _opened(self) -> Nd2Follower | None:
        try:
            return Nd2Follower(self._path, self._settings)
        except OSError as error:
            is_refused = getattr(error, "winerror", None) == _SHARING_VIOLATION
            self._refusal = (
                "the microscope's software lets nobody read it while it writes; record one file"
                " per volume instead"
                if is_refused
                else reason_of(error)
            )
            return None

    def _planned_period_s(self, follower: Nd2Follower) -> float | None:
        if self._settings.period_s is not None:
            return self._settings.period_s
        planned_s = follower.info.loop_period_s
        if planned_s is None:
            return None
        layout = follower.layout
        return planned_s * layout.volume_stride / layout.frames_per_turn

    def _measured_period_s(self) -> float | None:
        """Return the time from the first frame to the same slice of the next volume."""
        if self._follower is None or len(self._waiting) < 2:
            return None
        first, last = self._waiting[0], self._waiting[-1]
        n_steps = last.number - first.number
        if n_steps < 1 or not last.time_s > first.time_s:
            return None
        return (last.time_s - first.time_s) * self._follower.layout.n_z_stored / n_steps

    def _settle(self, follower: Nd2Follower, period_s: float | None) -> None:
        layout, pixels = follower.layout, follower.pixels
        n_discarded = layout.n_z_stored - layout.n_z
        first = layout.first - n_discarded
        self._notes += [*follower.notes, _EXPERIMENTAL]
        if layout.frames_per_turn == 1 and layout.n_z_stored > 1:
            self._slots = ClockedSlots(first, layout.n_z_stored)
        else:
            self._slots = NumberedSlots(first)
        size_um = resolve_voxel_size(follower.info.voxel_size_um, self._settings, self._notes)
        spec = VolumeSpec(
            grid=VoxelGrid(
                shape=(layout.n_z, pixels.height, pixels.width),
                voxel_size_um=size_um,
                stored_shape=(layout.n_z_stored, pixels.height, pixels.width),
                start_px=(n_discarded, 0, 0),
            ),
            period_s=resolve_period(period_s, self._settings, self._notes, n_volumes=2),
            marker_name=follower.info.channels[follower.marker].name,
            activity_name=follower.info.channels[follower.activity].name,
        )
        self._clock = LiveClock(self._settings, spec.period_s)
        self._assembly = VolumeAssembly(
            layout,
            (pixels.height, pixels.width),
            pixels.dtype,
            (follower.marker, follower.activity),
        )
        self._spec = spec

    def _next(self) -> Volume | None:
        """Return the next volume, None at the end."""
        idle_s = self._settings.live.idle_timeout_s
        until_s, n_bytes = time.monotonic() + idle_s, 0
        while not self._closed.is_set():
            with self._lock:
                if self._closed.is_set():
                    return None
                if self._ready:
                    return self._ready.popleft()
                if self._is_over:
                    return None
                is_moving = self._advance()
                if not is_moving and (self._is_walked or time.monotonic() > until_s):
                    self._finish()
                    continue
                is_growing, n_bytes = n_bytes != (size := self._size()), size
            if is_moving or is_growing:
                until_s = time.monotonic() + idle_s
            if not is_moving:
                self._pause()
        return None

    def _size(self) -> int:
        return 0 if self._follower is None else self._follower.tail.size()

    def _advance(self) -> bool:
        """Take one frame; return whether there was one."""
        frame = self._waiting.popleft() if self._waiting else self._walk()
        if frame is None:
            return False
        for numbered in self._numbers.add(frame):
            for placed in self._slots.add(numbered):
                self._place(placed)
        return True

    def _walk(self, *, is_over: bool = False) -> TimedFrame | None:
        follower = self._follower
        if follower is None:
            return None
        try:
            frame = follower.next_frame(is_over=is_over)
        except OSError:  # a share that is away for a moment; for longer, it is silence
            return None
        if frame is None:
            self._is_walked = self._is_walked or follower.tail.is_finished
            if not self._is_walked and time.monotonic() - self._checked_s > _IDENTITY_CHECK_S:
                self._checked_s = time.monotonic()
                follower.tail.check_identity()
        return frame

    def _place(self, frame: TimedFrame) -> None:
        place = self._assembly.place_of(frame.slot)
        if place is None or self._follower is None:
            return
        index, z = place
        self._give(self._assembly.close_before(index))
        pixels = self._follower.read_pixels(frame)
        if pixels is None:
            self._n_damaged += 1
            return
        self._give(self._assembly.add(index, z, pixels, frame.time_s))

    def _give(self, volume: AssembledVolume | None) -> None:
        if volume is None or self._spec is None:
            return
        slice_times_s = self._clock.slice_times_s(volume.index, volume.times_s)
        missing_z = (~volume.is_present).nonzero()[0]
        self._ready.append(
            Volume(
                index=volume.index,
                timestamp_s=float(slice_times_s[0]),
                marker=volume.marker,
                activity=volume.activity,
                spec=self._spec,
                slice_times_s=slice_times_s,
                missing_z=tuple(missing_z.tolist()),
            )
        )

    def _finish(self) -> None:
        """Take what can be taken of the rest; called once."""
        while (frame := self._walk(is_over=True)) is not None:
            for numbered in self._numbers.add(frame):
                for placed in self._slots.add(numbered):
                    self._place(placed)
        for numbered in self._numbers.flush():
            for placed in self._slots.add(numbered):
                self._place(placed)
        for placed in self._slots.flush():
            self._place(placed)
        self._is_over = True
        if not (self._follower is not None and self._follower.tail.is_finished):
            self._notes.append(
                f"Nothing came for {self._settings.live.idle_timeout_s:g} s, so the recording was"
                " taken to be over."
            )
        n_slices = self._assembly.n_open_slices()
        if n_slices:
            self._notes.append(
                f"The recording ends within a volume: its last {n_slices} slices are left out."
            )

    def _counted(self) -> Iterator[str]:
        """Yield a sentence for everything of which there was at least one."""
        if self._spec is None or self._follower is None:
            return
        tail = self._follower.tail
        counted = (
            (tail.n_resyncs, f"places of the file ({tail.n_skipped_bytes} bytes) were damaged"),
            (self._numbers.n_duplicates, "frames came twice or late and are left out"),
            (self._numbers.n_renumbered, "frames had a damaged number, which was put right"),
            (self._numbers.n_foreign, "frames fitted nowhere and are left out"),
            (self._n_damaged, "compressed frames are damaged and are left out"),
            (self._assembly.n_late, "slices came after the next volume and are left out"),
            (self._slots.n_dropped, "frames were dropped by the camera, as their times tell"),
            (self._clock.n_untimed, "volumes have no times that can be true; a period is used"),
            (self._clock.n_constant, "volumes carry one time for all slices; it is spread"),
        )
        for count, what in counted:
            if count:
                yield f"{count} {what}."
        yield from _flyback_notes(self._slots)

    def _pause(self) -> None:
        self._closed.wait(min(self._settings.live.poll_ms / 1000, _LONGEST_WAIT_S))


def _flyback_notes(slots: NumberedSlots | ClockedSlots) -> Iterator[str]:
    if not isinstance(slots, ClockedSlots):
        return
    if slots.is_irregular:
        yield "The times of the frames are too irregular to tell whether the camera dropped any."
    if slots.flyback_z:
        yield (
            f"The longest pause lies before slice {slots.flyback_z}, not before the first one;"
            " check the frames before the first slice (z_first)."
        )


def _is_finished(path: Path) -> bool:
    try:
        tail = Nd2Tail(path)
    except OSError:
        return False
    try:
        return tail.has_end_mark()
    finally:
        tail.close()
