"""The volumes of one growing ND2 file, as far as they have come; nothing here waits."""

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import SourceSettings, Volume, VolumeSpec, VoxelGrid
from napari_acll.sources._frame_order import (
    ClockedSlots,
    FrameNumbers,
    NumberedSlots,
    TimedFrame,
)
from napari_acll.sources._geometry import resolve_period, resolve_voxel_size
from napari_acll.sources._live_clock import LiveClock
from napari_acll.sources._nd2_follower import Nd2Follower
from napari_acll.sources._nd2_given import GivenVolumes
from napari_acll.sources._nd2_live_notes import what_was_lacking
from napari_acll.sources._volume_assembly import AssembledVolume, VolumeAssembly

_IDENTITY_CHECK_S = 0.5


class Nd2Volumes:
    """Takes one frame after the other and makes volumes of them.

    Parameters
    ----------
    path : Path
        The file.
    settings : SourceSettings
        How it is read.
    before : Nd2Volumes, optional
        The file before this one, of a recording that is split: indices and times go on.
    first_wanted : int
        Volumes before this one are passed over.

    Attributes
    ----------
    spec : VolumeSpec or None
        Geometry and channels, once they are known.
    ready : deque of Volume
        Volumes that nobody has taken yet.
    is_walked : bool
        Whether the file is finished and all its frames were taken.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        settings: SourceSettings,
        before: "Nd2Volumes | None" = None,
        *,
        first_wanted: int = 0,
    ) -> None:
        self._settings = settings
        self._before = before
        self._follower = Nd2Follower(path, settings)
        self._numbers = FrameNumbers()
        self._slots: NumberedSlots | ClockedSlots = NumberedSlots(0)
        self._waiting: deque[TimedFrame] = deque()
        self._notes: list[str] = []
        self._n_damaged = 0
        self._is_over = False
        self._checked_s = time.monotonic()
        self._seen_s = float("nan")
        self._n_bytes = 0
        self._first_index = 0
        self._first_wanted = first_wanted
        self.spec: VolumeSpec | None = None
        self.ready: deque[Volume] = deque()
        self.is_walked = False

    @property
    def size(self) -> int:
        """Bytes of the file, or what they were when it could last be reached."""
        with contextlib.suppress(OSError):
            self._n_bytes = self._follower.tail.size()
        return self._n_bytes

    @property
    def has_frames(self) -> bool:
        """Whether there are frames of which a spec can be made."""
        return bool(self._waiting) or self.spec is not None

    @property
    def is_finished(self) -> bool:
        """Whether the microscope's software has closed the file."""
        return self._follower.tail.is_finished

    @property
    def next_index(self) -> int:
        """Number of the volume after the last one that was given."""
        return self._first_index + (self._assembly.next_index if self.spec else 0)

    def begin(self, *, is_over: bool = False) -> bool:
        """Take a step toward the spec; return whether there may be more to do at once.

        Parameters
        ----------
        is_over : bool
            Whether no more frames are waited for.

        Raises
        ------
        RecordingError
            If the file cannot be understood.
        """
        follower = self._follower
        if not follower.has_begun:
            return follower.begin()
        period_s = self._planned_period_s()
        if period_s is None and not (is_over or self.is_walked):
            frame = self._walk()
            if frame is None:
                return self.is_walked
            self._waiting.append(frame)
            if len(self._waiting) <= follower.layout.n_z_stored:
                return True
        self._settle(self._measured_period_s() if period_s is None else period_s)
        return True

    def advance(self) -> bool:
        """Take one frame; return whether there was one.

        Raises
        ------
        RecordingError
            If the file was shortened, deleted or replaced.
        """
        frame = self._waiting.popleft() if self._waiting else self._walk()
        if frame is not None:
            self._take(frame)
        return frame is not None

    def finish(self) -> None:
        """Take what can be taken of the rest, when nothing more is written."""
        while (frame := self._walk(is_over=True)) is not None:
            self._take(frame)
        for numbered in self._numbers.flush():
            self._place_all(self._slots.add(numbered))
        self._place_all(self._slots.flush())
        self._is_over = True
        n_slices = self._assembly.n_open_slices()
        if n_slices:
            self._notes.append(
                f"The recording ends within a volume: its last {n_slices} slices are left out."
            )

    def notes(self) -> Iterator[str]:
        """Yield what the user should know, one sentence each; with counts once it is over."""
        if self.spec is not None:
            yield from self._follower.notes
        yield from self._notes
        if self.spec is not None:
            yield from what_was_lacking(
                self._follower.tail,
                self._numbers,
                self._slots,
                self._assembly,
                self._clock,
                n_damaged=self._n_damaged,
                is_over=self._is_over,
            )

    def describe(self) -> dict[str, object]:
        """Return what is known of the recording, as JSON values."""
        if self.spec is None:
            return {}
        follower = self._follower
        return {
            "loops": [f"{loop.axis}{loop.count}" for loop in follower.info.loops],
            "n_z": follower.layout.n_z,
            "channels": [channel.name for channel in follower.info.channels],
            "marker_channel": follower.marker,
            "activity_channel": follower.activity,
            "start_julian_day": follower.info.start_julian_day,
        }

    def reread(self, index: int) -> Volume | None:
        """Return a volume that was given or passed over before; None if there is none.

        Raises
        ------
        OSError, RecordingError
            If it cannot be read any more.
        """
        if self.spec is None:
            return None
        return self._given.read(index, self._follower, self.spec)

    def close(self) -> None:
        """Close the file; may be done twice."""
        self._follower.close()

    def _planned_period_s(self) -> float | None:
        if self._settings.period_s is not None:
            return self._settings.period_s
        if self._before is not None and self._before.spec is not None:
            return self._before.spec.period_s
        planned_s = self._follower.info.loop_period_s
        if planned_s is None:
            return None
        layout = self._follower.layout
        return planned_s * layout.volume_stride / layout.frames_per_turn

    def _measured_period_s(self) -> float | None:
        """Return the time from the first frame to the same slice of the next volume."""
        if len(self._waiting) < 2:
            return None
        first, last = self._waiting[0], self._waiting[-1]
        n_steps = last.number - first.number
        if n_steps < 1 or not last.time_s > first.time_s:
            return None
        return (last.time_s - first.time_s) * self._follower.layout.n_z_stored / n_steps

    def _settle(self, period_s: float | None) -> None:
        follower, layout = self._follower, self._follower.layout
        first = layout.first - (layout.n_z_stored - layout.n_z)
        if layout.frames_per_turn == 1 and layout.n_z_stored > 1:
            self._slots = ClockedSlots(first, layout.n_z_stored)
        else:
            self._slots = NumberedSlots(first)
        spec = self._make_spec(resolve_period(period_s, self._settings, self._notes, n_volumes=2))
        self._clock = LiveClock(self._settings, spec.period_s)
        if self._before is not None:
            self._first_index = self._before.next_index
            self._clock.go_on_after(self._before._clock, self._first_index)
            if spec == self._before.spec:
                spec = self._before.spec
        self._assembly = VolumeAssembly(
            layout,
            (follower.pixels.height, follower.pixels.width, follower.pixels.n_components),
            follower.pixels.dtype,
            (follower.marker, follower.activity),
        )
        self._given = GivenVolumes(layout.n_z)
        follower.skim_before = (self._first_wanted - self._first_index) * layout.n_z_stored
        self._before = None
        self.spec = spec

    def _make_spec(self, period_s: float) -> VolumeSpec:
        follower, layout, pixels = self._follower, self._follower.layout, self._follower.pixels
        size_um = resolve_voxel_size(follower.info.voxel_size_um, self._settings, self._notes)
        return VolumeSpec(
            grid=VoxelGrid(
                shape=(layout.n_z, pixels.height, pixels.width),
                voxel_size_um=size_um,
                stored_shape=(layout.n_z_stored, pixels.height, pixels.width),
                start_px=(layout.n_z_stored - layout.n_z, 0, 0),
            ),
            period_s=period_s,
            marker_name=follower.info.channels[follower.marker].name,
            activity_name=follower.info.channels[follower.activity].name,
        )

    def _walk(self, *, is_over: bool = False) -> TimedFrame | None:
        tail = self._follower.tail
        try:
            frame = self._follower.next_frame(is_over=is_over)
        except OSError:  # a share that is away for a moment; for longer, it is silence
            return None
        now_s = time.monotonic()
        if frame is not None:
            self._seen_s = time.perf_counter()
            self._checked_s = now_s  # as long as it grows, its name does not matter
            return frame
        self.is_walked = self.is_walked or tail.is_finished
        if not self.is_walked and now_s - self._checked_s > _IDENTITY_CHECK_S:
            self._checked_s = now_s
            tail.check_identity()
        return None

    def _take(self, frame: TimedFrame) -> None:
        for numbered in self._numbers.add(frame):
            self._place_all(self._slots.add(numbered))

    def _place_all(self, frames: Iterator[TimedFrame]) -> None:
        for frame in frames:
            place = self._assembly.place_of(frame.slot)
            if place is None:
                continue
            index, z = place
            self._give(self._assembly.close_before(index))
            if index >= self._assembly.next_index:
                self._given.add(self._first_index + index, z, frame.chunk)
            is_wanted = self._first_index + index >= self._first_wanted
            pixels = self._pixels(frame) if is_wanted else None
            if pixels is None and is_wanted:
                self._n_damaged += 1
            else:
                self._give(self._assembly.add(index, z, pixels, frame.time_s))

    def _pixels(self, frame: TimedFrame) -> NDArray[np.unsignedinteger] | None:
        try:
            return self._follower.read_pixels(frame)
        except OSError:  # the share went away in between: this slice is missing
            return None

    def _give(self, volume: AssembledVolume | None) -> None:
        if volume is None or self.spec is None:
            return
        index = self._first_index + volume.index
        slice_times_s = self._clock.slice_times_s(index, volume.times_s)
        self._given.close(index, slice_times_s)
        if index < self._first_wanted:
            return
        self.ready.append(
            Volume(
                index=index,
                timestamp_s=float(slice_times_s[0]),
                marker=volume.marker,
                activity=volume.activity,
                spec=self.spec,
                slice_times_s=slice_times_s,
                missing_z=tuple((~volume.is_present).nonzero()[0].tolist()),
                seen_s=self._seen_s,
            )
        )
