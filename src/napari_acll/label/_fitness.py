"""Whether the image of a volume can show nuclei at all: sharp, and not saturated."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.label._point_image import PreparedVolume
from napari_acll.label._point_levels import Grid
from napari_acll.label._point_numba import jit

LEAST_SHARPNESS = 0.08
"""Volumes of the usual rig have 0.29, of random ones 0.12 and more; blurred by 1.6 um in each
direction, when two names in five are still right, 0.06."""
_NEAR_PX, _FAR_PX = 1, 3
_Z_STEP = 2
_LARGEST_SATURATED = 0.5
"""Of the brightest 700 um3, the part that may have the highest count of the volume."""
_BRIGHT_UM3 = 700.0


def sharpness(prepared: PreparedVolume) -> float:
    """Return how fast the image changes in plane, 0 (not at all) to 1.

    The part of the covariance of neighbors that is lost three voxels apart. Noise, which
    neighbors do not share, adds nothing.

    Parameters
    ----------
    prepared : PreparedVolume
        The volume on the grid of the model.
    """
    _, y, x = prepared.bright
    if min(y.stop - y.start, x.stop - x.start) <= _FAR_PX:
        return float("nan")
    box = np.array([[part.start, part.stop] for part in prepared.bright])
    mean = _mean(prepared.counts, box)
    near, far = (_covariance(prepared.counts, box, mean, lag) for lag in (_NEAR_PX, _FAR_PX))
    return 1.0 - far / near if near > 0 else 0.0


@jit(fastmath=True)
def _mean(counts: Grid, box: NDArray[np.int64]) -> np.float32:
    """Return the mean of every second slice of a box."""
    (z_start, z_stop), (y_start, y_stop), (x_start, x_stop) = box
    sums, n_lines = np.float64(0.0), 0
    for z in range(z_start, z_stop, _Z_STEP):
        for y in range(y_start, y_stop):
            line = counts[z, y, x_start:x_stop]
            total = np.float32(0.0)
            for x in range(len(line)):
                total += np.float32(line[x])
            sums += total
            n_lines += 1
    return np.float32(sums / (n_lines * (x_stop - x_start)))


@jit(fastmath=True)
def _covariance(counts: Grid, box: NDArray[np.int64], mean: np.float32, lag: int) -> float:
    """Return the covariance of voxels that lie so far apart along y, and that along x, added.

    Of every second slice of a box.
    """
    (z_start, z_stop), (y_start, y_stop), (x_start, x_stop) = box
    n_y, n_x, n_slices = y_stop - y_start, x_stop - x_start, 0
    along_y, along_x = np.float64(0.0), np.float64(0.0)
    for z in range(z_start, z_stop, _Z_STEP):
        n_slices += 1
        for y in range(y_start, y_stop):
            line = counts[z, y, x_start:x_stop]
            total = np.float32(0.0)
            for x in range(n_x - lag):
                total += (np.float32(line[x]) - mean) * (np.float32(line[x + lag]) - mean)
            along_x += total
            if y + lag < y_stop:
                other = counts[z, y + lag, x_start:x_stop]
                total = np.float32(0.0)
                for x in range(n_x):
                    total += (np.float32(line[x]) - mean) * (np.float32(other[x]) - mean)
                along_y += total
    by_y, by_x = n_slices * (n_y - lag) * n_x, n_slices * n_y * (n_x - lag)
    return float(along_y / by_y + along_x / by_x)


def saturated_share(prepared: PreparedVolume) -> float:
    """Return the part of the brightest 700 um3 that has the highest count of the volume."""
    counts = prepared.counts
    n_bright = max(int(_BRIGHT_UM3 / float(np.prod(prepared.voxel_size_um))), 1)
    highest = counts.max()
    if highest <= prepared.dark:  # an empty volume, all of which is background
        return 0.0
    n_highest = int(np.count_nonzero(counts >= highest))
    return min(n_highest / n_bright, 1.0)


def unfit_image(prepared: PreparedVolume, sharp: float) -> str:
    """Return why no nucleus can be told in an image, empty if some can.

    Parameters
    ----------
    prepared : PreparedVolume
        The volume on the grid of the model.
    sharp : float
        Its sharpness.
    """
    if saturated_share(prepared) > _LARGEST_SATURATED:
        return (
            "The marker channel is saturated: most bright voxels have the highest count; use less"
            " light or exposure."
        )
    if prepared.is_flat:
        return "Nothing in the volume stands out of the noise."
    if sharp < LEAST_SHARPNESS:
        return "The marker channel is out of focus, or too dim to show nuclei."
    return ""
