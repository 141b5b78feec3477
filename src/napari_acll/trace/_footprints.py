"""How much light each nucleus adds to a volume."""

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from napari_acll.core import VolumeArray
from napari_acll.trace._sampling import bilinear

NUCLEUS_SIGMA_UM = (1.0, 0.7, 0.7)
"""SD along (z, y, x) of the blurred light of a usual nucleus."""
FOOTPRINT_SIGMA_UM = (0.85, 0.6, 0.6)
"""A footprint is a little narrower: neighbors add less, and there is hardly more noise. Both were
chosen on virtual animals."""
REACH = 2.5
"""A footprint ends at this many SD, where it is 4 % of its height."""
_LEAST_SIGMA_PX = 0.25
"""A narrower footprint could lie between two voxels and reach neither."""

_WIDENED = np.array(FOOTPRINT_SIGMA_UM) ** 2 / np.array(NUCLEUS_SIGMA_UM) ** 2
_OF_NARROW = float(np.prod(np.sqrt((1.0 + _WIDENED) / 2.0)))
"""The height of a usual nucleus over that of a narrow footprint fitted to it."""
LIGHT_UNDER_FOOTPRINT = float(np.prod(1.0 / np.sqrt(1.0 + _WIDENED / 2.0)))
"""Mean light of a usual nucleus, over its height, with the squared footprint as weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintLight:
    """The height of each footprint in both channels, each fitted by itself.

    Parameters
    ----------
    marker, activity : ndarray of float64, shape (n,)
        Counts above background in the middle of each nucleus, were it a usual one; NaN where
        nothing of it was seen.
    variance_gain : ndarray of float64, shape (n,)
        Variance of a height for noise of variance 1 in every voxel.
    seen : ndarray of float64, shape (n,)
        Part of the footprint that lies in recorded slices and in the frames of both cameras.
    apart : ndarray of float64, shape (n,)
        How far the centers of light of both channels, each channel weighted with the footprint,
        are from each other, in SD of the footprint; NaN where one has no light. One nucleus alone
        has one center, wherever the footprint lies; light of another one moves that of the
        channel in which it is brighter.
    """

    marker: NDArray[np.float64]
    activity: NDArray[np.float64]
    variance_gain: NDArray[np.float64]
    seen: NDArray[np.float64]
    apart: NDArray[np.float64]


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

    A mean with the footprint as weight, which for even noise and a nucleus of its shape is the
    fit with the least variance. What neighbors add is left in it; where
    they do, `apart` tells.

    Parameters
    ----------
    marker, activity : ndarray of unsigned int, shape (Z, Y, X)
        Raw counts.
    center_px : ndarray of float64, shape (n, 3)
        `(z, y, x)` centers in voxels.
    sigma_px : ndarray of float64, shape (3,)
        SD of the footprints, in voxels; less than 0.25 is taken for 0.25, so that each footprint
        has a voxel.
    background : tuple of float
        Counts per voxel of marker and activity that are no nucleus's.
    to_activity : ndarray of float64, shape (2, 3)
        Affine map of `(y, x, 1)` in the marker channel to `(y, x)` in the activity channel.
    missing_z : tuple of int
        Slices that were not recorded and do not count.
    """
    is_missing = np.zeros(len(marker), np.bool_)
    is_missing[list(missing_z)] = True
    sums, squares, seen = _sum_footprints(
        np.ascontiguousarray(marker),
        np.ascontiguousarray(activity),
        np.ascontiguousarray(center_px, np.float64),
        np.maximum(sigma_px, _LEAST_SIGMA_PX),
        background[0],
        background[1],
        to_activity,
        is_missing,
    )
    squares = np.where(squares > 0, squares, np.nan)
    return FootprintLight(
        marker=_OF_NARROW * sums[:, 0, 0] / squares,
        activity=_OF_NARROW * sums[:, 1, 0] / squares,
        variance_gain=_OF_NARROW**2 / squares,
        seen=seen,
        apart=_apart(sums),
    )


def _apart(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the centers of both channels are from each other."""
    light = np.where(sums[:, :, :1] > 0, sums[:, :, :1], np.nan)
    center = sums[:, :, 1:] / light
    apart: NDArray[np.float64] = np.linalg.norm(center[:, 1] - center[:, 0], axis=1)
    return apart


@numba.njit(cache=True, nogil=True)
def _sum_footprints(marker, activity, center, sigma, marker_bg, activity_bg, to_activity, missing):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Return for each footprint and channel the sum of light and of light times (z, y, x) in SD.

    Beside these the sums of squared weights that were recorded, and which part of all they are.
    """
    n = len(center)
    sums, in_slice = np.zeros((n, 2, 4)), np.zeros((2, 4))
    recorded, seen = np.zeros(n), np.zeros(n)
    longest = 2 * int(REACH * sigma.max()) + 2
    first = np.empty((n, 3), np.int64)
    profile = np.zeros((n, 3, longest))  # a footprint is the product of its three profiles
    for i in range(n):
        for axis in range(3):
            first[i, axis] = _profile(center[i, axis], sigma[axis], profile[i, axis])
    for i in range(n):
        start = (first[i] - center[i]) / sigma
        for dz in range(longest):
            z, weight = first[i, 0] + dz, profile[i, 0, dz]
            if z < 0 or z >= len(marker) or missing[z] or weight == 0.0:
                continue
            recorded[i] += weight**2 * _sum_slice(
                marker[z],
                activity[z],
                first[i],
                profile[i],
                start,
                sigma,
                marker_bg,
                activity_bg,
                to_activity,
                in_slice,
            )
            in_slice[:, 1] = in_slice[:, 0] * (start[0] + dz / sigma[0])
            sums[i] += weight * in_slice
        whole = 1.0
        for axis in range(3):
            whole *= (profile[i, axis] ** 2).sum()
        seen[i] = recorded[i] / whole
    return sums, recorded, seen


@numba.njit(cache=True, nogil=True)
def _sum_slice(  # type: ignore[no-untyped-def]  # pragma: no cover
    marker,
    activity,
    first,
    profile,
    start,
    sigma,
    marker_bg,
    activity_bg,
    to_activity,
    sums,
):
    """Write the sums of one slice (all but that along z); return that of squared weights."""
    n_y, n_x = marker.shape
    squares = 0.0
    sums[:] = 0.0
    for dy in range(profile.shape[1]):
        y, away_y = first[1] + dy, start[1] + dy / sigma[1]
        if y < 0 or y >= n_y or profile[1, dy] == 0.0:
            continue
        for dx in range(profile.shape[1]):
            x, weight = first[2] + dx, profile[1, dy] * profile[2, dx]
            if weight == 0.0 or x < 0 or x >= n_x:
                continue
            at_y = to_activity[0, 0] * y + to_activity[0, 1] * x + to_activity[0, 2]
            at_x = to_activity[1, 0] * y + to_activity[1, 1] * x + to_activity[1, 2]
            value = bilinear(activity, at_y, at_x)
            if math.isnan(value):
                continue
            squares += weight * weight
            away_x = start[2] + dx / sigma[2]
            for channel in range(2):
                light = value - activity_bg if channel else marker[y, x] - marker_bg
                sums[channel, 0] += weight * light
                sums[channel, 2] += weight * light * away_y
                sums[channel, 3] += weight * light * away_x
    return squares


@numba.njit(cache=True, nogil=True)
def _profile(center, sigma, values):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Write a Gaussian at the voxels within its reach, and return the first of them."""
    first = math.ceil(center - REACH * sigma)
    for k in range(len(values)):
        away = (first + k - center) / sigma
        values[k] = math.exp(-0.5 * away * away) if away <= REACH else 0.0
    return first
