"""The steps of the original pipeline that need torch, to compare the speed of ours with.

Written from what is published of AutoCellLabel Live (see `docs/explanations/live-speed.md`), with
random weights: only how long they take is of interest. The network and what is done with its 185
probability maps would take minutes on a CPU, so a part of each is computed, and `Part.times` says
how many such parts a volume has.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool3d, grid_sample

from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_config import read_unet3d_config

N_CLASSES = 185
_F_MAPS = 128
_NETWORK = {
    "name": "UNet3D",
    "in_channels": 1,
    "out_channels": N_CLASSES,
    "f_maps": _F_MAPS,
    "num_levels": 4,
    "num_groups": 16,
    "final_sigmoid": False,
}
_BLOCK = (16, 32, 32)
_SLAB_Z = 4
_MASK_THRESHOLD = 0.75
_N_CANDIDATES = 32 * 32 * 16
_N_TRIED = 64
_LARGEST_SHIFT = 0.02
_LARGEST_TURN_DEG = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """A part of one volume's work.

    Parameters
    ----------
    compute : callable
        Does it.
    times : float
        How many such parts the work of a volume is.
    how : str
        What the part is, in words.
    """

    compute: Callable[[], object]
    times: float
    how: str


def network_part(shape: tuple[int, int, int]) -> Part:
    """Return the dense network on a block; its work grows with the number of voxels.

    Parameters
    ----------
    shape : tuple of int
        `(Z, Y, X)` voxels of a volume.
    """
    network = UNet3D(read_unet3d_config(_NETWORK)).eval()
    block = torch.rand(1, 1, *_BLOCK)
    times = float(np.prod(shape) / np.prod(_BLOCK))
    how = f"UNet3D with f_maps {_F_MAPS} on {' x '.join(map(str, _BLOCK))} voxels, x {times:.0f}"

    def compute() -> Tensor:
        with torch.inference_mode():
            result: Tensor = network(block)
        return result

    return Part(compute, times, how)


def labels_part(shape: tuple[int, int, int]) -> Part:
    """Return softmax, mask, blur and argmax of all classes on some slices.

    Parameters
    ----------
    shape : tuple of int
        `(Z, Y, X)` voxels of a volume.
    """
    n_z = min(_SLAB_Z, shape[0])
    logits = torch.randn(1, N_CLASSES, n_z, *shape[1:])
    times = shape[0] / n_z
    how = f"softmax, mask, blur, argmax of {N_CLASSES} classes on {n_z} slices, x {times:.0f}"

    def compute() -> Tensor:
        with torch.inference_mode():
            probability = logits.softmax(1)
            blurred = avg_pool3d(probability, 3, stride=1, padding=1)
            best, label = (blurred * (probability > _MASK_THRESHOLD)).max(1)
            return torch.where(best > 0, label, 0)

    return Part(compute, times, how)


def alignment_part(marker: NDArray[np.floating], activity: NDArray[np.floating]) -> Part:
    """Return the search of shifts and turns on a grid, one candidate at a time.

    Parameters
    ----------
    marker, activity : ndarray of float, shape (Z, Y, X)
        Both channels.
    """
    fixed, moving = (
        torch.from_numpy(channel.max(0).astype(np.float32))[None, None]
        for channel in (marker, activity)
    )
    candidates = _candidates()
    times = _N_CANDIDATES / len(candidates)
    how = f"{len(candidates)} of {_N_CANDIDATES} candidates, x {times:.0f}"

    def compute() -> float:
        with torch.inference_mode():
            return max(_score(fixed, moving, candidate) for candidate in candidates)

    return Part(compute, times, how)


def _candidates() -> list[tuple[float, float, float]]:
    rng = np.random.default_rng(0)
    shift = rng.uniform(-_LARGEST_SHIFT, _LARGEST_SHIFT, (_N_TRIED, 2))
    turn_rad = np.deg2rad(rng.uniform(-_LARGEST_TURN_DEG, _LARGEST_TURN_DEG, _N_TRIED))
    return [(float(dx), float(dy), float(t)) for (dx, dy), t in zip(shift, turn_rad, strict=True)]


def _moved(images: Tensor, candidate: tuple[float, float, float]) -> Tensor:
    dx, dy, turn_rad = candidate
    cos, sin = float(np.cos(turn_rad)), float(np.sin(turn_rad))
    matrix = torch.tensor([[cos, -sin, dx], [sin, cos, dy]]).expand(len(images), 2, 3)
    grid = affine_grid(matrix, list(images.shape), align_corners=False)
    return grid_sample(images, grid, mode="bilinear", align_corners=False)


def _score(fixed: Tensor, moving: Tensor, candidate: tuple[float, float, float]) -> float:
    """Return the squared normalized correlation."""
    first = fixed - fixed.mean()
    second = _moved(moving, candidate)
    second = second - second.mean()
    return float((first * second).mean() ** 2 / (first.var() * second.var() + 1e-9))


def traces_part(
    marker: NDArray[np.floating], activity: NDArray[np.floating], labels: NDArray[np.integer]
) -> Part:
    """Return the alignment of the whole activity channel and the means of all classes.

    Parameters
    ----------
    marker, activity : ndarray of float, shape (Z, Y, X)
        Both channels, above background.
    labels : ndarray of int, shape (Z, Y, X)
        Class of each voxel.
    """
    slices = torch.from_numpy(activity.astype(np.float32))[:, None]
    flat = torch.from_numpy(labels.astype(np.int64).ravel())
    weight = torch.from_numpy(marker.astype(np.float32).ravel())

    def compute() -> Tensor:
        with torch.inference_mode():
            aligned = _moved(slices, (0.01, 0.01, 0.0005)).ravel()
            green = torch.bincount(flat, aligned, N_CLASSES)
            red = torch.bincount(flat, weight, N_CLASSES)
            return green / red

    return Part(compute, 1.0, "grid_sample of all slices, sums over all voxels")
