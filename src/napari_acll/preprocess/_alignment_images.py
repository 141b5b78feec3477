"""From a volume to the few small images that the channel alignment is estimated on.

A volume is averaged into slabs about as thick as a nucleus: a projection of the whole depth lets
nuclei hide each other, and one slice holds more noise than signal. A band-pass keeps what has the
size of a nucleus, so that haze and the outline of the animal carry no weight.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_acll.core import VolumeArray, VoxelGrid

FloatArray = NDArray[np.float32]

# Chosen on simulated pairs (docs/decisions/0003-channel-alignment.md): a narrower band separates
# neighbors, whose different brightness in the two channels is what biases an alignment.
SLAB_UM = 2.2
FINE_UM = 0.54
COARSE_UM = 1.62
PIXEL_UM = 0.54

MIN_MARKER_PEAKS = 12
MIN_ACTIVITY_PEAKS = 5
PEAK_NOISE_RATIO = 6.0
MIN_SHARPNESS = 0.15
# A single noisy pixel has 0.87, a nucleus at most 0.6. Where a recording had its background
# subtracted and clipped, such pixels stand far above a noise that seems to be zero.
MAX_SHARPNESS = 0.8
MIN_RELATIVE_PEAK = 0.03
MAX_SATURATED_FRACTION = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabImages:
    """One channel of one volume as band-passed slabs.

    Parameters
    ----------
    images : ndarray of float32, shape (slabs, y, x)
        Band-passed slab averages in counts; the background is 0.
    noise : float
        Robust standard deviation of `images` where there is nothing, in counts.
    peaks : ndarray of int, shape (n, 3)
        Local maxima above the noise as slab, y and x, ordered by slab.
    sharpness : float
        Part of the light at the peaks that passes the band, 0 (blurred) to 1.
    saturated_fraction : float
        Part of the peaks that share the very highest count of the channel.
    grid : VoxelGrid
        Where the pixels of the slabs lie in the recording.
    """

    images: FloatArray
    noise: float
    peaks: NDArray[np.intp]
    sharpness: float
    saturated_fraction: float
    grid: VoxelGrid


def slab_images(channel: VolumeArray, *, grid: VoxelGrid) -> SlabImages:
    """Return the band-passed slabs of one channel.

    Parameters
    ----------
    channel : ndarray of unsigned int, shape (Z, Y, X)
        Raw counts; background need not be subtracted.
    grid : VoxelGrid
        Geometry of `channel`.

    Returns
    -------
    SlabImages
        Slabs of about 2.2 um with pixels of at least 0.36 um.
    """
    slabs, slab_grid = _slabs(channel, grid)
    _, size_y, size_x = slab_grid.voxel_size_um
    smooth = ndimage.gaussian_filter(slabs, (0, FINE_UM / size_y, FINE_UM / size_x))
    wide_px = (0, COARSE_UM / size_y, COARSE_UM / size_x)
    images = smooth - ndimage.gaussian_filter(slabs, wide_px, truncate=3.0)
    noise = max(1.4826 * float(np.median(np.abs(images[:, ::2, ::2]))), 1e-3)
    floor = MIN_RELATIVE_PEAK * float(np.percentile(images[:, ::2, ::2], 99.9))
    peaks = _peaks(images, max(PEAK_NOISE_RATIO * noise, floor))
    sharpness = _sharpness(images, smooth, peaks)
    peaks, sharpness = peaks[sharpness < MAX_SHARPNESS], sharpness[sharpness < MAX_SHARPNESS]
    return SlabImages(
        images=images,
        noise=noise,
        peaks=peaks,
        sharpness=float(np.median(sharpness)) if len(peaks) else 0.0,
        saturated_fraction=_saturated_fraction(channel, peaks, slab_grid),
        grid=slab_grid,
    )


def _peaks(images: FloatArray, limit: float) -> NDArray[np.intp]:
    """Return the highest pixels of their 3x5x5 neighborhoods that exceed a limit."""
    # Few pixels are bright: looking at their neighbors is ten times faster than a filter.
    bright = np.argwhere(images > limit)
    is_inside = ((bright >= (0, 2, 2)) & (bright < np.array(images.shape) - (0, 2, 2))).all(axis=1)
    bright = bright[is_inside]
    value = images[tuple(bright.T)]
    is_peak = np.ones(len(bright), bool)
    for dz, dy, dx in np.ndindex(3, 5, 5):
        z = np.clip(bright[:, 0] + dz - 1, 0, len(images) - 1)
        is_peak &= images[z, bright[:, 1] + dy - 2, bright[:, 2] + dx - 2] <= value
    return bright[is_peak]


def _sharpness(images: FloatArray, smooth: FloatArray, peaks: NDArray[np.intp]) -> FloatArray:
    """Return for each peak which part of its light passes the band."""
    background = np.median(smooth[:, ::2, ::2], axis=(1, 2))
    at = tuple(peaks.T)
    sharpness: FloatArray = images[at] / np.maximum(smooth[at] - background[peaks[:, 0]], 1e-6)
    return sharpness


def _slabs(channel: VolumeArray, grid: VoxelGrid) -> tuple[FloatArray, VoxelGrid]:
    """Return averages over depth, and over pixels where they are much finer than a nucleus."""
    size_z, size_y, size_x = grid.voxel_size_um
    depth = channel.shape[0]
    n_slabs = int(np.clip(round(depth * size_z / SLAB_UM), 1, depth))
    edges = _slab_edges(depth, n_slabs)
    slabs = np.empty((n_slabs, *channel.shape[1:]), np.float32)
    for slab, first, stop in zip(slabs, edges[:-1], edges[1:], strict=True):
        np.mean(channel[first:stop], axis=0, dtype=np.float32, out=slab)
    factor_y, factor_x = (max(1, round(PIXEL_UM / size)) for size in (size_y, size_x))
    return shrunk(slabs, grid, (factor_y, factor_x))


def _slab_edges(depth: int, n_slabs: int) -> NDArray[np.intp]:
    return np.linspace(0, depth, n_slabs + 1).round().astype(np.intp)


def shrunk(
    images: FloatArray, grid: VoxelGrid, factor: tuple[int, int]
) -> tuple[FloatArray, VoxelGrid]:
    """Return images whose pixels are averages of `factor` `(y, x)` pixels, and their grid.

    Rows and columns that do not fill a pixel are left out.
    """
    factor_y, factor_x = factor
    n, height, width = images.shape
    rows, columns = height // factor_y, width // factor_x
    _, bin_y, bin_x = grid.bin_px
    size_z, size_y, size_x = grid.voxel_size_um
    new_grid = replace(
        grid,
        shape=(n, rows, columns),
        voxel_size_um=(size_z, size_y * factor_y, size_x * factor_x),
        bin_px=(grid.bin_px[0], bin_y * factor_y, bin_x * factor_x),
    )
    if factor == (1, 1):
        return images, new_grid
    kept = images[:, : rows * factor_y, : columns * factor_x]
    blocks = kept.reshape(n, rows, factor_y, columns, factor_x)
    return blocks.mean(axis=(2, 4), dtype=np.float32), new_grid


def why_unusable(marker: SlabImages, activity: SlabImages) -> str:
    """Return why a volume tells nothing about the alignment; empty if it does."""
    channels = (
        ("marker", marker, MIN_MARKER_PEAKS),
        ("activity", activity, MIN_ACTIVITY_PEAKS),
    )
    for name, slabs, min_peaks in channels:
        if len(slabs.peaks) < min_peaks:
            return f"the {name} channel shows {len(slabs.peaks)} nuclei, {min_peaks} are needed"
        if slabs.saturated_fraction > MAX_SATURATED_FRACTION:
            return (
                f"the {name} channel is saturated in {slabs.saturated_fraction:.0%} of its nuclei"
            )
        if slabs.sharpness < MIN_SHARPNESS:
            return f"the {name} channel is blurred (sharpness {slabs.sharpness:.2f} of 1)"
    return ""


def _saturated_fraction(
    channel: VolumeArray, peaks: NDArray[np.intp], slab_grid: VoxelGrid
) -> float:
    """Return which part of the peaks reaches the highest count of the channel.

    After binning the highest possible count is unknown, but saturated voxels share one value,
    and it is the highest.
    """
    depth, height, width = channel.shape
    n_slabs, rows, columns = slab_grid.shape
    is_highest = channel == channel.max()
    if not len(peaks) or np.count_nonzero(is_highest) < len(peaks):
        return 0.0
    edges = _slab_edges(depth, n_slabs)
    factor_y, factor_x = height // rows, width // columns
    reaches = np.logical_or.reduceat(is_highest, edges[:-1], axis=0)
    wide = ndimage.maximum_filter(reaches, (1, 2 * factor_y + 1, 2 * factor_x + 1))
    middle_y, middle_x = (
        peaks[:, 1] * factor_y + factor_y // 2,
        peaks[:, 2] * factor_x + factor_x // 2,
    )
    return float(wide[peaks[:, 0], middle_y, middle_x].mean())
