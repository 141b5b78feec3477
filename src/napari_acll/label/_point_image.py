"""The marker channel as the detector wants it: its voxel size, and brightness of a known scale."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from napari_acll.core import ModelError
from napari_acll.label._point_levels import Grid, measure_levels, normalized
from napari_acll.label._point_region import Box, bright_region

Triple = tuple[float, float, float]

_TOLERANCE = 1.3
"""Voxels may be larger or smaller than in training by this factor: training varies sizes too."""
_BRIGHT_UM3 = 700.0
"""The brightness scale is what so much of the volume exceeds: the brightest quarter of all nuclei,
whatever the size of the field around the animal."""
_GAIN = 4.0
_MAX_VOXELS = 60_000_000
_FLAT_SNR = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class PreparedVolume:
    """One marker volume on the grid of the model.

    Parameters
    ----------
    image : ndarray of float32, shape (z, y, x)
        Normalized marker: 0 at the background, about 2 in bright nuclei.
    counts : ndarray of unsigned int or float32, shape (z, y, x)
        Marker, as it came or resampled.
    dark : float
        The counts of nothing.
    signal_to_noise : float
        The brightness scale against the noise of single voxels.
    stored_shape : tuple of int
        Shape of the volume as it came.
    voxel_size_um : tuple of float
        Of the grid of the model, `(Z, Y, X)`.
    bright : tuple of slice
        The box around everything bright, `(z, y, x)`.
    """

    image: NDArray[np.float32]
    counts: Grid
    dark: float
    signal_to_noise: float
    stored_shape: tuple[int, int, int]
    voxel_size_um: Triple
    bright: Box

    @property
    def is_flat(self) -> bool:
        """Whether nothing stands out of the noise."""
        return self.signal_to_noise < _FLAT_SNR

    @property
    def zoom(self) -> NDArray[np.float64]:
        """Voxels of the model's grid per voxel as it came, along `(Z, Y, X)`."""
        factor: NDArray[np.float64] = np.asarray(self.image.shape) / np.asarray(self.stored_shape)
        return factor

    def to_stored_px(self, position_px: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return positions of the model's grid in voxels as they came."""
        stored: NDArray[np.float64] = (position_px + 0.5) / self.zoom - 0.5
        return stored.astype(np.float32)

    def to_stored_labels(self, labels: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Return labels of the model's grid on the voxels as they came."""
        if labels.shape == self.stored_shape:
            return labels
        nearest = [
            np.minimum(((np.arange(n) + 0.5) * factor).astype(int), size - 1)
            for n, factor, size in zip(self.stored_shape, self.zoom, labels.shape, strict=True)
        ]
        return np.ascontiguousarray(labels[np.ix_(*nearest)])


def check_geometry(shape: tuple[int, int, int], voxel_um: Triple, model_um: Triple) -> None:
    """Raise unless volumes of this geometry can be brought to the grid of the model.

    Raises
    ------
    ModelError
        If a voxel size is not positive, there are fewer than three voxels along an axis, or the
        volume is too large.
    """
    if min(voxel_um) <= 0 or not np.isfinite(voxel_um).all():
        raise ModelError(
            f"Expected a voxel size in um along z, y and x, got {voxel_um}; give the voxel size"
            " of the recording in the settings."
        )
    if min(shape) < 3:
        raise ModelError(
            f"Expected at least 3 voxels along z, y and x, got {shape}; nuclei cannot be found in"
            " so thin a volume, choose another recording or crop."
        )
    size = np.prod([float(n) for n in _model_shape(shape, voxel_um, model_um)])
    if size > _MAX_VOXELS:
        raise ModelError(
            f"Volumes of {shape} voxels of {voxel_um} um become {size / 1e6:.0f} million voxels at"
            f" the {model_um[0]:g} um of the model, at most {_MAX_VOXELS // 10**6} million fit;"
            " crop the recording or correct its voxel size."
        )


def _model_shape(
    shape: tuple[int, int, int], voxel_um: Triple, model_um: Triple
) -> tuple[int, int, int]:
    ratio = np.asarray(voxel_um) / np.asarray(model_um)
    if (ratio < _TOLERANCE).all() and (ratio > 1 / _TOLERANCE).all():
        return shape
    z, y, x = (max(1, round(n * r)) for n, r in zip(shape, ratio, strict=True))
    return z, y, x


def prepare(
    marker: NDArray[np.unsignedinteger],
    *,
    background: float,
    voxel_um: Triple,
    model_um: Triple,
) -> PreparedVolume:
    """Return the marker channel on the grid of the model.

    Parameters
    ----------
    marker : ndarray of unsigned int, shape (Z, Y, X)
        Raw counts.
    background : float
        Counts to subtract; 0 if not measured, then the median is.
    voxel_um, model_um : tuple of float
        `(Z, Y, X)` voxel sizes of the volume and of the model, in um.
    """
    shape = _model_shape(marker.shape, voxel_um, model_um)
    grid = marker if marker.shape == shape else _resampled(marker, shape)
    actual_um = np.asarray(voxel_um) * np.asarray(marker.shape) / np.asarray(shape)
    some = grid[::2, ::2, ::2]
    n_bright = min(max(int(_BRIGHT_UM3 / (8 * float(actual_um.prod()))), 1), some.size)
    dark, scale, noise = measure_levels(some, background=background, n_bright=n_bright)
    image = normalized(grid, dark=dark, gain=_GAIN / max(scale, 1e-3))
    z, y, x = (float(size) for size in actual_um)
    return PreparedVolume(
        image=image,
        counts=grid,
        dark=dark,
        signal_to_noise=scale / noise if noise > 0 else (np.inf if scale > 0 else 0.0),
        stored_shape=marker.shape,
        voxel_size_um=(z, y, x),
        bright=bright_region(image),
    )


def _resampled(
    marker: NDArray[np.unsignedinteger], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    averaged = _block_mean(marker.astype(np.float32), shape)
    factors = [n / m for n, m in zip(shape, averaged.shape, strict=True)]
    resampled: NDArray[np.float32] = zoom(
        averaged, factors, order=1, mode="nearest", grid_mode=True
    )
    return resampled


def _block_mean(volume: NDArray[np.float32], shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return the mean of as many neighbors as become one voxel, so that none is passed over."""
    for axis, (have, want) in enumerate(zip(volume.shape, shape, strict=True)):
        step = have // want
        if step > 1 and have % step == 0:
            split = (*volume.shape[:axis], have // step, step, *volume.shape[axis + 1 :])
            volume = volume.reshape(split).mean(axis + 1)
    return volume
