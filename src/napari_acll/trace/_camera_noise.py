"""The noise of a camera, from the volumes themselves."""

import numba
import numpy as np
from numpy.typing import NDArray

from napari_acll.core import VolumeArray
from napari_acll.trace._footprints import LIGHT_UNDER_FOOTPRINT

_DECAY = 0.95
"""Of the sums over past volumes: 20 volumes decide."""
DARK_STEP_PX = (7, 10, 10)
"""Every so many slices, rows and columns the dark is looked at; this is enough, and quick."""
_HALF_PX = 1
_FOURTH = 70.0
"""Sum of the squares of 1, -4, 6, -4, 1."""


class CameraNoise:
    """Estimates the variance of a voxel in the dark, and how it grows with the light.

    The fourth difference of five slices at one pixel is free of what is smooth along z, as
    nuclei behind a microscope's blur are, and holds 70 times the variance of the noise. In the
    dark that is read noise and background; at nuclei the rest, over the counts there, is the
    counts that one photon makes. No setting of the camera is needed.
    """

    def __init__(self) -> None:
        self._dark = np.zeros(2)
        self._bright = np.zeros(3)

    @property
    def dark_variance(self) -> float:
        """Variance of a voxel without light of nuclei, counts squared; 0 until known."""
        squares, n = self._dark
        return float(squares / n) if n > 0 else 0.0

    @property
    def counts_per_photon(self) -> float:
        """By how much the variance grows per count above background; 0 until known."""
        squares, light, n = self._bright
        return max(float((squares - n * self.dark_variance) / light), 0.0) if light > 0 else 0.0

    def of_height(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the variance of a voxel as it counts in the height of a footprint.

        Parameters
        ----------
        height : ndarray of float64, shape (n,)
            Heights of Gaussian footprints, in counts.
        """
        variance: NDArray[np.float64] = (
            self.dark_variance + LIGHT_UNDER_FOOTPRINT * self.counts_per_photon * height
        )
        return variance

    def relative(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same over the squares of the heights.

        NaN where there is no light, and everywhere until something is known: volumes of fewer than
        five slices never tell it.
        """
        light = np.where((height > 0) & (self._dark[1] > 0), height, np.nan)
        share: NDArray[np.float64] = self.of_height(light) / light**2
        return share

    def learn(
        self,
        channel: VolumeArray,
        center_px: NDArray[np.float64],
        *,
        background: float,
        missing_z: tuple[int, ...],
    ) -> None:
        """Take a channel of a volume in.

        Parameters
        ----------
        channel : ndarray of unsigned int, shape (Z, Y, X)
            Raw counts.
        center_px : ndarray of float64, shape (n, 3)
            `(z, y, x)` of nuclei in this channel.
        background : float
            Counts per voxel in the dark.
        missing_z : tuple of int
            Slices that were not recorded.
        """
        is_missing = np.zeros(len(channel), np.bool_)
        is_missing[list(missing_z)] = True
        around = np.array(np.meshgrid(*[np.arange(-_HALF_PX, _HALF_PX + 1)] * 3)).reshape(3, -1)
        place = (np.rint(center_px)[:, :, None] + around).transpose(0, 2, 1).reshape(-1, 3)
        dark, bright = _fourth_differences(
            np.ascontiguousarray(channel), place.astype(np.int64), background, is_missing
        )
        self._dark = self._dark * _DECAY + dark
        self._bright = self._bright * _DECAY + bright


@numba.njit(cache=True, nogil=True)
def _fourth_differences(channel, place, background, is_missing):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_z, n_y, n_x = channel.shape
    dark, bright = np.zeros(2), np.zeros(3)
    for z in range(2, n_z - 2, DARK_STEP_PX[0]):
        for y in range(0, n_y, DARK_STEP_PX[1]):
            for x in range(0, n_x, DARK_STEP_PX[2]):
                square, level = _at(channel, z, y, x, background, is_missing)
                if square >= 0 and level <= 0:
                    dark[0] += square
                    dark[1] += 1
    for k in range(len(place)):
        z, y, x = place[k]
        if z < 2 or z >= n_z - 2 or y < 0 or y >= n_y or x < 0 or x >= n_x:
            continue
        square, level = _at(channel, z, y, x, background, is_missing)
        if square >= 0:
            bright[0] += square
            bright[1] += level
            bright[2] += 1
    return dark, bright


@numba.njit(cache=True, nogil=True)
def _at(channel, z, y, x, background, is_missing):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the square of the fourth difference over 70 (-1: none), and the mean light."""
    total, difference = 0.0, 0.0
    factors = (1.0, -4.0, 6.0, -4.0, 1.0)
    for k in range(5):
        if is_missing[z + k - 2]:
            return -1.0, 0.0
        value = channel[z + k - 2, y, x] - background
        total += value
        difference += factors[k] * value
    return difference * difference / _FOURTH, total / 5
