"""How surely points are neurons of an atlas, in many postures at once."""

import math

import numpy as np
from numpy.typing import NDArray

from napari_acll.label._point_numba import jit

Floats = NDArray[np.float64]

_CLUTTER_PER_UM3 = 2e-4
"""Density of points that belong to no neuron of the atlas, against 190 of them per 1e5 um3."""
_LEAST_EXPONENT = np.float32(-126.0)
_P0, _P1, _P2 = np.float32(9.9999994e-1), np.float32(6.9315308e-1), np.float32(2.4015361e-1)
_P3, _P4, _P5 = np.float32(5.5826318e-2), np.float32(8.9893397e-3), np.float32(1.8775767e-3)
"""Of the polynomial through `2 ** x` for 0 <= x < 1; its relative error is 2e-7."""


def match(moved: Floats, mean_um: Floats, sd_um: float) -> tuple[Floats, Floats, Floats]:
    """Return, for each point, how surely it is a neuron, where that would be, and the fit.

    Parameters
    ----------
    moved : ndarray of float64, shape (p, n, 3)
        The points in each of `p` postures, in um.
    mean_um : ndarray of float64, shape (k, 3)
        Where neurons lie.
    sd_um : float
        How far from its neuron a point may lie.

    Returns
    -------
    weight, target, log_likelihood : ndarray of float64, shapes (p, n), (p, n, 3) and (p,)
    """
    n_poses, n, _ = moved.shape
    scale = math.log2(math.e)
    log_peak = -1.5 * np.log(2 * np.pi) - 3 * np.log(sd_um)
    sums = np.empty((n_poses * n, 4), np.float32)
    _sum_densities(
        moved.reshape(-1, 3).astype(np.float32),
        np.ascontiguousarray(mean_um.T, np.float32),
        np.float32(scale / (2 * sd_um**2)),
        np.float32(scale * log_peak),
        sums,
    )
    exact = sums.astype(np.float64).reshape(n_poses, n, 4)
    total = exact[..., 3] + _CLUTTER_PER_UM3 * 5
    weight = exact[..., 3] / total
    target = exact[..., :3] / (total * np.maximum(weight, 1e-9))[..., None]
    return weight, target, np.log(total).mean(1)


@jit(fastmath=True)
def _sum_densities(
    place: NDArray[np.float32],
    home: NDArray[np.float32],
    scale: np.float32,
    log2_peak: np.float32,
    sums: NDArray[np.float32],
) -> None:
    """Fill `sums` with the densities of all neurons at each place, times where these lie."""
    home_z, home_y, home_x = home[0], home[1], home[2]
    for row in range(len(place)):
        z, y, x = place[row, 0], place[row, 1], place[row, 2]
        sum_z, sum_y = np.float32(0.0), np.float32(0.0)
        sum_x, total = np.float32(0.0), np.float32(0.0)
        for k in range(len(home_z)):
            dz, dy, dx = z - home_z[k], y - home_y[k], x - home_x[k]
            density = _exp2(log2_peak - scale * (dz * dz + dy * dy + dx * dx))
            sum_z += density * home_z[k]
            sum_y += density * home_y[k]
            sum_x += density * home_x[k]
            total += density
        sums[row, 0], sums[row, 1], sums[row, 2], sums[row, 3] = sum_z, sum_y, sum_x, total


@jit(fastmath=True)
def _exp2(exponent: np.float32) -> np.float32:
    """Return a power of two, written so that the compiler takes many at a time.

    The whole part goes into the bits of the exponent, a polynomial gives the rest.
    """
    bounded = max(exponent, _LEAST_EXPONENT)
    whole = np.floor(bounded)
    rest = bounded - whole
    part = ((((_P5 * rest + _P4) * rest + _P3) * rest + _P2) * rest + _P1) * rest + _P0
    bits = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23))
    return np.float32(part * bits.view(np.float32))
