"""How much light each nucleus adds to a volume, its neighbors' light taken apart."""

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from napari_acll.core import VolumeArray
from napari_acll.trace._sampling import bilinear

FOOTPRINT_SIGMA_UM = (1.0, 0.7, 0.7)
"""SD along (z, y, x) of the blurred light of a nucleus; chosen on virtual animals."""
REACH = 2.5
"""A footprint ends at this many SD, where it is 4 % of its height."""
SHARED = 0.5
"""Part of what footprints say of shared light that is believed. Centers and shapes are not exact,
least of all in a fast animal: taking all of it away made more outliers, on virtual animals."""
_LEAST_LEFT = 0.1
_MOST_ROUNDS = 200
_PRECISION_COUNTS = 0.01
"""A hundredth of a count is far below the noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintSums:
    """Both channels under the footprint of each nucleus.

    Parameters
    ----------
    marker, activity : ndarray of float64, shape (n,)
        Counts above background, times the footprint, summed.
    overlap : ndarray of float64, shape (n, n)
        Products of the footprints of two nuclei, summed over the voxels of the first.
    seen : ndarray of float64, shape (n,)
        Part of the footprint that lies in recorded slices and in the frames of both cameras.
    """

    marker: NDArray[np.float64]
    activity: NDArray[np.float64]
    overlap: NDArray[np.float64]
    seen: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintLight:
    """The height of each footprint in both channels.

    Parameters
    ----------
    marker, activity : ndarray of float64, shape (n,)
        Counts above background in the middle of each nucleus; never negative, NaN where nothing
        of it was seen.
    variance_gain : ndarray of float64, shape (n,)
        Variance of a height for noise of variance 1 in every voxel.
    own_share : ndarray of float64, shape (n,)
        Part of the marker counts under a footprint that is the nucleus's own light, 0 to 1.
    """

    marker: NDArray[np.float64]
    activity: NDArray[np.float64]
    variance_gain: NDArray[np.float64]
    own_share: NDArray[np.float64]


def sum_footprints(
    marker: VolumeArray,
    activity: VolumeArray,
    center_px: NDArray[np.float64],
    *,
    sigma_px: NDArray[np.float64],
    background: tuple[float, float],
    to_activity: NDArray[np.float64],
    missing_z: tuple[int, ...],
) -> FootprintSums:
    """Sum both channels under Gaussian footprints, the activity through the alignment.

    Parameters
    ----------
    marker, activity : ndarray of unsigned int, shape (Z, Y, X)
        Raw counts.
    center_px : ndarray of float64, shape (n, 3)
        `(z, y, x)` centers in voxels.
    sigma_px : ndarray of float64, shape (3,)
        SD of the footprints, in voxels.
    background : tuple of float
        Counts per voxel of marker and activity that are no nucleus's.
    to_activity : ndarray of float64, shape (2, 3)
        Affine map of `(y, x, 1)` in the marker channel to `(y, x)` in the activity channel.
    missing_z : tuple of int
        Slices that were not recorded and do not count.
    """
    is_missing = np.zeros(len(marker), np.bool_)
    is_missing[list(missing_z)] = True
    marker_sum, activity_sum, overlap, seen = _sum_footprints(
        np.ascontiguousarray(marker),
        np.ascontiguousarray(activity),
        np.ascontiguousarray(center_px, np.float64),
        np.ascontiguousarray(sigma_px, np.float64),
        background[0],
        background[1],
        to_activity,
        is_missing,
    )
    return FootprintSums(marker=marker_sum, activity=activity_sum, overlap=overlap, seen=seen)


def unmix(sums: FootprintSums) -> FootprintLight:
    """Return the heights of the footprints that explain both channels best.

    Non-negative least squares, each channel by itself, in which `SHARED` of the overlaps count: a
    lone nucleus has the height of the plain fit, and nuclei at one place are not torn apart.

    Parameters
    ----------
    sums : FootprintSums
        Both channels under the footprints.

    References
    ----------
    Stetson, P. B. (1987), DAOPHOT, PASP 99:191: stars in crowded fields, fitted all at once.
    """
    n = len(sums.marker)
    own = sums.overlap.diagonal()
    is_seen = own > 0
    system = SHARED * sums.overlap
    np.fill_diagonal(system, np.where(is_seen, own, 1.0))
    marker = _non_negative(system, sums.marker)
    activity = _non_negative(system, sums.activity)
    alone = np.divide(sums.marker, own, out=np.full(n, np.nan), where=is_seen)
    share = np.divide(marker, alone, out=np.zeros(n), where=is_seen & (alone > 0))
    return FootprintLight(
        marker=np.where(is_seen, marker, np.nan),
        activity=np.where(is_seen, activity, np.nan),
        variance_gain=np.where(is_seen, _variance_gain(system), np.nan),
        own_share=np.clip(share, 0.0, 1.0),
    )


def _variance_gain(system: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return about the diagonal of the inverse: each nucleus with its neighbors one by one."""
    own = system.diagonal()
    shared = (system * system.T / own).sum(axis=1) - own
    gain: NDArray[np.float64] = 1.0 / np.maximum(own - shared, _LEAST_LEFT * own)
    return gain


@numba.njit(cache=True, nogil=True)
def _non_negative(system, values):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the non-negative solution by projected Gauss-Seidel steps."""
    n = len(values)
    height = np.zeros(n)
    for i in range(n):
        height[i] = max(values[i] / system[i, i], 0.0)
    for _ in range(_MOST_ROUNDS):
        largest = 0.0
        for i in range(n):
            rest = values[i]
            for j in range(n):
                rest -= system[i, j] * height[j]
            new = max(height[i] + rest / system[i, i], 0.0)
            largest = max(largest, abs(new - height[i]))
            height[i] = new
        if largest < _PRECISION_COUNTS:
            break
    return height


@numba.njit(cache=True, nogil=True)
def _sum_footprints(marker, activity, center, sigma, marker_bg, activity_bg, to_activity, missing):  # type: ignore[no-untyped-def]  # pragma: no cover
    n = len(center)
    marker_sum, activity_sum, seen = np.zeros(n), np.zeros(n), np.zeros(n)
    longest = 2 * int(REACH * sigma.max()) + 2
    first = np.empty((n, 3), np.int64)
    profile = np.zeros((n, 3, longest))  # a footprint is the product of its three profiles
    for i in range(n):
        for axis in range(3):
            first[i, axis] = _profile(center[i, axis], sigma[axis], profile[i, axis])
    for i in range(n):
        recorded = 0.0
        for dz in range(longest):
            z = first[i, 0] + dz
            if z < 0 or z >= len(marker) or missing[z] or profile[i, 0, dz] == 0.0:
                continue
            squares, of_marker, of_activity = _sum_slice(
                marker[z], activity[z], first[i], profile[i], marker_bg, activity_bg, to_activity
            )
            recorded += profile[i, 0, dz] ** 2 * squares
            marker_sum[i] += profile[i, 0, dz] * of_marker
            activity_sum[i] += profile[i, 0, dz] * of_activity
        seen[i] = recorded / _overlap(first, profile, i, i)
    return marker_sum, activity_sum, _overlaps(center, sigma, first, profile, seen), seen


@numba.njit(cache=True, nogil=True)
def _sum_slice(marker, activity, first, profile, marker_bg, activity_bg, to_activity):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return the sums over one slice: of squared weights, and of both channels."""
    n_y, n_x = marker.shape
    squares, of_marker, of_activity = 0.0, 0.0, 0.0
    for dy in range(profile.shape[1]):
        y = first[1] + dy
        if y < 0 or y >= n_y or profile[1, dy] == 0.0:
            continue
        for dx in range(profile.shape[1]):
            x, weight = first[2] + dx, profile[1, dy] * profile[2, dx]
            if weight == 0.0 or x < 0 or x >= n_x:
                continue
            at_y = to_activity[0, 0] * y + to_activity[0, 1] * x + to_activity[0, 2]
            at_x = to_activity[1, 0] * y + to_activity[1, 1] * x + to_activity[1, 2]
            value = bilinear(activity, at_y, at_x)
            if not math.isnan(value):
                squares += weight * weight
                of_marker += weight * (marker[y, x] - marker_bg)
                of_activity += weight * (value - activity_bg)
    return squares, of_marker, of_activity


@numba.njit(cache=True, nogil=True)
def _profile(center, sigma, values):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write a Gaussian at the voxels within its reach, and return the first of them."""
    first = math.ceil(center - REACH * sigma)
    for k in range(len(values)):
        away = (first + k - center) / sigma
        values[k] = math.exp(-0.5 * away * away) if away <= REACH else 0.0
    return first


@numba.njit(cache=True, nogil=True)
def _overlaps(center, sigma, first, profile, seen):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return what footprints share; of one that was seen in part, the same part."""
    n = len(center)
    overlap = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            is_near = True
            for axis in range(3):
                away = abs(center[i, axis] - center[j, axis])
                is_near = is_near and away < 2 * REACH * sigma[axis]
            if is_near:
                overlap[i, j] = seen[i] * _overlap(first, profile, i, j)
    return overlap


@numba.njit(cache=True, nogil=True)
def _overlap(first, profile, i, j):  # type: ignore[no-untyped-def]  # pragma: no cover
    product = 1.0
    longest = profile.shape[2]
    for axis in range(3):
        total = 0.0
        shift = first[i, axis] - first[j, axis]
        for k in range(max(0, -shift), min(longest, longest - shift)):
            total += profile[i, axis, k] * profile[j, axis, k + shift]
        product *= total
    return product
