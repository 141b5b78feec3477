"""Training of the network that finds nuclei."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_acll.label import DetectorNetwork
from napari_acll.training._ahead import Ahead
from napari_acll.training._crops import CropSampler
from napari_acll.training._loop import LoopPlan, run_loop

CENTER_WEIGHT = 40.0
"""Voxels at centers are about this much rarer than the rest of a nucleus's neighborhood."""
FOREGROUND_WEIGHT = 0.3
_LEAST_DEEP_VOXELS = 300


def detector_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of predicted maps of centers and foreground.

    Parameters
    ----------
    logits, targets : Tensor of float, shape (B, 2, X, Y, Z)
        Center and foreground.
    """
    center, foreground = targets[:, 0], targets[:, 1]
    # a cross-entropy against a bump is least where the probability is the bump's expectation, so
    # its maximum stays where the center is; the weight does not depend on the prediction
    center_loss = binary_cross_entropy_with_logits(
        logits[:, 0], center, weight=1 + CENTER_WEIGHT * center
    )
    # without weights, so that its half is where the border most likely is
    foreground_loss = binary_cross_entropy_with_logits(logits[:, 1], foreground)
    return center_loss + FOREGROUND_WEIGHT * foreground_loss


def train_detector(
    network: DetectorNetwork,
    sampler: CropSampler,
    *,
    batch_size: int,
    plan: LoopPlan,
    on_step: Callable[[int, float], None],
    is_mixed_precision: bool = False,
    n_workers: int = 0,
) -> None:
    """Train in place.

    Parameters
    ----------
    network : DetectorNetwork
        What is trained; its device is used.
    sampler : CropSampler
        Where the crops come from.
    batch_size : int
        Crops per step.
    plan : LoopPlan
        Length and rate of the training, and where its state is kept.
    on_step : callable
        Called with the number of steps done and the loss after each step.
    is_mixed_precision : bool
        Convolve in bfloat16. Gradients of convolutions in bfloat16 are wrong in torch 2.13 on a
        CPU where a level of the network has fewer than about 300 voxels: such crops are an error.
    n_workers : int
        Processes that draw crops ahead.

    Raises
    ------
    ModelError
        If the state of an earlier training cannot be resumed.
    ValueError
        If the crops are too small for mixed precision.
    """
    device = next(network.parameters()).device

    batches = Ahead(
        partial(_crops, sampler, batch_size), n_steps=plan.n_steps, n_workers=n_workers
    )

    def loss_at(step: int) -> Tensor:
        images, targets = (part.to(device) for part in batches(step))
        if is_mixed_precision:
            _check_size(images)
        with torch.autocast(device.type, torch.bfloat16, enabled=is_mixed_precision):
            logits = network(images)
        return detector_loss(logits.float(), targets)

    run_loop(network, loss_at, plan, on_step)


def _crops(sampler: CropSampler, batch_size: int, step: int) -> tuple[Tensor, Tensor]:
    return sampler.batch(batch_size, step=step)


def _check_size(images: Tensor) -> None:
    least = _LEAST_DEEP_VOXELS * DetectorNetwork.stride**3
    if images[0, 0].numel() < least:
        raise ValueError(
            f"Mixed precision needs crops of at least {least} voxels, got"
            f" {tuple(images.shape[2:])}; take larger crops or single precision."
        )
