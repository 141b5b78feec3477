"""Compiled loops of the painter: blobs of any profile onto a volume, and smooth light onto it."""

import numba
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

FAINTEST = 0.01
"""Blobs end where their light is less than this part of their middle's."""


@numba.njit(cache=True, fastmath=True, nogil=True)
def paint_blobs(
    image: Float32,
    center_px: Float64,
    half_px: Float64,
    tilt_rad: Float64,
    peak: Float64,
    profile: Float64,
    texture: Float32,
) -> None:
    """Add blobs to an image, each slice shifted by itself.

    Parameters
    ----------
    image : ndarray of float32, shape (Z, Y, X)
        Changed in place.
    center_px : ndarray of float64, shape (Z, n, 3)
        `(z, y, x)` centers as each slice sees them.
    half_px : ndarray of float64, shape (n, 3)
        Semi-axes where the light has fallen to a half, along z and two in-plane axes.
    tilt_rad : ndarray of float64, shape (n,)
        In-plane direction of the last semi-axis.
    peak : ndarray of float64, shape (n,)
        Counts in the middle.
    profile : ndarray of float64, shape (n, 3)
        Exponent (2: Gaussian, 10: a ball with a sharp edge), how dark the nucleolus is (0 to 1),
        and how strong the texture is.
    texture : ndarray of float32, shape (A, B, C)
        Noise that is repeated over the volume.
    """
    n_z, n_y, n_x = image.shape
    t_z, t_y, t_x = texture.shape
    for i in range(center_px.shape[1]):
        power = 0.5 * profile[i, 0]
        reach = np.log2(1 / FAINTEST) ** (1 / power)
        for z in range(n_z):
            dz = (z - center_px[z, i, 0]) / half_px[i, 0]
            rest = reach - dz * dz
            if rest <= 0:
                continue
            largest = max(half_px[i, 1], half_px[i, 2]) * np.sqrt(rest)
            cy, cx = center_px[z, i, 1], center_px[z, i, 2]
            cos, sin = np.cos(tilt_rad[i]), np.sin(tilt_rad[i])
            for y in range(
                max(0, int(np.ceil(cy - largest))), min(n_y - 1, int(cy + largest)) + 1
            ):
                for x in range(
                    max(0, int(np.ceil(cx - largest))), min(n_x - 1, int(cx + largest)) + 1
                ):
                    u = (cos * (x - cx) + sin * (y - cy)) / half_px[i, 2]
                    v = (cos * (y - cy) - sin * (x - cx)) / half_px[i, 1]
                    square = dz * dz + u * u + v * v
                    if square >= reach:
                        continue
                    light = np.exp2(-(square**power))
                    light *= 1 - profile[i, 1] * np.exp(-5.0 * square)
                    light *= max(0.0, 1 + profile[i, 2] * texture[z % t_z, y % t_y, x % t_x])
                    image[z, y, x] += peak[i] * light


@numba.njit(cache=True, fastmath=True, nogil=True)
def paint_masks(
    masks: NDArray[np.uint16],
    center_px: Float64,
    semi_axis_px: Float64,
    tilt_rad: Float64,
) -> None:
    """Write `i + 1` into the voxels of ellipsoid `i`; the relatively nearer one wins.

    Parameters
    ----------
    masks : ndarray of uint16, shape (Z, Y, X)
        Zeros, changed in place.
    center_px, semi_axis_px, tilt_rad : ndarray of float64
        As in `paint_blobs`, with the semi-axes of the borders.
    """
    n_z, n_y, n_x = masks.shape
    nearest = np.ones(masks.shape, np.float32)
    for i in range(center_px.shape[1]):
        cos, sin = np.cos(tilt_rad[i]), np.sin(tilt_rad[i])
        largest = max(semi_axis_px[i, 1], semi_axis_px[i, 2])
        for z in range(n_z):
            dz = (z - center_px[z, i, 0]) / semi_axis_px[i, 0]
            if dz * dz >= 1:
                continue
            cy, cx = center_px[z, i, 1], center_px[z, i, 2]
            for y in range(
                max(0, int(np.ceil(cy - largest))), min(n_y - 1, int(cy + largest)) + 1
            ):
                for x in range(
                    max(0, int(np.ceil(cx - largest))), min(n_x - 1, int(cx + largest)) + 1
                ):
                    u = (cos * (x - cx) + sin * (y - cy)) / semi_axis_px[i, 2]
                    v = (cos * (y - cy) - sin * (x - cx)) / semi_axis_px[i, 1]
                    square = dz * dz + u * u + v * v
                    if square < nearest[z, y, x]:
                        nearest[z, y, x] = square
                        masks[z, y, x] = i + 1


@numba.njit(cache=True, fastmath=True, nogil=True)
def add_smooth(image: Float32, coarse: Float32, step: int) -> None:
    """Add a coarse image to a fine one in place, interpolated linearly.

    Parameters
    ----------
    image : ndarray of float32, shape (Z, Y, X)
    coarse : ndarray of float32, shape (>= Z / step + 2, ...)
        Voxel `c` lies at the fine voxel `c * step`.
    step : int
        Fine voxels per coarse one.
    """
    n_z, n_y, n_x = image.shape
    row = np.empty(coarse.shape[2], np.float32)
    for z in range(n_z):
        i, a = z // step, np.float32((z % step) / step)
        for y in range(n_y):
            j, b = y // step, np.float32((y % step) / step)
            for k in range(coarse.shape[2]):
                low = (1 - b) * coarse[i, j, k] + b * coarse[i, j + 1, k]
                high = (1 - b) * coarse[i + 1, j, k] + b * coarse[i + 1, j + 1, k]
                row[k] = (1 - a) * low + a * high
            for x in range(n_x):
                k, c = x // step, np.float32((x % step) / step)
                image[z, y, x] += (1 - c) * row[k] + c * row[k + 1]
