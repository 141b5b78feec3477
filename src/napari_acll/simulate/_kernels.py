"""Compiled loops: nuclei onto slices, haze onto slices, photons into counts."""

import numba
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

N_NORMALS = 1 << 16
"""Length of the table from which noise is drawn."""
GRAIN_SIZE = 32
"""Length of each axis of the table of grain, which repeats itself."""
GRAIN_PER_RADIUS = (2.0, 4.0, 4.0)
"""Entries of that table per semi-axis, along z and in plane; z is blurred more."""


@numba.njit(cache=True, fastmath=True, nogil=True)
def draw_nuclei(
    image: Float32,
    center_px: NDArray[np.float64],
    semi_axis_px: NDArray[np.float64],
    tilt_rad: NDArray[np.float64],
    peak: NDArray[np.float64],
    sharpness: float,
    texture: NDArray[np.float64],
    grain: Float32,
) -> None:
    """Add soft ellipsoids to an image, each slice with the centers of its own time.

    Parameters
    ----------
    image : ndarray of float32, shape (Z, Y, X)
        Changed in place.
    center_px : ndarray of float64, shape (Z, n, 3)
        `(z, y, x)` centers at the time of each slice, in voxels.
    semi_axis_px : ndarray of float64, shape (n, 3)
        Blurred semi-axes along z and along the two in-plane axes.
    tilt_rad : ndarray of float64, shape (n,)
        In-plane direction of the last semi-axis.
    peak : ndarray of float64, shape (n,)
        Counts in the middle.
    sharpness : float
        How steeply a nucleus falls off at its border.
    texture : ndarray of float64, shape (n, 6) or (0, 6)
        See `TissueSettings.textures`; none if empty.
    grain : ndarray of float32, shape (GRAIN_SIZE,) * 3
        Noise of unit SD.
    """
    n_z, n_y, n_x = image.shape
    reach = 1.0 + 5.0 / sharpness
    has_texture = texture.shape[0] > 0
    for z in range(n_z):
        for i in range(center_px.shape[1]):
            dz = (z - center_px[z, i, 0]) / semi_axis_px[i, 0]
            rest = reach * reach - dz * dz
            if rest <= 0 or peak[i] <= 0:
                continue
            largest = max(semi_axis_px[i, 1], semi_axis_px[i, 2]) * np.sqrt(rest)
            cy, cx = center_px[z, i, 1], center_px[z, i, 2]
            y0, y1 = max(0, int(np.ceil(cy - largest))), min(n_y - 1, int(cy + largest))
            x0, x1 = max(0, int(np.ceil(cx - largest))), min(n_x - 1, int(cx + largest))
            cos, sin = np.cos(tilt_rad[i]), np.sin(tilt_rad[i])
            for y in range(y0, y1 + 1):
                for x in range(x0, x1 + 1):
                    u = (cos * (x - cx) + sin * (y - cy)) / semi_axis_px[i, 2]
                    v = (cos * (y - cy) - sin * (x - cx)) / semi_axis_px[i, 1]
                    square = dz * dz + u * u + v * v
                    if square < reach * reach:
                        d = np.sqrt(square)
                        light = peak[i] / (1.0 + np.exp(sharpness * (d - 1.0)))
                        if has_texture:
                            light *= _textured(dz, v, u, square, texture[i], grain)
                        image[z, y, x] += light


@numba.njit(cache=True, fastmath=True, nogil=True)
def _textured(
    w: float, v: float, u: float, square: float, texture: NDArray[np.float64], grain: Float32
) -> float:
    """Return the light at a place in a nucleus, relative to that of an even one."""
    from_hole = (w - texture[0]) ** 2 + (v - texture[1]) ** 2 + (u - texture[2]) ** 2
    light = 1.0 - texture[3] * np.exp(-from_hole / 0.16)
    light *= 1.0 + texture[4] * (min(square, 1.0) - 0.5)
    # each nucleus has its own place in the table, told by where its nucleolus is
    at = texture[0] * 97.0 + texture[1] * 57.0 + 16.0 * GRAIN_SIZE
    last = GRAIN_SIZE - 1
    k = int(w * GRAIN_PER_RADIUS[0] + at) & last
    j = int(v * GRAIN_PER_RADIUS[1] + at) & last
    i = int(u * GRAIN_PER_RADIUS[2] + at) & last
    return float(max(light * (1.0 + texture[5] * grain[k, j, i]), 0.0))


@numba.njit(cache=True, nogil=True)
def draw_masks(
    masks: NDArray[np.uint16],
    nearest: Float32,
    center_px: NDArray[np.float64],
    semi_axis_px: NDArray[np.float64],
    tilt_rad: NDArray[np.float64],
) -> None:
    """Write `i + 1` into the voxels of ellipsoid `i`; where two meet, the relatively nearer wins.

    Parameters are as in `draw_nuclei`; `nearest`, shape (Z, Y, X), starts at 1 everywhere.
    """
    n_z, n_y, n_x = masks.shape
    for z in range(n_z):
        for i in range(center_px.shape[1]):
            dz = (z - center_px[z, i, 0]) / semi_axis_px[i, 0]
            rest = 1.0 - dz * dz
            if rest <= 0:
                continue
            largest = max(semi_axis_px[i, 1], semi_axis_px[i, 2]) * np.sqrt(rest)
            cy, cx = center_px[z, i, 1], center_px[z, i, 2]
            cos, sin = np.cos(tilt_rad[i]), np.sin(tilt_rad[i])
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
def draw_haze(
    coarse: Float32,
    position: NDArray[np.float64],
    sigma: NDArray[np.float64],
    amount: NDArray[np.float64],
) -> None:
    """Add wide Gaussians, in voxels of a coarse image `(Z, Y, X)`, in place."""
    n_z, n_y, n_x = coarse.shape
    for i in range(position.shape[0]):
        reach = 3.0 * sigma[i]
        z0, z1 = max(0, int(position[i, 0] - reach)), min(n_z - 1, int(position[i, 0] + reach) + 1)
        y0, y1 = max(0, int(position[i, 1] - reach)), min(n_y - 1, int(position[i, 1] + reach) + 1)
        x0, x1 = max(0, int(position[i, 2] - reach)), min(n_x - 1, int(position[i, 2] + reach) + 1)
        for z in range(z0, z1 + 1):
            for y in range(y0, y1 + 1):
                for x in range(x0, x1 + 1):
                    square = (
                        (z - position[i, 0]) ** 2
                        + (y - position[i, 1]) ** 2
                        + (x - position[i, 2]) ** 2
                    )
                    coarse[z, y, x] += amount[i] * np.exp(-0.5 * square / sigma[i] ** 2)


@numba.njit(cache=True, fastmath=True, nogil=True)
def add_coarse(image: Float32, coarse: Float32, step: NDArray[np.float64], margin: float) -> None:
    """Add a coarse image to a fine one, interpolated linearly.

    Fine voxel `v` lies at coarse voxel `v / step + margin` along each axis.
    """
    n_z, n_y, n_x = image.shape
    row = np.empty(coarse.shape[2], np.float32)
    for z in range(n_z):
        fz = z / step[0] + margin
        iz = int(fz)
        wz = fz - iz
        for y in range(n_y):
            fy = y / step[1] + margin
            iy = int(fy)
            wy = fy - iy
            for x in range(coarse.shape[2]):
                low = (1 - wy) * coarse[iz, iy, x] + wy * coarse[iz, iy + 1, x]
                high = (1 - wy) * coarse[iz + 1, iy, x] + wy * coarse[iz + 1, iy + 1, x]
                row[x] = (1 - wz) * low + wz * high
            for x in range(n_x):
                fx = x / step[2] + margin
                ix = int(fx)
                wx = fx - ix
                image[z, y, x] += (1 - wx) * row[ix] + wx * row[ix + 1]


@numba.njit(cache=True, nogil=True)
def _mixed(number: np.uint64) -> np.uint64:
    """Return 64 well mixed bits (splitmix64; Steele, Lea & Flood, OOPSLA 2014)."""
    number = number + np.uint64(0x9E3779B97F4A7C15)
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


@numba.njit(cache=True, fastmath=True, nogil=True)
def to_counts(
    signal: Float32,
    counts: NDArray[np.uint16],
    normals: Float32,
    key: int,
    offset: float,
    counts_per_photon: float,
    read_noise: float,
    row_noise: float,
) -> None:
    """Write what a camera makes of a signal: offset, shot noise, read noise and row noise.

    Parameters
    ----------
    signal : ndarray of float32, shape (Z, Y, X)
        Expected counts above the offset.
    counts : ndarray of uint16, shape (Z, Y, X)
        The result.
    normals : ndarray of float32, shape (N_NORMALS,)
        Standard normal numbers to draw from.
    key : int
        Seed of the volume; the same key gives the same noise.
    offset, read_noise, row_noise : float
        Counts; the latter two are SDs, of a pixel and of a whole row.
    counts_per_photon : float
        Counts that one detected photon makes.
    """
    n_z, n_y, n_x = signal.shape
    floor = read_noise * read_noise
    low_bits = np.uint64(0xFFFF)
    for z in range(n_z):
        for y in range(n_y):
            state = _mixed(np.uint64(key) ^ _mixed(np.uint64(z * n_y + y)))
            bits = state
            dark = offset + row_noise * normals[_mixed(~state) & low_bits] + 0.5
            for x in range(n_x):
                if x % 4 == 0:
                    state = state + np.uint64(0x9E3779B97F4A7C15)
                    bits = _mixed(state)
                draw = normals[bits & low_bits]
                bits = bits >> np.uint64(16)
                light = max(signal[z, y, x], np.float32(0.0))
                sd = np.sqrt(light * counts_per_photon + floor)
                value = dark + light + draw * sd
                counts[z, y, x] = np.uint16(min(max(value, 0.0), 65535.0))


@numba.njit(cache=True, fastmath=True, nogil=True)
def shade(image: Float32, lost: float) -> None:
    """Darken an image `(Z, Y, X)` toward its borders in place, by a part `lost` in the corners."""
    n_z, n_y, n_x = image.shape
    for z in range(n_z):
        for y in range(n_y):
            off_y = (2.0 * y / n_y - 1.0) ** 2
            for x in range(n_x):
                off_x = (2.0 * x / n_x - 1.0) ** 2
                image[z, y, x] *= 1.0 - 0.5 * lost * (off_y + off_x)
