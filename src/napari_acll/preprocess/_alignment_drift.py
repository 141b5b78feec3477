"""How far two channels lie from where an alignment puts them, measured in a few milliseconds.

A calibration looks for everything that is bright. Once a volume is labeled the nuclei are known,
and looking around the brightest of them is enough to notice that something was bumped. Only a
shift is measured: a calibration is what tells a rotation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_acll.core import ChannelAlignment, ChannelDrift, Volume, VolumeArray, VoxelGrid

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.intp]

REACH_UM = 5.0
"""Largest shift along each axis that is looked for: 9 px of 0.54 um."""
RADIUS_UM = 2.16
THICKNESS_UM = 2.2
MOST_NUCLEI = 48
LEAST_NUCLEI = 8
LEAST_RISE = 0.35
"""By how much the best place must correlate better than most: in simulated recordings the right
one stands 0.82 to 0.98 above them, and the best of unrelated channels at most 0.21."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patches:
    """Nuclei of the marker and their surroundings in the activity channel.

    Parameters
    ----------
    marker : ndarray of float32, shape (n, height, width)
        Around each nucleus.
    activity : ndarray of float32, shape (n, height + 2 reach_y, width + 2 reach_x)
        Around the pixel that is nearest to where the alignment puts the nucleus.
    rounding_px : ndarray of float64, shape (2,)
        `(y, x)` mean of what was lost by taking the nearest pixel.
    reach_px : tuple of int
        `(y, x)` largest shift.
    """

    marker: FloatArray
    activity: FloatArray
    rounding_px: NDArray[np.float64]
    reach_px: tuple[int, int]


def channel_drift(
    volume: Volume, centroid_px: NDArray[np.floating], alignment: ChannelAlignment
) -> ChannelDrift | None:
    """Return how far the channels of a labeled volume lie from where an alignment puts them.

    Parameters
    ----------
    volume : Volume
        As it was labeled.
    centroid_px : ndarray of float, shape (n, 3)
        `(z, y, x)` centers of its nuclei, in voxels; the 48 that stand out most are used.
    alignment : ChannelAlignment
        The one that is applied.

    Returns
    -------
    ChannelDrift or None
        None where it cannot be told: fewer than 8 nuclei lie far enough inside of the frame, or no
        place within 5 um along each axis fits clearly better than others.
    """
    patches = _patches(volume, centroid_px, alignment)
    if patches is None:
        return None
    surface = _agreement(patches)
    row, column = (int(n) for n in np.unravel_index(surface.argmax(), surface.shape))
    best = float(surface[row, column])
    if best - float(np.median(surface)) < LEAST_RISE:
        return None
    found_px = np.array(
        [row + _between(surface[:, column], row), column + _between(surface[row], column)]
    )
    shift_px = found_px - patches.reach_px - patches.rounding_px
    shift_um = shift_px * np.array(volume.spec.voxel_size_um[1:])
    return ChannelDrift(
        index=volume.index,
        dy_um=float(shift_um[0]),
        dx_um=float(shift_um[1]),
        agreement=best,
        n_nuclei=len(patches.marker),
    )


def _patches(
    volume: Volume, centroid_px: NDArray[np.floating], alignment: ChannelAlignment
) -> _Patches | None:
    grid = volume.spec.grid
    radius, reach = _pixels(grid, RADIUS_UM), _pixels(grid, REACH_UM)
    wide = radius[0] + reach[0], radius[1] + reach[1]
    center = np.rint(centroid_px[np.isfinite(centroid_px).all(axis=1)]).astype(np.intp)
    center = center[_lies_inside(center, radius, grid)]
    at = np.stack(
        alignment.to_activity_px(
            center[:, 1].astype(np.float64), center[:, 2].astype(np.float64), grid=grid
        ),
        axis=1,
    )
    nearest = np.column_stack([center[:, :1], np.rint(at).astype(np.intp)])
    is_inside = _lies_inside(nearest, wide, grid)
    center, nearest, at = center[is_inside], nearest[is_inside], at[is_inside]
    marker = _averaged(volume.marker, center, radius, grid)
    contrast = marker.std(axis=(1, 2))
    chosen = np.argsort(-contrast, kind="stable")[:MOST_NUCLEI]
    chosen = chosen[contrast[chosen] > 0]  # slices that the recording lacks are flat
    if len(chosen) < LEAST_NUCLEI:
        return None
    return _Patches(
        marker=marker[chosen],
        activity=_averaged(volume.activity, nearest[chosen], wide, grid),
        rounding_px=(at[chosen] - nearest[chosen, 1:]).mean(axis=0),
        reach_px=reach,
    )


def _pixels(grid: VoxelGrid, extent_um: float) -> tuple[int, int]:
    _, size_y, size_x = grid.voxel_size_um
    return max(1, round(extent_um / size_y)), max(1, round(extent_um / size_x))


def _lies_inside(
    center: IndexArray, margin: tuple[int, int], grid: VoxelGrid
) -> NDArray[np.bool_]:
    room = np.array([0, *margin])
    is_inside: NDArray[np.bool_] = ((center >= room) & (center < np.array(grid.shape) - room)).all(
        axis=1
    )
    return is_inside


def _averaged(
    channel: VolumeArray, center: IndexArray, radius: tuple[int, int], grid: VoxelGrid
) -> FloatArray:
    """Return the pixels around each center, averaged over the depth of a nucleus."""
    n_slices = max(1, round(THICKNESS_UM / grid.voxel_size_um[0]))
    z = center[:, :1] + np.arange(n_slices) - n_slices // 2
    z = np.clip(z, 0, grid.shape[0] - 1)[:, :, None, None]
    y = (center[:, 1:2] + np.arange(-radius[0], radius[0] + 1))[:, None, :, None]
    x = (center[:, 2:] + np.arange(-radius[1], radius[1] + 1))[:, None, None, :]
    averaged: FloatArray = channel[z, y, x].mean(axis=1, dtype=np.float32)
    return averaged


def _agreement(patches: _Patches) -> FloatArray:
    """Return the mean over nuclei of the correlation of both channels, for every shift.

    Each nucleus has its own gain and offset in the activity channel, and none outweighs another.
    """
    marker, activity = patches.marker, patches.activity
    _, height, width = marker.shape
    reach_y, reach_x = patches.reach_px
    rows, columns = 2 * reach_y + 1, 2 * reach_x + 1
    marker = marker - marker.mean(axis=(1, 2), keepdims=True)
    activity = activity - activity.mean(axis=(1, 2), keepdims=True)
    cross = np.zeros((len(marker), rows, columns), np.float32)
    for y, x in np.ndindex(height, width):  # over the pixels of a patch: no copies of windows
        cross += marker[:, y, x, None, None] * activity[:, y : y + rows, x : x + columns]
    power = _local_mean(activity**2, patches) - _local_mean(activity, patches) ** 2
    power = np.sqrt(np.maximum(power, 1e-6) * marker.var(axis=(1, 2), keepdims=True))
    agreement: FloatArray = (cross / (height * width * power)).mean(axis=0)
    return agreement


def _local_mean(images: FloatArray, patches: _Patches) -> FloatArray:
    """Return the mean over a patch at every shift."""
    _, height, width = patches.marker.shape
    mean = ndimage.uniform_filter(images, (1, height, width))
    rows = slice(height // 2, images.shape[1] - height // 2)
    columns = slice(width // 2, images.shape[2] - width // 2)
    inside: FloatArray = mean[:, rows, columns]
    return inside


def _between(profile: FloatArray, top: int) -> float:
    """Return where a parabola through the highest value and its neighbors has its top."""
    if not 0 < top < len(profile) - 1:
        return 0.0
    before, at, after = (float(value) for value in profile[top - 1 : top + 2])
    curvature = before - 2 * at + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0
