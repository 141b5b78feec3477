"""Puts the frames of a multi-dimensional acquisition of Micro-Manager into volumes."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, SourceSettings, Volume, VolumeSpec, VoxelGrid
from napari_acll.sources._buffer_pool import VolumeMemory
from napari_acll.sources._channels import (
    ChannelChoice,
    ChannelInfo,
    choose_channels,
    require_two_channels,
)
from napari_acll.sources._geometry import resolve_period, resolve_voxel_size
from napari_acll.sources._stream_header import complete_slice_times

_WAITING_BYTES = 1 << 31
_WAITING = (4, 64)
_S_PER_MS = 1e-3
_CAMERA_AXIS = "cam"  # added to the index of a frame where several cameras are read at once
_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))


@dataclass(slots=True)
class _OpenVolume:
    index: int
    marker: NDArray[Any]
    activity: NDArray[Any]
    is_present: NDArray[np.bool_]
    times_s: NDArray[np.float64]
    seen_s: float = float("nan")


class MdaVolumes:
    """Listens to one acquisition, on the thread that acquires, and returns at once.

    Parameters
    ----------
    settings : SourceSettings
        Channels, and sizes that the acquisition does not give.
    address : str
        Stands in errors.
    joins_running : bool
        Whether an acquisition that runs already is taken from its next volume on.

    Attributes
    ----------
    ready : deque of Volume
        Complete volumes, the newest 2 GB of them, from 4 to 64.
    error : RecordingError or None
        Why nothing more comes.
    spec : VolumeSpec or None
        Geometry and channels, once the first slice is there.
    notes : list of str
        What the user should know.
    n_frames, n_dropped, n_late : int
        Frames that came; volumes that were not taken in time; frames that came for a volume that
        was given already.
    is_over : bool
        Whether the acquisition has ended.
    """

    def __init__(self, settings: SourceSettings, *, address: str, joins_running: bool) -> None:
        self._settings = settings
        self._address = address
        self._joins_running = joins_running
        self._lock = threading.Lock()
        self._memory = VolumeMemory()
        self._sequence: Any = None
        self._first_frames: list[tuple[NDArray[Any], Any, Mapping[str, Any]]] = []
        self._choice: ChannelChoice | None = None
        self._dtype: np.dtype[Any] = _DTYPES[-1]
        self._most_waiting = _WAITING[0]
        self._open: _OpenVolume | None = None
        self._next_index = 0
        self.ready: deque[Volume] = deque()
        self.error: RecordingError | None = None
        self.spec: VolumeSpec | None = None
        self.notes: list[str] = []
        self.n_frames = self.n_dropped = self.n_late = 0
        self.is_over = False

    def begin(self, sequence: Any) -> None:
        """Take note that an acquisition begins; a second one ends the first."""
        with self._lock:
            if self._sequence is not None:
                self.is_over = True
                return
            self._adopt(sequence)

    def add(self, image: NDArray[Any], event: Any, meta: Mapping[str, Any]) -> None:
        """Take a frame; its pixels are copied."""
        with self._lock:
            if self.is_over or self.error is not None:
                return
            if self._sequence is None:
                if not self._joins_running or event.sequence is None:
                    return
                self._adopt(event.sequence)
                self._next_index = _position(event, "t") + 1  # this one has begun already
            try:
                self._take(np.asarray(image), event, meta)
            except RecordingError as error:  # the acquisition must go on
                self.error = error

    def end(self, sequence: Any) -> None:
        """Take note that an acquisition is over; its last volume counts if it is complete."""
        with self._lock:
            if self._sequence is not None and sequence.uid == self._sequence.uid:
                self.is_over = True

    def pop(self) -> Volume | None:
        """Return the oldest volume that waits."""
        with self._lock:
            return self.ready.popleft() if self.ready else None

    def _adopt(self, sequence: Any) -> None:
        self._sequence = sequence
        try:
            self._check(sequence)
        except RecordingError as error:
            self.error = error

    def _check(self, sequence: Any) -> None:
        sizes = {axis: count for axis, count in sequence.sizes.items() if count > 1}
        if "z" not in sizes:
            raise RecordingError(
                f"The acquisition at {self._address} takes no z stacks; add a z plan."
            )
        several = [axis for axis in ("p", "g") if axis in sizes]
        if several:
            raise RecordingError(
                f"The acquisition at {self._address} visits several positions; one animal at one"
                " position is expected."
            )
        axes = [axis for axis in sequence.axis_order if axis in sizes]
        if "t" in axes and axes[0] != "t":
            raise RecordingError(
                f"The acquisition at {self._address} takes all timepoints of a slice or channel"
                f" before the next one (order {''.join(axes)}), so that no volume is complete"
                " before the end; put the time first."
            )

    def _take(self, image: NDArray[Any], event: Any, meta: Mapping[str, Any]) -> None:
        self.n_frames += 1
        if self.spec is not None:
            self._place(image, event, meta)
            return
        self._first_frames.append((image.copy(), event, dict(meta)))
        names = self._channel_names()
        if names is None:
            return
        self._settle(names)
        first, self._first_frames = self._first_frames, []
        for frame in first:
            self._place(*frame)

    def _channel_names(self) -> Sequence[str] | None:
        """Return the names of the channels, None as long as not all cameras gave a frame."""
        configs = [channel.config for channel in self._sequence.channels]
        cameras = {
            _position(event, _CAMERA_AXIS): str(meta.get("camera_device") or "camera")
            for _, event, meta in self._first_frames
            if _CAMERA_AXIS in event.index
        }
        if not cameras:
            return configs or ["the only one"]
        if len(configs) > 1:
            raise RecordingError(
                f"The acquisition at {self._address} has {len(configs)} channels with several"
                " cameras each; take one channel that all cameras see."
            )
        newest = self._first_frames[-1][1]
        is_next_slice = _position(newest, "z") != _position(self._first_frames[0][1], "z")
        has_all = is_next_slice or len(cameras) > 1
        return [name for _, name in sorted(cameras.items())] if has_all else None

    def _settle(self, names: Sequence[str]) -> None:
        image, _, meta = self._first_frames[0]
        require_two_channels(len(names), recording=self._address)
        if image.ndim != 2 or image.dtype not in _DTYPES:
            raise RecordingError(
                f"Frames of {self._address} are of {image.shape} {image.dtype}; gray values of 8"
                " or 16 bits are expected: choose another pixel type of the camera."
            )
        self._dtype = image.dtype
        infos = [ChannelInfo(name) for name in names]
        self._choice = choose_channels(infos, self._settings, recording=self._address)
        self.notes.append(self._choice.note)
        n_z = self._sequence.sizes["z"]
        n_fitting = _WAITING_BYTES // (2 * n_z * image.nbytes)
        self._most_waiting = min(_WAITING[1], max(_WAITING[0], n_fitting))
        pixel_um = meta.get("pixel_size_um") or None
        size_um = (_z_step_um(self._sequence), pixel_um, pixel_um)
        self.spec = VolumeSpec(
            grid=VoxelGrid.as_stored(
                (n_z, *image.shape), resolve_voxel_size(size_um, self._settings, self.notes)
            ),
            period_s=resolve_period(
                _interval_s(self._sequence), self._settings, self.notes, n_volumes=2
            ),
            marker_name=names[self._choice.marker],
            activity_name=names[self._choice.activity],
        )

    def _place(self, image: NDArray[Any], event: Any, meta: Mapping[str, Any]) -> None:
        seen_s = time.perf_counter()
        index, z = _position(event, "t"), _position(event, "z")
        axis = _CAMERA_AXIS if _CAMERA_AXIS in event.index else "c"
        if index < self._next_index:
            self.n_late += 1
            return
        if self._open is not None and index > self._open.index:
            self._close()
        if self._open is None:
            self._open = self._new(index)
        self._fill(self._open, image, z, _position(event, axis))
        self._open.seen_s = seen_s
        time_s = float(meta.get("runner_time_ms", np.nan)) * _S_PER_MS
        self._open.times_s[z] = np.fmin(self._open.times_s[z], time_s)
        if self._open.is_present.all():
            self._close()

    def _fill(self, volume: _OpenVolume, image: NDArray[Any], z: int, channel: int) -> None:
        if self._choice is None or image.shape != volume.marker.shape[1:]:
            raise RecordingError(
                f"A frame of {self._address} has {image.shape} pixels, but those before had"
                f" {volume.marker.shape[1:]}; the region of the camera must not change."
            )
        wanted = ((self._choice.marker, volume.marker), (self._choice.activity, volume.activity))
        for row, (number, counts) in enumerate(wanted):
            if channel == number:
                counts[z] = image
                volume.is_present[row, z] = True

    def _new(self, index: int) -> _OpenVolume:
        if self.spec is None:
            raise ValueError("A volume cannot begin before its shape is known.")
        n_z, dtype = self.spec.shape[0], self._dtype
        return _OpenVolume(
            index=index,
            marker=self._memory.take(self.spec.shape, dtype),
            activity=self._memory.take(self.spec.shape, dtype),
            is_present=np.zeros((2, n_z), np.bool_),
            times_s=np.full(n_z, np.nan),
        )

    def _close(self) -> None:
        volume, self._open = self._open, None
        if volume is None or self.spec is None:
            return
        self._next_index = volume.index + 1
        is_missing = ~volume.is_present.all(axis=0)
        volume.marker[is_missing] = volume.activity[is_missing] = 0
        start_s = float(volume.times_s[0])
        if not np.isfinite(start_s):
            start_s = volume.index * self.spec.period_s
        times_s = complete_slice_times(volume.times_s, start_s, self.spec.period_s)
        self.ready.append(
            Volume(
                index=volume.index,
                timestamp_s=float(times_s[0]),
                marker=volume.marker,
                activity=volume.activity,
                spec=self.spec,
                slice_times_s=times_s,
                missing_z=tuple(np.flatnonzero(is_missing).tolist()),
                seen_s=volume.seen_s,
            )
        )
        while len(self.ready) > self._most_waiting:
            self.ready.popleft()
            self.n_dropped += 1


def _position(event: Any, axis: str) -> int:
    return int(event.index.get(axis, 0))


def _interval_s(sequence: Any) -> float | None:
    interval = getattr(sequence.time_plan, "interval", None)
    return None if interval is None else float(interval.total_seconds())


def _z_step_um(sequence: Any) -> float | None:
    positions = list(_z_positions(sequence))
    return abs(positions[1] - positions[0]) if len(positions) > 1 else None


def _z_positions(sequence: Any) -> Iterator[float]:
    yield from (float(position) for position in sequence.z_plan or ())
