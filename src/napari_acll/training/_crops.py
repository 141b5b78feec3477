"""Crops of rendered volumes with the maps that the detector shall predict."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_acll.label import prepare
from napari_acll.simulate import Anatomy
from napari_acll.training._painted import PaintedVolume, paint_random
from napari_acll.training._volumes import RenderedVolume, render_random

MODEL_VOXEL_UM = (0.54, 0.54, 0.54)
_ANYWHERE_SHARE = 0.1
"""Crops that need not hold a nucleus."""
CENTER_SD_PX = 1.0
"""Width of the bump that marks a center: narrow enough to part touching nuclei."""


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """Part of a volume; all arrays are float32 of one shape.

    Parameters
    ----------
    image : ndarray
        Normalized marker.
    center : ndarray
        Bumps of height 1 at the centers.
    foreground : ndarray
        1 inside nuclei.
    """

    image: NDArray[np.float32]
    center: NDArray[np.float32]
    foreground: NDArray[np.float32]


class CropSampler:
    """Endless crops of ever new animals, painted and rendered by turns.

    Parameters
    ----------
    anatomy : Anatomy
        Where the animals come from.
    shape_px : tuple of int
        `(Z, Y, X)` of the crops.
    n_per_volume : int
        Crops of one volume, which are cheaper than new volumes.
    seed : int
        Decides everything.
    painted_share : float
        Part of the volumes that are painted after no particular microscope; the others are those
        of virtual worms.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        *,
        shape_px: tuple[int, int, int],
        n_per_volume: int,
        seed: int,
        painted_share: float = 0.6,
    ) -> None:
        self._anatomy = anatomy
        self._shape_px = shape_px
        self._n_per_volume = n_per_volume
        self._seed = seed
        self._painted_share = painted_share

    def batch(self, n: int, *, step: int) -> tuple[Tensor, Tensor]:
        """Return images `(n, 1, X, Y, Z)` and targets `(n, 2, X, Y, Z)` of a numbered step.

        A step always has the same crops, whatever was drawn before.
        """
        rng = np.random.default_rng([self._seed, 11, step])
        crops: list[Crop] = []
        while len(crops) < n:
            whole = target_maps(self._volume(rng), rng)
            n_more = min(self._n_per_volume, n - len(crops))
            crops += [self._cut(whole, rng) for _ in range(n_more)]
        images = np.stack([crop.image for crop in crops])[:, None]
        targets = np.stack([np.stack([crop.center, crop.foreground]) for crop in crops])
        return _to_tensor(images), _to_tensor(targets)

    def _volume(self, rng: np.random.Generator) -> PaintedVolume:
        if rng.random() < self._painted_share:
            return paint_random(self._anatomy, rng)
        return as_painted(render_random(self._anatomy, rng))

    def _cut(self, whole: Crop, rng: np.random.Generator) -> Crop:
        """Return a random part, mostly around a random nucleus, flipped at random."""
        centers = np.argwhere(whole.center > 0.7)
        middle = np.array([rng.integers(0, n) for n in whole.image.shape])
        if len(centers) and rng.random() > _ANYWHERE_SHARE:
            middle = centers[rng.integers(len(centers))] + rng.integers(-8, 9, 3)
        parts = []
        for extent, size, at in zip(whole.image.shape, self._shape_px, middle, strict=True):
            start = int(np.clip(at - size // 2, 0, max(extent - size, 0)))
            parts.append(slice(start, start + size))
        flips = tuple(axis for axis in range(3) if rng.random() < 0.5)
        arrays = (whole.image, whole.center, whole.foreground)
        cut = [self._padded(np.flip(array[tuple(parts)], flips)) for array in arrays]
        return Crop(*cut)

    def _padded(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        short = [(0, n - m) for n, m in zip(self._shape_px, array.shape, strict=True)]
        return np.pad(array, short)


def as_painted(rendered: RenderedVolume) -> PaintedVolume:
    """Return what a detector needs of a rendered volume."""
    spec = rendered.volume.spec
    is_inside = rendered.truth.is_inside(spec.shape)
    return PaintedVolume(
        marker=rendered.volume.marker,
        voxel_size_um=spec.voxel_size_um,
        centroid_px=rendered.truth.centroid_px[is_inside],
        masks=rendered.masks,
    )


def target_maps(volume: PaintedVolume, rng: np.random.Generator) -> Crop:
    """Return a whole volume, its brightness scale and sharpness varied, and its target maps."""
    image = prepare(
        _with_lost_slices(volume.marker, rng),
        background=0.0,
        voxel_um=volume.voxel_size_um,
        model_um=MODEL_VOXEL_UM,
    ).image
    image = image * np.float32(np.exp(rng.normal(0, 0.12)))
    centroid_px, masks = on_grid(volume, image.shape)
    return Crop(
        image=image,
        center=center_map(centroid_px, image.shape),
        foreground=(masks > 0).astype(np.float32),
    )


def on_grid(
    volume: PaintedVolume, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Return centers and masks on the grid of the model, should it not be that of the masks.

    Parameters
    ----------
    volume : PaintedVolume
        What is true of a volume.
    shape : tuple of int
        Of the volume on the grid of the model.
    """
    if volume.masks.shape == shape:
        return volume.centroid_px, volume.masks
    zoom = np.asarray(shape) / np.asarray(volume.masks.shape)
    nearest = [
        ((np.arange(n) + 0.5) / factor).astype(int) for n, factor in zip(shape, zoom, strict=True)
    ]
    return (volume.centroid_px + 0.5) * zoom - 0.5, volume.masks[np.ix_(*nearest)]


def _with_lost_slices(
    marker: NDArray[np.unsignedinteger], rng: np.random.Generator
) -> NDArray[np.unsignedinteger]:
    """Return the volume, one in ten with a slice that repeats its neighbor."""
    if rng.random() < 0.9:
        return marker
    at = int(rng.integers(1, len(marker)))
    damaged = marker.copy()
    damaged[at] = marker[at - 1]
    return damaged


def center_map(centroid_px: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a volume with a bump of height 1 at every center."""
    result = np.zeros(shape, np.float32)
    reach = 4
    for center in centroid_px:
        middle = np.round(center).astype(int)
        low = np.maximum(middle - reach, 0)
        high = np.minimum(middle + reach + 1, shape)
        if (high <= low).any():
            continue
        axes = [np.arange(a, b) - c for a, b, c in zip(low, high, center, strict=True)]
        z, y, x = (np.exp(-0.5 * (axis / CENTER_SD_PX) ** 2) for axis in axes)
        bump = (z[:, None, None] * y[:, None] * x).astype(np.float32)
        part = result[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        np.maximum(part, bump, out=part)
    return result


def _to_tensor(batch: NDArray[np.float32]) -> Tensor:
    turned = np.ascontiguousarray(batch.transpose(0, 1, 4, 3, 2))
    return torch.from_numpy(turned).contiguous(memory_format=torch.channels_last_3d)
