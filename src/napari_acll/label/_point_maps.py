"""What the heads of the detector say, where they say anything: in two voxels of a hundred."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.label._point_numba import jit

NEGLIGIBLE_LOGIT = -4.0
"""Of a center; what is less probable is none."""
_MAPS, _PARTS = 2, 8


@dataclass(frozen=True, slots=True, eq=False)
class SparseMaps:
    """Centers and foreground of one volume.

    Parameters
    ----------
    probability : ndarray of float32, shape (z + 2, y + 2, x + 2)
        Of a center, with a border of one voxel; 0 where it is negligible.
    active : ndarray of int64, shape (n, 3)
        Where it is not, `(z, y, x)` without the border.
    is_foreground : ndarray of bool, shape (z, y, x)
        Whether a voxel may belong to a nucleus.
    """

    probability: NDArray[np.float32]
    active: NDArray[np.int64]
    is_foreground: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(z, y, x)` voxels."""
        z, y, x = self.is_foreground.shape
        return z, y, x


def sparse_maps(
    heads: NDArray[np.float32], shape: tuple[int, int, int], *, foreground_logit: float
) -> SparseMaps:
    """Return the maps from what the heads say.

    Parameters
    ----------
    heads : ndarray of float32, shape (x, y, z, 16)
        See `DetectorNetwork.folded_maps`.
    shape : tuple of int
        `(z, y, x)` voxels of the volume; the heads may tell of more.
    foreground_logit : float
        Least logit of the foreground.
    """
    z, y, x = shape
    found = _where_any(heads, NEGLIGIBLE_LOGIT, foreground_logit)
    probability = np.zeros((z + 2, y + 2, x + 2), np.float32)
    is_foreground = np.zeros(shape, np.bool_)
    active = np.empty((_PARTS * len(found), 3), np.int64)
    n = _fill(heads, found, NEGLIGIBLE_LOGIT, foreground_logit, probability, is_foreground, active)
    return SparseMaps(probability, active[:n], is_foreground)


def unfolded(heads: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the whole maps of center and foreground from what the heads of the network say.

    Parameters
    ----------
    heads : ndarray of float32, shape (x, y, z, 16)
        See `DetectorNetwork.folded_maps`.

    Returns
    -------
    ndarray of float32, shape (2, 2 z, 2 y, 2 x)
    """
    n_x, n_y, n_z, _ = heads.shape
    split = heads.reshape(n_x, n_y, n_z, _MAPS, 2, 2, 2)
    maps = split.transpose(3, 2, 6, 1, 5, 0, 4).reshape(_MAPS, 2 * n_z, 2 * n_y, 2 * n_x)
    return np.ascontiguousarray(maps)


@jit(fastmath=True)
def _where_any(
    heads: NDArray[np.float32], center_logit: float, foreground_logit: float
) -> NDArray[np.int64]:
    """Return which voxels of the heads have anything in them, `(n, 3)` along `(x, y, z)`."""
    n_x, n_y, n_z, _ = heads.shape
    found = np.empty((n_x * n_y * n_z, 3), np.int64)
    least_center, least_foreground = np.float32(center_logit), np.float32(foreground_logit)
    n = 0
    for x in range(n_x):
        for y in range(n_y):
            for z in range(n_z):
                line = heads[x, y, z]
                center, foreground = line[0], line[8]
                for part in range(1, 8):
                    center = max(center, line[part])
                    foreground = max(foreground, line[8 + part])
                if center > least_center or foreground >= least_foreground:
                    found[n] = x, y, z
                    n += 1
    return found[:n]


@jit
def _fill(
    heads: NDArray[np.float32],
    found: NDArray[np.int64],
    center_logit: float,
    foreground_logit: float,
    probability: NDArray[np.float32],
    is_foreground: NDArray[np.bool_],
    active: NDArray[np.int64],
) -> int:
    """Fill the maps and the list of active voxels, and return how many these are."""
    n_z, n_y, n_x = is_foreground.shape
    n = 0
    for row in range(len(found)):
        coarse_x, coarse_y, coarse_z = found[row]
        line = heads[coarse_x, coarse_y, coarse_z]
        for part in range(8):
            x = 2 * coarse_x + part // 4
            y = 2 * coarse_y + (part // 2) % 2
            z = 2 * coarse_z + part % 2
            if x >= n_x or y >= n_y or z >= n_z:
                continue
            is_foreground[z, y, x] = line[8 + part] >= foreground_logit
            if line[part] > center_logit:
                probability[z + 1, y + 1, x + 1] = 1.0 / (1.0 + np.exp(-line[part]))
                active[n] = z, y, x
                n += 1
    return n
