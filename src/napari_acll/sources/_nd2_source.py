"""Replays finished ND2 recordings."""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np

from napari_acll.core import RecordingError, SourceSettings, Volume, VolumeSpec, VoxelGrid
from napari_acll.sources._buffer_pool import FRAMES_FREE, VolumeMemory
from napari_acll.sources._channels import ChannelChoice, choose_channels, require_two_channels
from napari_acll.sources._geometry import resolve_voxel_size
from napari_acll.sources._nd2_chunks import Nd2Chunks
from napari_acll.sources._nd2_info import Nd2Info, read_nd2_info
from napari_acll.sources._nd2_layout import FrameLayout, plan_layout
from napari_acll.sources._nd2_times import Nd2Times
from napari_acll.sources._replay import ReplaySource

_SUFFIX = ".nd2"


class Nd2Source(ReplaySource):
    """A finished ND2 file, read frame by frame.

    Loops over time and z may be nested either way; a file with only a time loop needs the
    number of slices in the settings. Loop counts are plans: only the volumes that the file
    holds are given, and the last of several only if its last slice is there. Slices that are
    missing elsewhere are zero and listed.

    Parameters
    ----------
    path : Path
        The file.
    settings : SourceSettings
        Channels, slices, and what overrides the file's own calibration.
    memory : VolumeMemory, optional
        Where volumes are put, for a reader of many files; None: the source has its own.

    Raises
    ------
    RecordingError
        If the file is missing, unfinished, damaged, or not a two-channel series of volumes.
    """

    def __init__(
        self, path: Path, settings: SourceSettings, *, memory: VolumeMemory | None = None
    ) -> None:
        self._memory = memory or VolumeMemory(most_free=FRAMES_FREE)
        with ExitStack() as on_failure:
            self._chunks = Nd2Chunks(path)
            on_failure.callback(self._chunks.close)
            self._open(path, settings)
            on_failure.pop_all()

    def _open(self, path: Path, settings: SourceSettings) -> None:
        self._info = read_nd2_info(path)
        require_two_channels(len(self._info.channels), recording=str(path))
        self._chunks.check_frame_size(self._info.pixels)
        notes: list[str] = []
        offsets = self._chunks.frame_offsets
        self._layout = plan_layout(
            self._info.loops, len(offsets), settings, notes, recording=str(path)
        )
        self._choice = choose_channels(self._info.channels, settings, recording=str(path))
        notes.insert(0, self._choice.note)
        self._is_present = self._layout.presence(offsets)
        indices = _existing(self._is_present, self._layout, notes, path)
        self._times = Nd2Times(self._chunks, self._info, self._layout, indices, settings, notes)
        super().__init__(
            spec=self._make_spec(settings, notes, n_volumes=indices[-1] + 1),
            indices=indices,
            notes=notes,
            description=_description(path, self._info, self._layout, self._choice),
        )

    @property
    def start_julian_day(self) -> float | None:
        """Absolute time of the start of the recording; None if the file does not tell."""
        return self._info.start_julian_day

    @property
    def file_voxel_size_um(self) -> tuple[float | None, float | None, float | None]:
        """`(Z, Y, X)` voxel size as the file tells it; None where it does not."""
        return self._info.voxel_size_um

    @property
    def has_times(self) -> bool:
        """Whether times are those of the file, not spread over a period."""
        return self._times.has_times

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this cannot be an ND2 file, in one sentence; empty if it can."""
        path = Path(recording)
        if path.suffix.casefold() != _SUFFIX:
            return f"its name does not end in {_SUFFIX}"
        return "" if path.is_file() else "it is not a file"

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Open a file.

        Raises
        ------
        RecordingError
            See the class.
        """
        return cls(Path(recording), settings)

    def _make_spec(
        self, settings: SourceSettings, notes: list[str], *, n_volumes: int
    ) -> VolumeSpec:
        height, width = self._info.pixels.height, self._info.pixels.width
        n_discarded = self._layout.n_z_stored - self._layout.n_z
        grid = VoxelGrid(
            shape=(self._layout.n_z, height, width),
            voxel_size_um=resolve_voxel_size(self._info.voxel_size_um, settings, notes),
            stored_shape=(self._layout.n_z_stored, height, width),
            start_px=(n_discarded, 0, 0),
        )
        return VolumeSpec(
            grid=grid,
            period_s=self._times.period_s,
            marker_name=self._info.channels[self._choice.marker].name,
            activity_name=self._info.channels[self._choice.activity].name,
            n_volumes=n_volumes,
        )

    def _load(self, index: int) -> Volume:
        pixels = self._info.pixels
        frames = self._memory.take((*self._spec.shape, pixels.n_components), pixels.dtype)
        is_present = self._is_present[index]
        for z, frame in enumerate(self._layout.frames(index)):
            if is_present[z]:
                self._chunks.read_frame_into(int(frame), pixels, frames[z])
            else:
                frames[z] = 0
        slice_times_s = self._times.slice_times_s(index)
        return Volume(
            index=index,
            timestamp_s=float(slice_times_s[0]),
            marker=frames[..., self._choice.marker],
            activity=frames[..., self._choice.activity],
            spec=self._spec,
            slice_times_s=slice_times_s,
            missing_z=tuple(np.flatnonzero(~is_present).tolist()),
        )

    def _release(self) -> None:
        self._chunks.close()


def _existing(
    is_present: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
    layout: FrameLayout,
    notes: list[str],
    path: Path,
) -> list[int]:
    indices = np.flatnonzero(is_present.any(axis=1)).tolist()
    is_series = layout.n_volumes > 1  # else the one stack is the volume, whatever it lacks
    if indices and is_series and layout.slice_stride == 1 and not is_present[indices[-1], -1]:
        n_slices = int(is_present[indices[-1]].sum())
        notes.append(
            f"The recording ends within a volume: the last {n_slices} of {layout.n_z} slices"
            " are left out."
        )
        indices.pop()
    if not indices:
        raise RecordingError(
            f"{path} does not hold one complete volume of {layout.n_z} slices; choose a longer"
            " recording."
        )
    if len(indices) < layout.n_volumes:
        notes.append(f"{len(indices)} of {layout.n_volumes} planned volumes were recorded.")
    n_partial = int((~is_present[indices].all(axis=1)).sum())
    if n_partial:
        notes.append(f"{n_partial} volumes lack slices; these are filled with zeros.")
    return list(indices)


def _description(
    path: Path, info: Nd2Info, layout: FrameLayout, choice: ChannelChoice
) -> dict[str, object]:
    return {
        "kind": "nd2",
        "path": str(path.absolute()),
        "n_bytes": path.stat().st_size,
        "loops": [f"{loop.axis}{loop.count}" for loop in info.loops],
        "n_z": layout.n_z,
        "channels": [channel.name for channel in info.channels],
        "marker_channel": choice.marker,
        "activity_channel": choice.activity,
        "start_julian_day": info.start_julian_day,
    }
