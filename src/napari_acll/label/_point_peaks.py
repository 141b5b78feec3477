"""From maps of centers and foreground to nuclei, one instance each."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.label._point_levels import Grid
from napari_acll.label._point_maps import SparseMaps
from napari_acll.label._point_numba import jit

MAX_NUCLEI = 400
"""More peaks than any head has nuclei; the highest are kept."""
SMOOTHING_SD_PX = 0.5
"""Of 0.4, 0.5, 0.6, 0.7 and 0.8 px this finds most nuclei, over two renderers, with one threshold
(F1 .927; .923 and .913 at 0.6 and 0.8): wider ones merge nuclei that touch."""


def find_peaks(
    maps: SparseMaps, threshold: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where the map of centers has its peaks, highest first.

    The map is smoothed before, so that the network's eight voxels below each one of its own do
    not make a peak each.

    Parameters
    ----------
    maps : SparseMaps
        Probability of a center.
    threshold : float
        Lowest smoothed probability that counts, above 0.03.

    Returns
    -------
    position_px : ndarray of float32, shape (n, 3)
        Centers to a fraction of a voxel, from the parabola through the logarithm of the smoothed
        probability (a Gaussian's logarithm is one).
    height : ndarray of float32, shape (n,)
        Smoothed probability there.
    """
    smooth = np.zeros(maps.shape, np.float32)
    _smooth(maps.probability, _KERNEL, maps.active, smooth)
    found = _local_maxima(smooth, maps.active, threshold)
    if not len(found):
        return np.zeros((0, 3), np.float32), np.zeros(0, np.float32)
    height = smooth[tuple(found.T)]
    order = np.lexsort((*found.T, -height))[:MAX_NUCLEI]
    found, height = found[order], height[order]
    return (found + _fractions(smooth, found)).astype(np.float32), height


def _gaussian_kernel() -> NDArray[np.float32]:
    """Return a normalized Gaussian bump, `(3, 3, 3)`: 0.2 % of it lies farther out."""
    line = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / SMOOTHING_SD_PX) ** 2)
    kernel = line[:, None, None] * line[:, None] * line
    normalized: NDArray[np.float64] = kernel / kernel.sum()
    return normalized.astype(np.float32)


_REACH = 1
_KERNEL = _gaussian_kernel()


@jit
def _smooth(
    probability: NDArray[np.float32],
    kernel: NDArray[np.float32],
    active: NDArray[np.int64],
    smooth: NDArray[np.float32],
) -> None:
    """Fill `smooth` at the active voxels from a map with a border of one voxel."""
    for row in range(len(active)):
        z, y, x = active[row]
        total = np.float32(0.0)
        for i in range(3):
            for j in range(3):
                line, weight = probability[z + i, y + j], kernel[i, j]
                total += weight[0] * line[x]
                total += weight[1] * line[x + 1]
                total += weight[2] * line[x + 2]
        smooth[z, y, x] = total


@jit
def _local_maxima(
    smooth: NDArray[np.float32], active: NDArray[np.int64], threshold: float
) -> NDArray[np.int64]:
    """Return the active voxels of which no neighbor is higher."""
    is_kept = np.zeros(len(active), np.bool_)
    for row in range(len(active)):
        z, y, x = active[row]
        is_kept[row] = smooth[z, y, x] >= threshold and _is_maximum(smooth, z, y, x)
    return active[is_kept]


@jit
def _is_maximum(heat: NDArray[np.float32], z: int, y: int, x: int) -> bool:
    """Whether no neighbor is higher; of equal neighbors the first one wins."""
    n_z, n_y, n_x = heat.shape
    value = heat[z, y, x]
    for i in range(max(z - 1, 0), min(z + 2, n_z)):
        for j in range(max(y - 1, 0), min(y + 2, n_y)):
            for k in range(max(x - 1, 0), min(x + 2, n_x)):
                other = heat[i, j, k]
                is_before = (i, j, k) < (z, y, x)
                if other > value or (is_before and other == value):
                    return False
    return True


def _fractions(smooth: NDArray[np.float32], found: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the offsets of the true maxima from their voxels, at most half a voxel."""
    fraction = np.zeros(found.shape)
    center = _log(smooth[tuple(found.T)])
    for axis in range(3):
        last = smooth.shape[axis] - 1
        before, after = found.copy(), found.copy()
        before[:, axis] = np.maximum(found[:, axis] - 1, 0)
        after[:, axis] = np.minimum(found[:, axis] + 1, last)
        left, right = _log(smooth[tuple(before.T)]), _log(smooth[tuple(after.T)])
        curvature = np.minimum(left + right - 2 * center, -1e-3)
        inside = (found[:, axis] > 0) & (found[:, axis] < last)
        offset = np.clip((left - right) / (2 * curvature), -0.5, 0.5)
        fraction[:, axis] = np.where(inside, offset, 0.0)
    return fraction


def _log(probability: NDArray[np.float32]) -> NDArray[np.float64]:
    log: NDArray[np.float64] = np.log(np.maximum(probability.astype(np.float64), 1e-4))
    return log


def grow_instances(
    is_foreground: NDArray[np.bool_],
    position_px: NDArray[np.float32],
    *,
    radius_px: tuple[float, float, float],
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Return the voxels of each nucleus: those of the foreground that lie nearest to its center.

    Parameters
    ----------
    is_foreground : ndarray of bool, shape (Z, Y, X)
        Whether a voxel may belong to a nucleus.
    position_px : ndarray of float32, shape (n, 3)
        Centers.
    radius_px : tuple of float
        Semi-axes of the ellipsoid beyond which nothing belongs to a nucleus.

    Returns
    -------
    instances : ndarray of uint16, shape (Z, Y, X)
        `row + 1` where the nucleus of that row is. Its central voxel always belongs to it.
    n_voxels : ndarray of int32, shape (n,)
    """
    instances = np.zeros(is_foreground.shape, np.uint16)
    n_voxels = np.zeros(len(position_px), np.int32)
    _grow(
        is_foreground,
        position_px.astype(np.float64),
        np.asarray(radius_px, np.float64),
        instances,
        n_voxels,
    )
    return instances, n_voxels


@jit
def _grow(
    is_foreground: NDArray[np.bool_],
    position: NDArray[np.float64],
    radius: NDArray[np.float64],
    instances: NDArray[np.uint16],
    n_voxels: NDArray[np.int32],
) -> None:
    n_z, n_y, n_x = is_foreground.shape
    for row in range(len(position)):
        z0, y0, x0 = position[row]
        for z in range(max(0, int(z0 - radius[0])), min(n_z, int(z0 + radius[0]) + 2)):
            for y in range(max(0, int(y0 - radius[1])), min(n_y, int(y0 + radius[1]) + 2)):
                for x in range(max(0, int(x0 - radius[2])), min(n_x, int(x0 + radius[2]) + 2)):
                    if not is_foreground[z, y, x]:
                        continue
                    square = _square(position[row], radius, z, y, x)
                    if square > 1.0:
                        continue
                    owner = instances[z, y, x]
                    if owner == 0 or square < _square(position[owner - 1], radius, z, y, x):
                        _give(instances, n_voxels, (z, y, x), row + 1)
    for row in range(len(position)):
        z = min(max(round(position[row, 0]), 0), n_z - 1)
        y = min(max(round(position[row, 1]), 0), n_y - 1)
        x = min(max(round(position[row, 2]), 0), n_x - 1)
        _give(instances, n_voxels, (z, y, x), row + 1)


@jit
def _square(
    position: NDArray[np.float64], radius: NDArray[np.float64], z: int, y: int, x: int
) -> float:
    """Return the squared distance of a voxel from a center, in semi-axes."""
    return float(
        ((z - position[0]) / radius[0]) ** 2
        + ((y - position[1]) / radius[1]) ** 2
        + ((x - position[2]) / radius[2]) ** 2
    )


@jit
def _give(
    instances: NDArray[np.uint16],
    n_voxels: NDArray[np.int32],
    voxel: tuple[int, int, int],
    number: int,
) -> None:
    """Give a voxel to a nucleus, and take it from the one that had it."""
    owner = instances[voxel]
    if owner > 0:
        n_voxels[owner - 1] -= 1
    instances[voxel] = number
    n_voxels[number - 1] += 1


@jit
def mean_around(
    volume: Grid, dark: float, position_px: NDArray[np.float32], half_px: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Return the mean above `dark` of a box around each position, cut off at the border."""
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
        mean[row] = total / max(count, 1) - dark
    return mean
