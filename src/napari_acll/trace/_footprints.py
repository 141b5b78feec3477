"""How much light each nucleus adds to a volume."""

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_acll.core import VolumeArray
from napari_acll.trace._sampling import bilinear

FOOTPRINT_SIGMA_UM = (1.0, 0.7, 0.7)
"""SD along (z, y, x) of the blurred light of a nucleus; chosen on virtual animals."""
REACH = 2.5
"""A footprint ends at this many SD, where it is 4 % of its height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintLight:
    """The height of each footprint in both channels, each fitted by itself.

    Parameters
    ----------
    marker, activity : ndarray of float64, shape (n,)
        Counts above background in the middle of each nucleus; NaN where nothing of it was seen.
    variance_gain : ndarray of float64, shape (n,)
        Variance of a height for noise of variance 1 in every voxel.
    seen : ndarray of float64, shape (n,)
        Part of the footprint that lies in recorded slices and in the frames of both cameras.
    """

    marker: NDArray[np.float64]
    activity: NDArray[np.float64]
    variance_gain: NDArray[np.float64]
    seen: NDArray[np.float64]


def fit_footprints(
    marker: VolumeArray,
    activity: VolumeArray,
    center_px: NDArray[np.float64],
    *,
    sigma_px: NDArray[np.float64],
    background: tuple[float, float],
    to_activity: NDArray[np.float64],
    missing_z: tuple[int, ...],
) -> FootprintLight:
    """Return how high Gaussian footprints are in both channels, the activity aligned.

    For even noise this is the fit with the least variance. What neighbors add is left in it, see
    `neighbors_light`.

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
    marker_sum, activity_sum, squares, seen = _sum_footprints(
        np.ascontiguousarray(marker),
        np.ascontiguousarray(activity),
        np.ascontiguousarray(center_px, np.float64),
        np.ascontiguousarray(sigma_px, np.float64),
        background[0],
        background[1],
        to_activity,
        is_missing,
    )
    squares = np.where(squares > 0, squares, np.nan)
    return FootprintLight(
        marker=marker_sum / squares,
        activity=activity_sum / squares,
        variance_gain=1.0 / squares,
        seen=seen,
    )


def neighbors_light(
    height: NDArray[np.float64], center_px: NDArray[np.float64], sigma_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what the footprints of all others could have added to each height, in parts of it.

    Parameters
    ----------
    height : ndarray of float64, shape (n,)
        Counts in the middle of each nucleus, neighbors' light included; NaN counts as none.
    center_px : ndarray of float64, shape (n, 3)
        `(z, y, x)` centers in voxels.
    sigma_px : ndarray of float64, shape (3,)
        SD of the footprints, in voxels.

    Returns
    -------
    ndarray of float64, shape (n,)
        0 for a lone nucleus; infinite where others' light is all there is.
    """
    shared = np.exp(-0.25 * cdist(center_px / sigma_px, center_px / sigma_px, "sqeuclidean"))
    np.fill_diagonal(shared, 0.0)
    light = np.maximum(np.nan_to_num(height), 0.0)
    added = shared @ light
    nothing_own = np.where(added > 0, np.inf, 0.0)
    part: NDArray[np.float64] = np.divide(added, light, out=nothing_own, where=light > 0)
    return part


@numba.njit(cache=True, nogil=True)
def _sum_footprints(marker, activity, center, sigma, marker_bg, activity_bg, to_activity, missing):  # type: ignore[no-untyped-def]  # pragma: no cover
    n = len(center)
    marker_sum, activity_sum = np.zeros(n), np.zeros(n)
    recorded, seen = np.zeros(n), np.zeros(n)
    longest = 2 * int(REACH * sigma.max()) + 2
    first = np.empty((n, 3), np.int64)
    profile = np.zeros((n, 3, longest))  # a footprint is the product of its three profiles
    for i in range(n):
        for axis in range(3):
            first[i, axis] = _profile(center[i, axis], sigma[axis], profile[i, axis])
    for i in range(n):
        for dz in range(longest):
            z = first[i, 0] + dz
            if z < 0 or z >= len(marker) or missing[z] or profile[i, 0, dz] == 0.0:
                continue
            squares, of_marker, of_activity = _sum_slice(
                marker[z], activity[z], first[i], profile[i], marker_bg, activity_bg, to_activity
            )
            recorded[i] += profile[i, 0, dz] ** 2 * squares
            marker_sum[i] += profile[i, 0, dz] * of_marker
            activity_sum[i] += profile[i, 0, dz] * of_activity
        whole = 1.0
        for axis in range(3):
            whole *= (profile[i, axis] ** 2).sum()
        seen[i] = recorded[i] / whole
    return marker_sum, activity_sum, recorded, seen


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
