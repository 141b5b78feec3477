"""One pass over the labeled voxels of a volume."""

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from napari_acll.core import ChannelAlignment, VolumeArray, VoxelGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSums:
    """What both channels hold under each instance.

    Parameters
    ----------
    n_voxels : ndarray of int64, shape (n,)
        Voxels that lie in a recorded slice and whose counterpart lies in the activity frame.
    marker, activity : ndarray of float64, shape (n,)
        Raw counts summed over those voxels.
    """

    n_voxels: NDArray[np.int64]
    marker: NDArray[np.float64]
    activity: NDArray[np.float64]


def sum_instances(
    marker: VolumeArray,
    activity: VolumeArray,
    instances: NDArray[np.uint16],
    *,
    voxels: NDArray[np.int64],
    n_instances: int,
    to_activity: NDArray[np.float64],
    missing_z: tuple[int, ...],
) -> InstanceSums:
    """Sum both channels under each instance, the activity channel through the alignment.

    Parameters
    ----------
    marker, activity : ndarray of unsigned int, shape (Z, Y, X)
        Raw counts.
    instances : ndarray of uint16, shape (Z, Y, X)
        0 outside, `row + 1` where instance `row` is.
    voxels : ndarray of int64, shape (k,)
        What `labeled_voxels` says of `instances`.
    n_instances : int
        Number of instances; larger numbers in `instances` are ignored.
    to_activity : ndarray of float64, shape (2, 3)
        Affine map of `(y, x, 1)` in the marker channel to `(y, x)` in the activity channel.
    missing_z : tuple of int
        Slices that were not recorded and do not count.

    Returns
    -------
    InstanceSums
    """
    is_missing = np.zeros(len(instances), np.bool_)
    is_missing[list(missing_z)] = True
    n_voxels, marker_sum, activity_sum = _sum_instances(
        np.ascontiguousarray(marker),
        np.ascontiguousarray(activity),
        np.ascontiguousarray(instances),
        voxels,
        n_instances,
        to_activity,
        is_missing,
    )
    return InstanceSums(n_voxels=n_voxels, marker=marker_sum, activity=activity_sum)


def affine_to_activity(alignment: ChannelAlignment, grid: VoxelGrid) -> NDArray[np.float64]:
    """Return the `(2, 3)` matrix that an alignment is on the pixels of a grid."""
    corner_y, corner_x = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    moved = np.stack(alignment.to_activity_px(corner_y, corner_x, grid=grid))
    origin = moved[:, :1]
    return np.hstack([moved[:, 1:] - origin, origin])


def labeled_voxels(instances: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the flat indices of all voxels that are not 0, ascending.

    Parameters
    ----------
    instances : ndarray of uint16, shape (Z, Y, X)
        Most of it 0.
    """
    flat = np.ascontiguousarray(instances).ravel()
    n_words = len(flat) // 4
    words = np.flatnonzero(flat[: 4 * n_words].view(np.uint64))  # most voxels are 0: four at once
    inside = (4 * words[:, None] + np.arange(4)).ravel()
    candidates = np.concatenate([inside, np.arange(4 * n_words, len(flat))])
    return np.asarray(candidates[flat[candidates] > 0], np.int64)


@numba.njit(cache=True, nogil=True)
def _sum_instances(marker, activity, instances, voxels, n_instances, to_activity, is_missing):  # type: ignore[no-untyped-def]  # pragma: no cover
    _, n_y, n_x = instances.shape
    n_voxels = np.zeros(n_instances, np.int64)
    marker_sum = np.zeros(n_instances, np.float64)
    activity_sum = np.zeros(n_instances, np.float64)
    for voxel in voxels:
        z, rest = divmod(voxel, n_y * n_x)
        y, x = divmod(rest, n_x)
        row = np.int64(instances[z, y, x]) - 1
        if row >= n_instances or is_missing[z]:
            continue
        at_y = to_activity[0, 0] * y + to_activity[0, 1] * x + to_activity[0, 2]
        at_x = to_activity[1, 0] * y + to_activity[1, 1] * x + to_activity[1, 2]
        value = bilinear(activity[z], at_y, at_x)
        if math.isnan(value):
            continue
        n_voxels[row] += 1
        marker_sum[row] += marker[z, y, x]
        activity_sum[row] += value
    return n_voxels, marker_sum, activity_sum


@numba.njit(cache=True, nogil=True)
def bilinear(image, y, x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the value between four pixels, NaN outside of their centers."""
    n_y, n_x = image.shape
    # An alignment whose rounding error moves an edge pixel by 1e-13 must not lose it.
    if y < -1e-6 or x < -1e-6 or y > n_y - 1 + 1e-6 or x > n_x - 1 + 1e-6:
        return math.nan
    y = min(max(y, 0.0), n_y - 1.0)
    x = min(max(x, 0.0), n_x - 1.0)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, n_y - 1), min(x0 + 1, n_x - 1)
    dy, dx = y - y0, x - x0
    top = (1 - dx) * image[y0, x0] + dx * image[y0, x1]
    bottom = (1 - dx) * image[y1, x0] + dx * image[y1, x1]
    return (1 - dy) * top + dy * bottom
