"""Training of the network that finds nuclei."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.lr_scheduler import OneCycleLR

from napari_acll.label import DetectorNetwork
from napari_acll.training._crops import CropSampler

CENTER_WEIGHT = 40.0
"""Voxels at centers are about this much rarer than the rest of a nucleus's neighborhood."""


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
    foreground_loss = binary_cross_entropy_with_logits(
        logits[:, 1], foreground, weight=1 + 3 * foreground
    )
    return center_loss + 0.3 * foreground_loss


def train_detector(
    network: DetectorNetwork,
    sampler: CropSampler,
    *,
    n_steps: int,
    batch_size: int,
    learning_rate: float,
    on_step: Callable[[int, float], None],
) -> None:
    """Train in place.

    Parameters
    ----------
    network : DetectorNetwork
        What is trained; its device is used.
    sampler : CropSampler
        Where the crops come from.
    n_steps, batch_size : int
        Length of the training.
    learning_rate : float
        Highest of the one-cycle schedule.
    on_step : callable
        Called with the number of steps done and the loss after each step.
    """
    device = next(network.parameters()).device
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-3)
    schedule = OneCycleLR(optimizer, learning_rate, total_steps=n_steps, pct_start=0.15)
    for step in range(n_steps):
        images, targets = (part.to(device) for part in sampler.batch(batch_size))
        loss = detector_loss(network(images), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        on_step(step + 1, float(loss.detach()))
    network.eval()
