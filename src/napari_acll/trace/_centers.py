"""Where the nuclei of a labeled volume are, also where masks have stray voxels."""

import numba
import numpy as np
from numpy.typing import NDArray

from napari_acll.core import LabeledVolume, Volume

_FARTHEST_UM = 1.5
"""A center this far from the middle of its voxels is not believed; a nucleus's radius."""
_RADIUS_UM = 2.5
"""Voxels farther than this from the median do not count for the middle."""
_LEAST_LIGHT = 1e-3
"""Counts, so that a mask without light has a middle, too."""


def mask_centers(
    volume: Volume, labeled: LabeledVolume, voxels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the center of each detection, in voxels, shape (n, 3).

    It is the labeler's, unless that lies farther than a nucleus's radius from the middle of the
    mask: voxels of a class that lie elsewhere move a mean, and hardly a median, in which voxels
    count by their marker light. The middle is the mean of the voxels around the median.

    Parameters
    ----------
    volume : Volume
        Where the light is.
    labeled : LabeledVolume
        The masks and centers.
    voxels : ndarray of int64, shape (k,)
        What `labeled_voxels` says of the masks.
    """
    detections = labeled.detections
    center_px = detections.centroid_px.astype(np.float64)
    voxel_um = np.asarray(labeled.spec.voxel_size_um)
    instances = np.ascontiguousarray(labeled.instances)
    marker = np.ascontiguousarray(volume.marker)
    background = volume.marker_background
    median_px = _medians(instances, marker, background, voxels, len(detections))
    middle_px = _means_around(instances, voxels, median_px, _RADIUS_UM / voxel_um)
    away_um = (center_px - middle_px) * voxel_um
    is_astray = np.linalg.norm(away_um, axis=1) > _FARTHEST_UM
    center_px[is_astray] = middle_px[is_astray]
    return center_px


@numba.njit(cache=True, nogil=True)
def _medians(instances, marker, background, voxels, n):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the median of the light of each instance along each axis, NaN without voxels."""
    n_z, n_y, n_x = instances.shape
    counts = np.zeros((n, 3, max(n_z, n_y, n_x)))
    sizes = np.zeros(n)
    for voxel in voxels:
        z, rest = divmod(voxel, n_y * n_x)
        y, x = divmod(rest, n_x)
        row = np.int64(instances[z, y, x]) - 1
        if row < n:
            light = max(marker[z, y, x] - background, _LEAST_LIGHT)
            sizes[row] += light
            counts[row, 0, z] += light
            counts[row, 1, y] += light
            counts[row, 2, x] += light
    middle = np.full((n, 3), np.nan)
    for i in range(n):
        for axis in range(3):
            passed, at = 0.0, 0
            while 2 * passed < sizes[i] and at < counts.shape[2]:
                passed += counts[i, axis, at]
                at += 1
            if at > 0:
                middle[i, axis] = at - 1
    return middle


@numba.njit(cache=True, nogil=True)
def _means_around(instances, voxels, place, radius):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the mean of the voxels of each instance that lie around a place, else the place."""
    _, n_y, n_x = instances.shape
    total, sizes = np.zeros(place.shape), np.zeros(len(place))
    for voxel in voxels:
        z, rest = divmod(voxel, n_y * n_x)
        y, x = divmod(rest, n_x)
        row = np.int64(instances[z, y, x]) - 1
        if row >= len(place):
            continue
        away_z = (z - place[row, 0]) / radius[0]
        away_y = (y - place[row, 1]) / radius[1]
        away_x = (x - place[row, 2]) / radius[2]
        if away_z * away_z + away_y * away_y + away_x * away_x <= 1.0:
            total[row, 0] += z
            total[row, 1] += y
            total[row, 2] += x
            sizes[row] += 1
    mean = place.copy()
    for i in range(len(place)):
        if sizes[i] > 0:
            mean[i] = total[i] / sizes[i]
    return mean
