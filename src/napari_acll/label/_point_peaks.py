"""From maps of centers and foreground to nuclei, one instance each."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.label._point_numba import jit

MAX_NUCLEI = 400
"""More peaks than any head has nuclei; the highest are kept."""


def find_peaks(
    heat: NDArray[np.float32], threshold: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where the map of centers has its peaks, highest first.

    Parameters
    ----------
    heat : ndarray of float32, shape (Z, Y, X)
        Logit of the probability of a center.
    threshold : float
        Lowest logit that counts.

    Returns
    -------
    position_px : ndarray of float32, shape (n, 3)
        Centers to a fraction of a voxel, from the parabola through the logarithm of the
        probability (a Gaussian's logarithm is one).
    height : ndarray of float32, shape (n,)
        Logits there.
    """
    found = np.asarray(_local_maxima(heat, threshold))
    if not len(found):
        return np.zeros((0, 3), np.float32), np.zeros(0, np.float32)
    height = heat[tuple(found.T)]
    order = np.lexsort((*found.T, -height))[:MAX_NUCLEI]
    found, height = found[order], height[order]
    return (found + _fractions(heat, found)).astype(np.float32), height.astype(np.float32)


@jit
def _is_maximum(heat: NDArray[np.float32], z: int, y: int, x: int) -> bool:
    """Whether no neighbor is higher; of equal neighbors the first one wins."""
    value = heat[z, y, x]
    for dz in range(-1, 2):
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                other = heat[z + dz, y + dy, x + dx]
                is_before = (dz, dy, dx) < (0, 0, 0)
                if other > value or (is_before and other == value):
                    return False
    return True


@jit
def _local_maxima(heat: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    n_z, n_y, n_x = heat.shape
    found = [(0, 0, 0)][:0]
    for z in range(1, n_z - 1):
        for y in range(1, n_y - 1):
            for x in range(1, n_x - 1):
                if heat[z, y, x] >= threshold and _is_maximum(heat, z, y, x):
                    found.append((z, y, x))
    result = np.empty((len(found), 3), np.int64)
    for row in range(len(found)):
        for axis in range(3):
            result[row, axis] = found[row][axis]
    return result


def _fractions(heat: NDArray[np.float32], found: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the offsets of the true maxima from their voxels, at most half a voxel."""
    fraction = np.zeros(found.shape)
    center = _log_probability(heat[tuple(found.T)])
    for axis in range(3):
        step = np.eye(3, dtype=np.int64)[axis]
        before = _log_probability(heat[tuple((found - step).T)])
        after = _log_probability(heat[tuple((found + step).T)])
        curvature = np.minimum(before + after - 2 * center, -1e-3)
        fraction[:, axis] = np.clip((before - after) / (2 * curvature), -0.5, 0.5)
    return fraction


def _log_probability(logit: NDArray[np.float32]) -> NDArray[np.float64]:
    log: NDArray[np.float64] = -np.logaddexp(0.0, -logit.astype(np.float64))
    return log


def grow_instances(
    foreground: NDArray[np.float32],
    position_px: NDArray[np.float32],
    *,
    radius_px: tuple[float, float, float],
    threshold: float,
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Return the voxels of each nucleus: those of the foreground that lie nearest to its center.

    Parameters
    ----------
    foreground : ndarray of float32, shape (Z, Y, X)
        Logit of the probability to belong to a nucleus.
    position_px : ndarray of float32, shape (n, 3)
        Centers.
    radius_px : tuple of float
        Semi-axes of the ellipsoid beyond which nothing belongs to a nucleus.
    threshold : float
        Least logit of the foreground.

    Returns
    -------
    instances : ndarray of uint16, shape (Z, Y, X)
        `row + 1` where the nucleus of that row is. Its central voxel always belongs to it.
    n_voxels : ndarray of int32, shape (n,)
    """
    instances = np.zeros(foreground.shape, np.uint16)
    distance = np.full(foreground.shape, np.float32(np.inf))
    _grow(
        foreground,
        position_px.astype(np.float64),
        np.asarray(radius_px, np.float64),
        threshold,
        instances,
        distance,
    )
    n_voxels = np.bincount(instances.ravel(), minlength=len(position_px) + 1)[1:]
    return instances, n_voxels.astype(np.int32)


@jit
def _grow(
    foreground: NDArray[np.float32],
    position: NDArray[np.float64],
    radius: NDArray[np.float64],
    threshold: float,
    instances: NDArray[np.uint16],
    distance: NDArray[np.float32],
) -> None:
    n_z, n_y, n_x = foreground.shape
    for row in range(len(position)):
        z0, y0, x0 = position[row]
        for z in range(max(0, int(z0 - radius[0])), min(n_z, int(z0 + radius[0]) + 2)):
            for y in range(max(0, int(y0 - radius[1])), min(n_y, int(y0 + radius[1]) + 2)):
                for x in range(max(0, int(x0 - radius[2])), min(n_x, int(x0 + radius[2]) + 2)):
                    square = (
                        ((z - z0) / radius[0]) ** 2
                        + ((y - y0) / radius[1]) ** 2
                        + ((x - x0) / radius[2]) ** 2
                    )
                    if square > 1.0 or square >= distance[z, y, x]:
                        continue
                    if foreground[z, y, x] >= threshold:
                        distance[z, y, x] = square
                        instances[z, y, x] = row + 1
    for row in range(len(position)):
        z = min(max(round(position[row, 0]), 0), n_z - 1)
        y = min(max(round(position[row, 1]), 0), n_y - 1)
        x = min(max(round(position[row, 2]), 0), n_x - 1)
        instances[z, y, x] = row + 1


@jit
def mean_around(
    volume: NDArray[np.float32], position_px: NDArray[np.float32], half_px: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Return the mean of a box around each position, cut off at the border."""
    n_z, n_y, n_x = volume.shape
    mean = np.zeros(len(position_px), np.float32)
    for row in range(len(position_px)):
        z0 = round(position_px[row, 0])
        y0 = round(position_px[row, 1])
        x0 = round(position_px[row, 2])
        total, count = 0.0, 0
        for z in range(max(0, z0 - half_px[0]), min(n_z, z0 + half_px[0] + 1)):
            for y in range(max(0, y0 - half_px[1]), min(n_y, y0 + half_px[1] + 1)):
                for x in range(max(0, x0 - half_px[2]), min(n_x, x0 + half_px[2] + 1)):
                    total += volume[z, y, x]
                    count += 1
        mean[row] = total / max(count, 1)
    return mean
