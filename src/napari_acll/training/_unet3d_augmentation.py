"""Changes training volumes on the device that trains: posture, contrast, blur and noise."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_acll.training._unet3d_samples import VoxelSample
from napari_acll.training._unet3d_settings import AugmentationSettings

_N_WAVES = 3
"""Waves along the body that make up a bend."""


@dataclass(frozen=True, slots=True, eq=False)
class VoxelBatch:
    """A sample as tensors on one device.

    Parameters
    ----------
    image : Tensor of float32, shape (1, 1, Z, Y, X)
        Marker counts above background.
    target : Tensor of int16, shape (Z, Y, X)
        Classes.
    weight : Tensor of float32, shape (Z, Y, X)
        What each voxel counts.
    used : Tensor of bool, shape (K,)
        Classes that a voxel without a known name cannot be.
    """

    image: Tensor
    target: Tensor
    weight: Tensor
    used: Tensor

    @classmethod
    def of(cls, sample: VoxelSample, device: torch.device) -> "VoxelBatch":
        """Return a sample on a device."""
        image, target, weight, used = (
            torch.from_numpy(np.ascontiguousarray(array)).to(device)
            for array in (sample.image, sample.target, sample.weight, sample.used)
        )
        return cls(image[None, None], target, weight, used)


def augment(
    batch: VoxelBatch, settings: AugmentationSettings, *, key: tuple[int, ...]
) -> VoxelBatch:
    """Return a changed volume; labels move with the image and stay what they are.

    Parameters
    ----------
    batch : VoxelBatch
        One volume.
    settings : AugmentationSettings
        What may happen, and how often.
    key : tuple of int
        Decides what happens.
    """
    rng = np.random.default_rng(key)
    grid = _sampling_grid(batch.target.shape, settings, rng).to(batch.image.device)
    image = functional.grid_sample(batch.image, grid, mode="bilinear", align_corners=True)
    labels = torch.stack([batch.target.float(), batch.weight])[None]
    moved = functional.grid_sample(labels, grid, mode="nearest", align_corners=True)[0]
    image = _with_noise(_blurred(image, settings, rng), settings, rng)
    return VoxelBatch(image, moved[0].to(batch.target.dtype), moved[1], batch.used)


def _sampling_grid(
    shape: torch.Size, settings: AugmentationSettings, rng: np.random.Generator
) -> Tensor:
    """Return where each voxel of the result is looked up, `(1, Z, Y, X, 3)` of (x, y, z)."""
    half = (np.array(shape) - 1) / 2
    matrix = _matrix(settings, rng)
    shift = rng.uniform(-1, 1, 3) * settings.shift_px * _happens(settings.shift, rng)
    z, y, x = (
        torch.linspace(-h, h, n, dtype=torch.float32) for h, n in zip(half, shape, strict=True)
    )
    bend = _bend(x, settings, rng)
    at: list[Tensor] = []
    for row, size, moved in zip(matrix, half, shift, strict=True):
        place = row[0] * z[:, None, None] + row[1] * (y[:, None] + bend) + row[2] * x + moved
        at.append(place / max(float(size), 1.0))
    return torch.stack(at[::-1], dim=-1)[None]


def _happens(probability: float, rng: np.random.Generator) -> bool:
    return bool(rng.random() < probability)


def _matrix(settings: AugmentationSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return turns, sizes and shear of `(z, y, x)`; its determinant is above 0: no mirror."""
    in_xy, in_yz = np.deg2rad(rng.normal(0, settings.turn_deg, 2))
    in_xz = np.deg2rad(rng.normal(0, settings.tilt_deg))
    in_xy, in_yz = (angle * _happens(settings.turn, rng) for angle in (in_xy, in_yz))
    matrix = _turn(1, 2, in_xy) @ _turn(0, 1, in_yz)
    matrix = matrix @ _turn(0, 2, in_xz * _happens(settings.tilt, rng))
    size = np.exp(rng.normal(0, settings.scale_sd, 3) * _happens(settings.scale, rng))
    slant = np.triu(rng.normal(0, settings.shear_sd, (3, 3)), 1)
    matrix = matrix @ np.diag(size) @ (np.eye(3) + slant * _happens(settings.shear, rng))
    if _happens(settings.lies_on_other_side, rng):
        matrix = np.diag([-1.0, -1.0, 1.0]) @ matrix
    return np.asarray(matrix, np.float64)


def _turn(first: int, second: int, angle: float) -> NDArray[np.float64]:
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = np.sin(angle), -np.sin(angle)
    return matrix


def _bend(x: Tensor, settings: AugmentationSettings, rng: np.random.Generator) -> Tensor:
    """Return the shift in y along the body, `(X,)`: a few long waves."""
    height = rng.normal(0, settings.bend_px / np.sqrt(_N_WAVES / 2), _N_WAVES)
    phase = rng.uniform(0, 2 * np.pi, _N_WAVES)
    if not _happens(settings.bend, rng):
        return torch.zeros_like(x)
    length = 2 * float(x[-1]) + 1
    waves = [
        h * torch.sin(np.pi * (k + 1) * x / length + p)
        for k, (h, p) in enumerate(zip(height / np.arange(1, _N_WAVES + 1), phase, strict=True))
    ]
    bend = torch.stack(waves).sum(0)
    return bend - bend.mean()


def _blurred(image: Tensor, settings: AugmentationSettings, rng: np.random.Generator) -> Tensor:
    """Return the image blurred more and more toward one end of the stack."""
    sd = float(rng.uniform(0, settings.blur_px))
    is_upward = rng.random() < 0.5
    if not _happens(settings.blur, rng) or sd < 0.1:
        return image
    blurred = image
    for axis in (2, 3, 4):
        blurred = _smooth(blurred, sd, axis)
    share = torch.linspace(0, 1, image.shape[2], device=image.device)[:, None, None]
    return torch.lerp(image, blurred, share if is_upward else 1 - share)


def _smooth(image: Tensor, sd: float, axis: int) -> Tensor:
    reach = min(int(np.ceil(3 * sd)), image.shape[axis] - 1)
    at = torch.arange(-reach, reach + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (at / sd) ** 2)
    shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
    shape[axis], padding[axis - 2] = len(at), reach
    return functional.conv3d(image, (kernel / kernel.sum()).reshape(shape), padding=padding)


def _with_noise(image: Tensor, settings: AugmentationSettings, rng: np.random.Generator) -> Tensor:
    gain = rng.uniform(1 - settings.contrast_range, 1 + settings.contrast_range)
    if _happens(settings.contrast, rng):
        # a gain alone would be undone by the first normalization: bright voxels change most
        top = image.amax().clamp_min(1e-6)
        image = top * (image.clamp_min(0) / top) ** float(gain) + image.clamp_max(0)
    sd = float(rng.uniform(0, settings.noise_share))
    if not _happens(settings.noise, rng):
        return image
    draw = torch.Generator(image.device).manual_seed(int(rng.integers(2**62)))
    noise = torch.randn(image.shape, generator=draw, device=image.device, dtype=image.dtype)
    return image + sd * image.amax() * noise
