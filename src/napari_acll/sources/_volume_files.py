"""Reads one volume from one file, or from the pair of files that holds its channels."""

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources._array_files import load_npy
from napari_acll.sources._axes import ArrayLike, read_channel, resolve_axes, size_along, to_counts
from napari_acll.sources._buffer_pool import VolumeMemory
from napari_acll.sources._channels import ChannelInfo, choose_channels, require_two_channels
from napari_acll.sources._errors import reason_of
from napari_acll.sources._nd2_source import Nd2Source

Counts = NDArray[np.uint8] | NDArray[np.uint16]

_H5_MARKER, _H5_ACTIVITY = "raw", "raw_green"
_H5_SIZE = "element_size_um"
# what h5py, tifffile and pynrrd raise on files that are cut off or overwritten
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    TypeError,
    MemoryError,
    SyntaxError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVolume:
    """One volume and what its file says about it.

    Parameters
    ----------
    marker, activity : ndarray of uint8 or uint16, shape (Z, Y, X)
        Raw counts.
    marker_name, activity_name : str
        Names of the channels.
    note : str
        How the channels were told apart.
    marker_channel, activity_channel : int
        Their numbers.
    voxel_size_um : tuple of float or None
        `(Z, Y, X)`; None where the file does not tell.
    n_z_discarded : int
        Slices at the start that were left out.
    start_julian_day : float or None
        Absolute time of time 0 of the file.
    slice_times_s : ndarray of float64, shape (Z,), or None
        Times of the slices from time 0 of the file.
    missing_z : tuple of int
        Slices that the file lacks.
    """

    marker: Counts
    activity: Counts
    marker_name: str
    activity_name: str
    note: str
    marker_channel: int
    activity_channel: int
    voxel_size_um: tuple[float | None, float | None, float | None] = (None, None, None)
    n_z_discarded: int = 0
    start_julian_day: float | None = None
    slice_times_s: NDArray[np.float64] | None = None
    missing_z: tuple[int, ...] = field(default=())


def read_nd2_volume(
    paths: Sequence[Path], settings: SourceSettings, *, memory: VolumeMemory | None = None
) -> FileVolume:
    """Read an ND2 file that holds one volume.

    Parameters
    ----------
    paths : sequence of Path
        The file.
    settings : SourceSettings
        How it is read.
    memory : VolumeMemory, optional
        Where the volume is put; None: into new memory.

    Raises
    ------
    RecordingError
        If it is unfinished or damaged, or holds another number of volumes.
    """
    (path,) = paths
    with Nd2Source(path, settings, memory=memory) as source:
        if len(source.indices) != 1:
            raise RecordingError(
                f"{path} holds {len(source.indices)} volumes, but a folder is read with one"
                " volume per file; open the file itself."
            )
        volume = source.read(source.indices[0])
        identity = source.describe()
        return FileVolume(
            marker=_as_counts(volume.marker),
            activity=_as_counts(volume.activity),
            marker_name=source.spec.marker_name,
            activity_name=source.spec.activity_name,
            note=source.notes[0],
            marker_channel=int(str(identity["marker_channel"])),
            activity_channel=int(str(identity["activity_channel"])),
            voxel_size_um=source.file_voxel_size_um,
            n_z_discarded=source.spec.grid.start_px[0],
            start_julian_day=source.start_julian_day,
            slice_times_s=volume.slice_times_s if source.has_times else None,
            missing_z=volume.missing_z,
        )


def read_nrrd_volume(paths: Mapping[int, Path], settings: SourceSettings) -> FileVolume:
    """Read the NRRD files of one volume, one per channel, axes X, Y, Z on disk.

    Parameters
    ----------
    paths : mapping of int to Path
        File of each channel, numbered from 1 as in the file names.
    settings : SourceSettings
        Channels, numbered from 0.

    Raises
    ------
    RecordingError
        If a file is damaged, or the channels differ in shape.
    """
    import nrrd

    numbers = sorted(paths)
    names = [ChannelInfo(f"ch{number}") for number in numbers]
    choice = choose_channels(names, settings, recording=str(next(iter(paths.values()))))
    channels: list[Counts] = []
    header: dict[str, Any] = {}
    for position in (choice.marker, choice.activity):
        path = paths[numbers[position]]
        try:
            values, header = nrrd.read(str(path), index_order="C")
        except (*_DAMAGED, nrrd.NRRDError, StopIteration) as error:
            raise _damaged(path, error) from error
        if values.ndim != 3:
            raise RecordingError(
                f"{path} has {values.ndim} axes; one channel of a volume (X, Y, Z) is expected:"
                " choose another recording."
            )
        channels.append(to_counts(values, recording=str(path)))
    marker, activity = channels
    if marker.shape != activity.shape:
        raise RecordingError(
            f"The channels of {path.name} have the shapes {activity.shape} and {marker.shape};"
            " they must agree: export the recording again."
        )
    return FileVolume(
        marker=marker,
        activity=activity,
        marker_name=names[choice.marker].name,
        activity_name=names[choice.activity].name,
        note=choice.note,
        marker_channel=choice.marker,
        activity_channel=choice.activity,
        voxel_size_um=_nrrd_size_um(header),
    )


def read_h5_volume(paths: Sequence[Path], settings: SourceSettings) -> FileVolume:
    """Read an HDF5 file: `raw` is the marker and `raw_green` the activity channel.

    Each is `(Z, Y, X)`, with or without one leading axis of length 1; `raw` may also hold both
    channels, `(C, Z, Y, X)`.

    Raises
    ------
    RecordingError
        If the file is damaged or lacks a channel.
    """
    import h5py

    (path,) = paths
    try:
        with h5py.File(path, "r") as file:
            if _H5_MARKER not in file:
                raise RecordingError(
                    f"{path} has no dataset {_H5_MARKER!r}; it has"
                    f" {', '.join(file) or 'none'}: choose a recording in that layout."
                )
            size_um = tuple(np.ravel(file[_H5_MARKER].attrs.get(_H5_SIZE, (None,) * 3)))
            array, names = _h5_array(file, path)
            return _from_array(
                array,
                "CZYX",
                [ChannelInfo(name) for name in names],
                settings,
                path,
                size_um if len(size_um) == 3 else (None, None, None),
            )
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def read_tif_volume(paths: Sequence[Path], settings: SourceSettings) -> FileVolume:
    """Read a TIFF or OME-TIFF file, its axes as its metadata or the settings say.

    Raises
    ------
    RecordingError
        If the file is damaged, in color, or not one two-channel volume.
    """
    import tifffile

    (path,) = paths
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            axes = series.axes.upper()
            if "S" in axes:
                raise RecordingError(
                    f"{path} holds color (RGB) pictures; save each channel by itself."
                )
            values = series.asarray()
            size_um = _tif_size_um(file)
    except (*_DAMAGED, tifffile.TiffFileError) as error:
        raise _damaged(path, error) from error
    found = axes if set(axes) <= set("TCZYX") else None
    axes = resolve_axes(values.shape, settings.axes, found, recording=str(path))
    names = [ChannelInfo(f"channel {number}") for number in range(size_along(values, axes, "C"))]
    return _from_array(values, axes, names, settings, path, size_um)


def read_npy_volume(paths: Sequence[Path], settings: SourceSettings) -> FileVolume:
    """Read a NumPy file with the axes of the settings, else C, Z, Y, X.

    Raises
    ------
    RecordingError
        If the file is damaged or not one two-channel volume.
    """
    (path,) = paths
    array = load_npy(path)
    axes = resolve_axes(array.shape, settings.axes, None, recording=str(path))
    names = [ChannelInfo(f"channel {number}") for number in range(size_along(array, axes, "C"))]
    return _from_array(array, axes, names, settings, path, (None, None, None))


def _from_array(
    array: ArrayLike,
    axes: str,
    channels: Sequence[ChannelInfo],
    settings: SourceSettings,
    path: Path,
    voxel_size_um: tuple[float | None, float | None, float | None],
) -> FileVolume:
    if size_along(array, axes, "T") != 1:
        raise RecordingError(
            f"{path} holds {size_along(array, axes, 'T')} volumes, but a folder is read with one"
            " volume per file; save them one by one."
        )
    require_two_channels(len(channels), recording=str(path))
    choice = choose_channels(channels, settings, recording=str(path))
    marker, activity = (
        to_counts(read_channel(array, axes, number), recording=str(path))
        for number in (choice.marker, choice.activity)
    )
    return FileVolume(
        marker=marker,
        activity=activity,
        marker_name=channels[choice.marker].name,
        activity_name=channels[choice.activity].name,
        note=choice.note,
        marker_channel=choice.marker,
        activity_channel=choice.activity,
        voxel_size_um=voxel_size_um,
    )


def _h5_array(file: Any, path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    raw = np.asarray(file[_H5_MARKER])
    if _H5_ACTIVITY in file:
        both = [_single(np.asarray(file[_H5_ACTIVITY])), _single(raw)]
        if both[0].ndim != 3 or both[0].shape != both[1].shape:
            raise RecordingError(
                f"{path} has the shapes {both[1].shape} ({_H5_MARKER}) and {both[0].shape}"
                f" ({_H5_ACTIVITY}); two volumes (Z, Y, X) of one shape are expected: write it"
                " again."
            )
        return np.stack(both), (_H5_ACTIVITY, _H5_MARKER)
    if raw.ndim == 4 and raw.shape[0] > 1:
        return raw, tuple(f"{_H5_MARKER}[{number}]" for number in range(raw.shape[0]))
    raise RecordingError(
        f"{path} holds only {_H5_MARKER!r} of shape {raw.shape}, which is the marker channel;"
        f" the activity channel {_H5_ACTIVITY!r} is missing: write it too."
    )


def _single(values: NDArray[Any]) -> NDArray[Any]:
    return values[0] if values.ndim == 4 and values.shape[0] == 1 else values


def _nrrd_size_um(
    header: Mapping[str, Any],
) -> tuple[float | None, float | None, float | None]:
    if "spacings" in header:
        sizes = np.asarray(header["spacings"], np.float64)
    elif "space directions" in header:
        sizes = np.linalg.norm(np.asarray(header["space directions"], np.float64), axis=1)
    else:
        return (None, None, None)
    if sizes.shape != (3,):
        return (None, None, None)
    x, y, z = (float(size) for size in sizes)
    return z, y, x


def _tif_size_um(file: Any) -> tuple[float | None, float | None, float | None]:
    if file.is_ome:
        import tifffile

        images = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
        image = images[0] if isinstance(images, list) else images
        z, y, x = (_ome_size_um(image["Pixels"], axis) for axis in "ZYX")
        return z, y, x
    spacing = (file.imagej_metadata or {}).get("spacing")
    return (None if spacing is None else float(spacing), None, None)


def _ome_size_um(attributes: Mapping[str, Any], axis: str) -> float | None:
    size = attributes.get(f"PhysicalSize{axis}")
    unit = attributes.get(f"PhysicalSize{axis}Unit", "µm")
    return float(size) if size is not None and unit == "µm" else None


def _as_counts(values: NDArray[Any]) -> Counts:
    return values


def _damaged(path: Path, error: Exception) -> RecordingError:
    return RecordingError(
        f"{path} is empty, truncated or damaged ({reason_of(error)}); copy it again, or take"
        " it out of the folder, which makes it a lost volume."
    )


READERS: Mapping[str, Callable[[Any, SourceSettings], FileVolume]] = {
    "nd2": read_nd2_volume,
    "nrrd": read_nrrd_volume,
    "h5": read_h5_volume,
    "tif": read_tif_volume,
    "npy": read_npy_volume,
}
"""How each kind of file is read."""
