"""Training of the network that finds nuclei."""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_acll.label import DetectorNetwork
from napari_acll.training._crops import CropSampler
from napari_acll.training._loop import LoopPlan, run_loop

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
    batch_size: int,
    plan: LoopPlan,
    on_step: Callable[[int, float], None],
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

    Raises
    ------
    ModelError
        If the state of an earlier training cannot be resumed.
    """
    device = next(network.parameters()).device

    def loss_at(step: int) -> Tensor:
        images, targets = (part.to(device) for part in sampler.batch(batch_size, step=step))
        return detector_loss(network(images), targets)

    run_loop(network, loss_at, plan, on_step)
