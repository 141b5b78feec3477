"""Replays recordings that are one array: Zarr, NumPy, or in memory."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, SourceSettings, Volume, VolumeSpec, VoxelGrid
from napari_acll.sources._array_files import NpyArray, StoredArray, is_zarr, open_zarr
from napari_acll.sources._axes import (
    check_dtype,
    read_channel,
    resolve_axes,
    size_along,
    to_counts,
    zyx_shape,
)
from napari_acll.sources._channels import ChannelInfo, choose_channels, require_two_channels
from napari_acll.sources._errors import reason_of
from napari_acll.sources._geometry import even_slice_times, resolve_period, resolve_voxel_size
from napari_acll.sources._replay import ReplaySource

_NPY_SUFFIX = ".npy"
_SUFFIXES = f"{_NPY_SUFFIX} file or .zarr folder"


class ArraySource(ReplaySource):
    """A recording that is one array, of which only the volume asked for is read.

    The array needs the axes C, Z, Y and X; without T it is a single volume. OME-Zarr (0.4 and
    0.5) tells axes, voxel size, period and channel names itself; else the settings do.

    Parameters
    ----------
    stored : StoredArray
        The array and what is known about it.
    settings : SourceSettings
        Axes, channels, voxel size and period, where the file does not tell them.
    name : str
        Stands in errors and in the description.

    Raises
    ------
    RecordingError
        If the array is not a two-channel series of volumes.
    """

    def __init__(self, stored: StoredArray, settings: SourceSettings, *, name: str) -> None:
        self._array = stored.array
        self._name = name
        self._axes = resolve_axes(stored.array.shape, settings.axes, stored.axes, recording=name)
        check_dtype(stored.array.dtype, recording=name)
        n_volumes = size_along(stored.array, self._axes, "T")
        n_channels = size_along(stored.array, self._axes, "C")
        require_two_channels(n_channels, recording=name)
        if n_volumes == 0:
            raise RecordingError(f"{name} holds no volumes; choose another recording.")
        channels = _channels(stored.channel_names, n_channels)
        self._choice = choose_channels(channels, settings, recording=name)
        notes = [self._choice.note]
        if settings.axes is None and stored.axes is None:
            notes.append(
                f"The order of the axes {stored.array.shape} is not known; {self._axes} is"
                " assumed. Give it if this is wrong."
            )
        shape = zyx_shape(stored.array, self._axes)
        size_um = resolve_voxel_size(stored.voxel_size_um, settings, notes)
        self._slice_times_s = _usable_times(stored, settings, (n_volumes, shape[0]))
        found_period_s = stored.period_s
        if self._slice_times_s is not None and n_volumes > 1:
            found_period_s = float(np.median(np.diff(self._slice_times_s[:, 0])))
        spec = VolumeSpec(
            grid=VoxelGrid.as_stored(shape, size_um),
            period_s=resolve_period(found_period_s, settings, notes, n_volumes=n_volumes),
            marker_name=channels[self._choice.marker].name,
            activity_name=channels[self._choice.activity].name,
            n_volumes=n_volumes,
        )
        super().__init__(
            spec=spec, indices=range(n_volumes), notes=notes, description=self._identification()
        )

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this cannot be an array, in one sentence; empty if it can."""
        path = Path(recording)
        if is_zarr(path) or (path.suffix.casefold() == _NPY_SUFFIX and path.is_file()):
            return ""
        return f"it is not a {_SUFFIXES}"

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Open a file or folder.

        Raises
        ------
        RecordingError
            See the class; also if it is missing or damaged.
        """
        path = Path(recording)
        stored = open_zarr(path) if path.is_dir() else StoredArray(array=NpyArray(path))
        return cls(stored, settings, name=str(path.absolute()))

    @classmethod
    def from_array(
        cls,
        array: NDArray[Any],
        settings: SourceSettings | None = None,
        *,
        axes: str | None = None,
        voxel_size_um: tuple[float, float, float] | None = None,
        period_s: float | None = None,
        channel_names: tuple[str, ...] = (),
    ) -> Self:
        """Return an array in memory, or anything that is indexed like one, as a recording.

        Parameters
        ----------
        array : ndarray
            Counts.
        settings : SourceSettings, optional
            Overrides the arguments below.
        axes : str, optional
            Order of the axes; None: TCZYX or CZYX, by their number.
        voxel_size_um : tuple of float, optional
            `(Z, Y, X)`.
        period_s : float, optional
            Time between volumes.
        channel_names : tuple of str
            Empty: numbered.

        Raises
        ------
        RecordingError
            If the array is not a two-channel series of volumes.

        Examples
        --------
        >>> recording = np.zeros((3, 2, 4, 5, 6), np.uint16)
        >>> source = ArraySource.from_array(recording, period_s=0.6)
        >>> source.spec.shape, source.read(2).timestamp_s
        ((4, 5, 6), 1.2)
        """
        stored = StoredArray(
            array=array,
            axes=axes,
            voxel_size_um=voxel_size_um or (None, None, None),
            period_s=period_s,
            channel_names=channel_names,
        )
        return cls(stored, settings or SourceSettings(), name="The array")

    def _load(self, index: int) -> Volume:
        times_s = self._slice_times_s
        slice_times_s = (
            even_slice_times(index * self._spec.period_s, self._spec.shape[0], self._spec.period_s)
            if times_s is None
            else times_s[index].copy()
        )
        return Volume(
            index=index,
            timestamp_s=float(slice_times_s[0]),
            marker=self._channel(self._choice.marker, index),
            activity=self._channel(self._choice.activity, index),
            spec=self._spec,
            slice_times_s=slice_times_s,
        )

    def _channel(self, channel: int, index: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
        where = f"Volume {index} of {self._name}"
        try:
            values = read_channel(self._array, self._axes, channel, index=index)
        except (OSError, ValueError, LookupError, RuntimeError) as error:
            raise RecordingError(
                f"{where} is damaged ({reason_of(error)}); copy the recording again, or use the"
                " volumes before it."
            ) from error
        return to_counts(values, recording=where)

    def _release(self) -> None:
        del self._array

    def _identification(self) -> dict[str, object]:
        return {
            "kind": "array",
            "path": self._name,
            "axes": self._axes,
            "shape": [int(size) for size in self._array.shape],
            "dtype": str(self._array.dtype),
            "marker_channel": self._choice.marker,
            "activity_channel": self._choice.activity,
        }


def _channels(names: tuple[str, ...], n_channels: int) -> list[ChannelInfo]:
    if len(names) != n_channels or not all(names):
        names = tuple(f"channel {number}" for number in range(n_channels))
    return [ChannelInfo(name) for name in names]


def _usable_times(
    stored: StoredArray, settings: SourceSettings, shape: tuple[int, int]
) -> NDArray[np.float64] | None:
    times_s = stored.slice_times_s
    if times_s is None or settings.period_s is not None or times_s.shape != shape:
        return None
    return times_s if np.isfinite(times_s).all() else None
