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
MAX_SATURATED_FRACTION = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabImages:
    """One channel of one volume as band-passed slabs.

    Parameters
    ----------
    images : ndarray of float32, shape (slabs, y, x)
        Band-passed slab averages in counts; the background is 0.
    smooth : ndarray of float32, shape (slabs, y, x)
        The same without the lower cut; the background is 0.
    noise : float
        Robust standard deviation of `images` where there is nothing, in counts.
    grid : VoxelGrid
        Where the pixels of the slabs lie in the recording.
    """

    images: FloatArray
    smooth: FloatArray
    noise: float
    grid: VoxelGrid

    def peaks(self) -> NDArray[np.intp]:
        """Return the local maxima above the noise: `(n, 3)` as slab, y and x, ordered by slab."""
        highest = ndimage.maximum_filter(self.images, (3, 5, 5))
        is_peak = (self.images == highest) & (self.images > PEAK_NOISE_RATIO * self.noise)
        return np.argwhere(is_peak)

    def sharpness(self, peaks: NDArray[np.intp]) -> float:
        """Return which part of the light at the peaks passes the band, 0 (blurred) to 1."""
        at = tuple(peaks.T)
        return float(np.median(self.images[at] / np.maximum(self.smooth[at], 1e-6)))


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
    wide = ndimage.gaussian_filter(slabs, (0, COARSE_UM / size_y, COARSE_UM / size_x))
    images = smooth - wide
    smooth -= np.median(smooth, axis=(1, 2), keepdims=True)
    noise = 1.4826 * float(np.median(np.abs(images)))
    return SlabImages(images=images, smooth=smooth, noise=max(noise, 1e-3), grid=slab_grid)


def _slabs(channel: VolumeArray, grid: VoxelGrid) -> tuple[FloatArray, VoxelGrid]:
    """Return averages over depth, and over pixels where they are much finer than a nucleus."""
    size_z, size_y, size_x = grid.voxel_size_um
    depth = channel.shape[0]
    n_slabs = int(np.clip(round(depth * size_z / SLAB_UM), 1, depth))
    edges = np.linspace(0, depth, n_slabs + 1).round().astype(int)
    slabs = np.empty((n_slabs, *channel.shape[1:]), np.float32)
    for slab, first, stop in zip(slabs, edges[:-1], edges[1:], strict=True):
        np.mean(channel[first:stop], axis=0, dtype=np.float32, out=slab)
    factor_y, factor_x = (max(1, round(PIXEL_UM / size)) for size in (size_y, size_x))
    return shrunk(slabs, grid, (factor_y, factor_x))


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


def why_unusable(
    marker: VolumeArray,
    activity: VolumeArray,
    marker_slabs: SlabImages,
    activity_slabs: SlabImages,
) -> str:
    """Return why a volume tells nothing about the alignment; empty if it does."""
    channels = (
        ("marker", marker, marker_slabs, MIN_MARKER_PEAKS),
        ("activity", activity, activity_slabs, MIN_ACTIVITY_PEAKS),
    )
    for name, channel, slabs, min_peaks in channels:
        fraction = saturated_fraction(channel)
        if fraction > MAX_SATURATED_FRACTION:
            return f"the {name} channel is saturated ({fraction:.0%} of its bright voxels)"
        peaks = slabs.peaks()
        if len(peaks) < min_peaks:
            return f"the {name} channel shows {len(peaks)} nuclei, {min_peaks} are needed"
        if (sharpness := slabs.sharpness(peaks)) < MIN_SHARPNESS:
            return f"the {name} channel is blurred (sharpness {sharpness:.2f}, 1 is a point)"
    return ""


def saturated_fraction(channel: VolumeArray) -> float:
    """Return which part of the bright voxels shares the very highest count.

    Bright is what lies above half of the highest count over the median. After binning the
    highest possible count is unknown, but saturated voxels still share one value.
    """
    highest = int(channel.max())
    median = float(np.median(channel[:: max(1, channel.shape[0] // 8)]))
    n_bright = int(np.count_nonzero(channel > (median + highest) / 2))
    n_highest = int(np.count_nonzero(channel == highest))
    return n_highest / n_bright if n_bright and highest > median else 0.0
