"""The geometry of a recording with one file per volume, as its first file tells it."""

from typing import Any

import numpy as np

from napari_acll.core import RecordingError, SourceSettings, VolumeSpec, VoxelGrid
from napari_acll.sources._geometry import resolve_voxel_size
from napari_acll.sources._volume_files import FileVolume


def folder_spec(
    first: FileVolume,
    settings: SourceSettings,
    notes: list[str],
    *,
    period_s: float,
    n_volumes: int | None,
) -> VolumeSpec:
    """Return what the volumes of a folder share.

    Parameters
    ----------
    first : FileVolume
        The first volume.
    settings : SourceSettings
        May override the voxel size.
    notes : list of str
        Gets what had to be assumed.
    period_s : float
        Time between volumes, in s.
    n_volumes : int, optional
        Number of volumes; None while unknown.
    """
    n_z, n_y, n_x = first.marker.shape
    grid = VoxelGrid(
        shape=(n_z, n_y, n_x),
        voxel_size_um=resolve_voxel_size(first.voxel_size_um, settings, notes),
        stored_shape=(n_z + first.n_z_discarded, n_y, n_x),
        start_px=(first.n_z_discarded, 0, 0),
    )
    return VolumeSpec(
        grid=grid,
        period_s=period_s,
        marker_name=first.marker_name,
        activity_name=first.activity_name,
        n_volumes=n_volumes,
    )


def check_geometry(
    stored: FileVolume, spec: VolumeSpec, dtype: np.dtype[Any], *, recording: str
) -> None:
    """Raise if a volume is not like the first one.

    Raises
    ------
    RecordingError
        If it has another shape or type.
    """
    if stored.marker.shape != spec.shape or stored.marker.dtype != dtype:
        raise RecordingError(
            f"{recording} holds {stored.marker.shape} voxels of type {stored.marker.dtype}, but"
            f" the recording began with {spec.shape} of type {dtype}; keep the volumes of one"
            " recording in a folder of their own."
        )
