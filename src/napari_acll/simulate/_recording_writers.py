"""Writes volumes, simulated or of any other source, as the recordings that users have."""

import os
from collections.abc import Callable, Iterator
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from napari_acll.core import RecordingError, Volume, VolumeSpec
from napari_acll.simulate._nd2_metadata import Nd2Channel
from napari_acll.simulate._nd2_writer import Nd2Writer

Progress = Callable[[int], None]
"""Called with the number of volumes written so far."""

_ACTIVITY = Nd2Channel(name="GCaMP", emission_nm=525.0, color_rgb=(0, 255, 0))
_MARKER = Nd2Channel(name="TagRFP", emission_nm=610.0, color_rgb=(255, 0, 0))
_CHANNELS = (_ACTIVITY, _MARKER)
_COLORS_HEX = ("00FF00", "FF0000")

# any time will do, as long as two writes of the same volumes give the same bytes
_START_JULIAN_DAY = 2_460_000.5
_NPY_SUFFIX = ".npy"
_ND2_SUFFIX = ".nd2"
_PART_SUFFIX = ".part"


class _VolumesOfSpec(Protocol):
    """What is needed of a source: its geometry and its volumes."""

    @property
    def spec(self) -> VolumeSpec: ...

    def __iter__(self) -> Iterator[Volume]: ...


def write_nd2(
    source: _VolumesOfSpec, path: Path, n_volumes: int, *, progress: Progress | None = None
) -> Path:
    """Write one ND2 file with the loops T and Z, activity as channel 0, marker as channel 1.

    Volumes and slices that the source lacks are left out of the file, which counts them.

    Parameters
    ----------
    source : source of volumes
        Its first volumes are written.
    path : Path
        File to write.
    n_volumes : int
        Volumes to write, lost ones included; fewer if the source has fewer.
    progress : callable, optional
        Called with the number of volumes written so far.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    RecordingError
        If the file exists or cannot be written, or there are no volumes.
    """
    volumes = _first_volumes(source, n_volumes)
    first = _first(volumes)
    n_z = first.marker.shape[0]
    loops = {"T": _n_planned(source.spec, n_volumes), "Z": n_z}
    with _nd2_writer(path, first, loops) as writer:
        for number, volume in enumerate(chain((first,), volumes)):
            writer.skip_frames(volume.index * n_z - writer.n_frames)
            _append_volume(writer, volume, path)
            if progress is not None:
                progress(number + 1)
    return path


def write_nd2_folder(
    source: _VolumesOfSpec, folder: Path, n_volumes: int, *, progress: Progress | None = None
) -> Path:
    """Write one ND2 file per volume, `<folder>_t0001.nd2` and so on, as JOBS recordings do.

    A file gets its name when it is complete. A volume that the source lacks leaves a gap in
    the numbers.

    Parameters
    ----------
    source : source of volumes
        Its first volumes are written.
    folder : Path
        Folder to make.
    n_volumes : int
        Volumes to write, lost ones included; fewer if the source has fewer.
    progress : callable, optional
        Called with the number of volumes written so far.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    RecordingError
        If the folder exists or cannot be written.
    """
    _make_folder(folder)
    for number, volume in enumerate(_first_volumes(source, n_volumes)):
        path = folder / f"{folder.name}_t{volume.index + 1:04d}{_ND2_SUFFIX}"
        part = path.with_suffix(_PART_SUFFIX)
        with _nd2_writer(part, volume, {"Z": volume.marker.shape[0]}) as writer:
            _append_volume(writer, volume, part)
        part.replace(path)
        if progress is not None:
            progress(number + 1)
    return folder


def write_array(
    source: _VolumesOfSpec, path: Path, n_volumes: int, *, progress: Progress | None = None
) -> Path:
    """Write one array with the axes T, C, Z, Y, X: `.npy`, or OME-Zarr for any other name.

    Channel 0 is the activity, channel 1 the marker. OME-Zarr also keeps voxel size, period,
    channel names and the times of the slices.

    Parameters
    ----------
    source : source of volumes
        Its first volumes are written.
    path : Path
        File or folder to make.
    n_volumes : int
        Volumes to write; fewer if the source has fewer.
    progress : callable, optional
        Called with the number of volumes written so far.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    RecordingError
        If it exists or cannot be written, or a volume is missing in the source.
    """
    volumes = _first_volumes(source, n_volumes)
    first = _first(volumes)
    if path.exists():
        raise _exists(path)
    n_planned = _n_planned(source.spec, n_volumes)
    try:
        array, times_s = _create_array(path, first, source.spec, n_planned)
        for number, volume in enumerate(chain((first,), volumes)):
            _check_index(volume, number)
            array[number, 0] = volume.activity
            array[number, 1] = volume.marker
            if times_s is not None:
                times_s[number] = volume.slice_times_s
            if progress is not None:
                progress(number + 1)
    except OSError as error:
        raise _cannot_write(path, error) from error
    if isinstance(array, np.memmap):
        array.flush()
    return path


def _first(volumes: Iterator[Volume]) -> Volume:
    volume = next(volumes, None)
    if volume is None:
        raise RecordingError("There are no volumes to write; ask for at least one.")
    return volume


def _first_volumes(source: _VolumesOfSpec, n_volumes: int) -> Iterator[Volume]:
    return takewhile(lambda volume: volume.index < n_volumes, source)


def _n_planned(spec: VolumeSpec, n_volumes: int) -> int:
    return n_volumes if spec.n_volumes is None else min(n_volumes, spec.n_volumes)


def _check_index(volume: Volume, number: int) -> None:
    if volume.index != number:
        raise RecordingError(
            f"Volume {number} is missing in the recording, which one file cannot express; write"
            " a folder with one file per volume."
        )


def _nd2_writer(path: Path, first: Volume, loops: dict[str, int]) -> Nd2Writer:
    _, height, width = first.marker.shape
    return Nd2Writer(
        path,
        frame_shape=(height, width),
        channels=_CHANNELS,
        loops=loops,
        dtype=first.marker.dtype,
        voxel_size_um=first.spec.voxel_size_um,
        period_s=first.spec.period_s,
        start_julian_day=_START_JULIAN_DAY,
    )


def _append_volume(writer: Nd2Writer, volume: Volume, path: Path) -> None:
    try:
        for z, time_s in enumerate(volume.slice_times_s):
            if z in volume.missing_z:
                writer.skip_frames(1)
                continue
            frame = np.stack((volume.activity[z], volume.marker[z]))
            writer.append_frame(frame, float(time_s))
    except OSError as error:
        raise _cannot_write(path, error) from error


def _create_array(path: Path, first: Volume, spec: VolumeSpec, n_volumes: int) -> tuple[Any, Any]:
    shape = (n_volumes, len(_CHANNELS), *first.marker.shape)
    if path.suffix.casefold() == _NPY_SUFFIX:
        dtype = first.marker.dtype
        return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape), None
    import zarr

    group = zarr.open_group(str(path), mode="w-", attributes={"ome": _ome_image(spec)})
    array = group.create_array(
        "0",
        shape=shape,
        dtype=first.marker.dtype,
        chunks=(1, 1, *first.marker.shape),
        dimension_names=("t", "c", "z", "y", "x"),
    )
    n_z = first.marker.shape[0]
    times_s = group.create_array(
        "slice_times_s", shape=(n_volumes, n_z), dtype="float64", fill_value=float("nan")
    )
    return array, times_s


def _ome_image(spec: VolumeSpec) -> dict[str, Any]:
    axes = [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        *({"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"),
    ]
    scale = [spec.period_s, 1.0, *spec.voxel_size_um]
    dataset = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    channels = [
        {"label": channel.name, "color": color, "active": True}
        for channel, color in zip(_CHANNELS, _COLORS_HEX, strict=True)
    ]
    return {
        "version": "0.5",
        "multiscales": [{"name": "recording", "axes": axes, "datasets": [dataset]}],
        "omero": {"channels": channels},
    }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise _exists(folder) from error
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _exists(path: Path) -> RecordingError:
    return RecordingError(f"{path} exists already; choose another name.")


def _cannot_write(path: Path, error: OSError) -> RecordingError:
    reason = error.strerror or os.strerror(error.errno or 0)
    return RecordingError(
        f"Cannot write {path} ({reason}); free some space or choose another folder."
    )
