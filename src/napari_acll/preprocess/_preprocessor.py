"""Crop, sum-binning and background of every volume."""

import logging
from dataclasses import dataclass, replace

import numpy as np

from napari_acll.core import (
    PreprocessSettings,
    SettingsError,
    Volume,
    VolumeArray,
    VolumeSpec,
    VoxelGrid,
)

_logger = logging.getLogger(__name__)

_AXES = "zyx"
_LARGEST_BIN_PX = 16


@dataclass(frozen=True, slots=True)
class _Crop:
    """A box in voxels of the source's grid, stops excluded."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    def shape(self, bin_px: int) -> tuple[int, int, int]:
        z, y, x = (stop - start for start, stop in zip(self.start, self.stop, strict=True))
        return z, y // bin_px, x // bin_px


class Preprocessor:
    """Crops and sum-bins volumes and measures the background of each channel.

    Rows and columns that do not fill a bin are dropped at the far edge. Counts are summed, so
    a bin of `n` rows and columns holds up to `n * n` times a stored count; the result is uint16
    where that fits whatever the camera recorded, else uint32, the same for a whole recording.

    Parameters
    ----------
    spec : VolumeSpec
        The recording as stored.
    settings : PreprocessSettings
        Crop, in pixels of the recording as stored, and binning.

    Raises
    ------
    SettingsError
        If the crop reaches outside of the frame or leaves less than one binned pixel.

    Examples
    --------
    >>> grid = VoxelGrid.as_stored((80, 636, 966), (0.54, 0.18, 0.18))
    >>> preprocessor = Preprocessor(VolumeSpec(grid=grid, period_s=0.6), PreprocessSettings())
    >>> preprocessor.bin_px, preprocessor.spec.shape
    (3, (80, 212, 322))
    """

    def __init__(self, spec: VolumeSpec, settings: PreprocessSettings) -> None:
        self._source = spec
        self.bin_px = _chosen_bin_px(spec, settings)
        self._crop = _crop_in_source(spec.grid, settings)
        self._spec = spec.with_grid(_result_grid(spec.grid, self._crop, self.bin_px))
        _logger.info(
            "%s voxels as stored become %s, binned by %d",
            spec.shape,
            self._spec.shape,
            self.bin_px,
        )

    @property
    def spec(self) -> VolumeSpec:
        """Geometry of the volumes that `apply` returns."""
        return self._spec

    def apply(self, volume: Volume) -> Volume:
        """Return the volume cropped and binned, its background measured but not subtracted.

        The background is the exact median of each channel; slices that the recording lacks do
        not count.

        Parameters
        ----------
        volume : Volume
            As the source gave it.

        Returns
        -------
        Volume
            Both channels uint16 or uint32; times and missing slices follow the crop.

        Raises
        ------
        ValueError
            If the volume has another shape than the recording, or is not of unsigned integers.
        """
        z_start, z_stop = self._crop.start[0], self._crop.stop[0]
        missing_z = tuple(z - z_start for z in volume.missing_z if z_start <= z < z_stop)
        is_used = np.ones(z_stop - z_start, np.bool_)
        is_used[list(missing_z)] = False
        (marker, marker_background), (activity, activity_background) = self._channels(
            volume, is_used
        )
        return replace(
            volume,
            marker=marker,
            activity=activity,
            spec=self._spec,
            slice_times_s=volume.slice_times_s[z_start:z_stop],
            missing_z=missing_z,
            marker_background=marker_background,
            activity_background=activity_background,
        )

    def _channels(
        self, volume: Volume, is_used: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ) -> list[tuple[VolumeArray, float]]:
        """Return marker and activity binned, and the background of each."""
        # numba takes a quarter of a second to import, which the command line's help need not pay
        from napari_acll.preprocess._binning import median_of_counts

        stored = (volume.marker, volume.activity)
        for channel in stored:
            self._check(channel)
        binned: list[VolumeArray] = [
            np.empty(self._spec.shape, binned_dtype(channel.dtype, self.bin_px))
            for channel in stored
        ]
        return [
            (counts, median_of_counts(counts, is_used, largest))
            for counts, largest in zip(binned, self._fill(binned, stored), strict=True)
        ]

    def _fill(
        self, binned: list[VolumeArray], stored: tuple[VolumeArray, VolumeArray]
    ) -> tuple[int, int]:
        """Crop and bin both channels, and return the largest sum of each."""
        from napari_acll.preprocess._binning import sum_bin
        from napari_acll.preprocess._binning_pair import SharedFrames

        frames = SharedFrames.of(*stored)
        if frames is not None:
            return frames.sum_bin(*binned, start=self._crop.start, bin_px=self.bin_px)
        (z_start, y_start, x_start), (z_stop, _, _) = self._crop.start, self._crop.stop
        marker, activity = (
            sum_bin(
                np.ascontiguousarray(channel[z_start:z_stop]),
                filled,
                y_start,
                x_start,
                self.bin_px,
            )
            for channel, filled in zip(stored, binned, strict=True)
        )
        return marker, activity

    def _check(self, stored: VolumeArray) -> None:
        if stored.shape != self._source.shape or stored.dtype.kind != "u":
            raise ValueError(
                f"Expected a channel of {self._source.shape} unsigned integers, got"
                f" {stored.shape} {stored.dtype}."
            )


def binned_dtype(
    stored: np.dtype[np.unsignedinteger], bin_px: int
) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
    """Return the smallest type, of at least 16 bits, in which no sum of a bin can overflow.

    Parameters
    ----------
    stored : dtype
        Type of the counts as stored.
    bin_px : int
        Rows and columns that are summed into one.

    Returns
    -------
    dtype

    Raises
    ------
    ValueError
        If even uint32 could overflow.
    """
    largest = int(np.iinfo(stored).max) * bin_px**2
    if largest <= np.iinfo(np.uint16).max:
        return np.dtype(np.uint16)
    if largest <= np.iinfo(np.uint32).max:
        return np.dtype(np.uint32)
    raise ValueError(f"Sums of {bin_px} x {bin_px} counts of type {stored} exceed uint32.")


def _chosen_bin_px(spec: VolumeSpec, settings: PreprocessSettings) -> int:
    if settings.bin_px is not None:
        return settings.bin_px
    _, size_y, size_x = spec.voxel_size_um
    pixel_um = (size_y + size_x) / 2
    candidates = range(1, _LARGEST_BIN_PX + 1)
    return min(candidates, key=lambda bin_px: abs(bin_px * pixel_um - settings.target_pixel_um))


def _crop_in_source(grid: VoxelGrid, settings: PreprocessSettings) -> _Crop:
    crop = settings.crop
    z_start, z_stop = _crop_along(0, crop.z_start_px, crop.z_stop_px, grid)
    y_start, y_stop = _crop_along(1, crop.y_start_px, crop.y_stop_px, grid)
    x_start, x_stop = _crop_along(2, crop.x_start_px, crop.x_stop_px, grid)
    return _Crop((z_start, y_start, x_start), (z_stop, y_stop, x_stop))


def _crop_along(axis: int, start: int, stop: int | None, grid: VoxelGrid) -> tuple[int, int]:
    """Return start and stop in voxels of the source's grid, which may itself be a part."""
    size, first, bin_px = grid.stored_shape[axis], grid.start_px[axis], grid.bin_px[axis]
    stop = size if stop is None else stop
    if not start < stop <= size:
        raise SettingsError(
            f"The crop along {_AXES[axis]} goes from {start} to {stop}, but the recording has"
            f" {size} {'slices' if axis == 0 else 'pixels'} there; choose a crop with"
            f" 0 <= start < stop <= {size}."
        )
    local_start = -((first - start) // bin_px)  # rounded up: whole voxels only
    local_stop = (stop - first) // bin_px
    return max(0, local_start), max(0, min(grid.shape[axis], local_stop))


def _result_grid(grid: VoxelGrid, crop: _Crop, bin_px: int) -> VoxelGrid:
    shape = crop.shape(bin_px)
    if min(shape) < 1:
        raise SettingsError(
            f"After crop and binning by {bin_px}, {shape} (z, y, x) voxels are left of the"
            f" {grid.shape} of the recording; choose a larger crop or a smaller binning."
        )
    size_z, size_y, size_x = grid.voxel_size_um
    bin_z, bin_y, bin_x = grid.bin_px
    first_z, first_y, first_x = grid.start_px
    start_z, start_y, start_x = crop.start
    return VoxelGrid(
        shape=shape,
        voxel_size_um=(size_z, size_y * bin_px, size_x * bin_px),
        stored_shape=grid.stored_shape,
        start_px=(
            first_z + bin_z * start_z,
            first_y + bin_y * start_y,
            first_x + bin_x * start_x,
        ),
        bin_px=(bin_z, bin_y * bin_px, bin_x * bin_px),
    )
