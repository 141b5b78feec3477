"""Training of the network that names nuclei."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from napari_acll.label import Atlas, IdentifierNetwork
from napari_acll.training._ahead import Ahead
from napari_acll.training._loop import LoopPlan, run_loop
from napari_acll.training._point_batches import IGNORED, NamedNuclei, PointBatch

_HOME_WEIGHT = 0.05


def identifier_loss(
    logits: Tensor, home_um: Tensor, neuron: Tensor, atlas_mean_um: Tensor
) -> Tensor:
    """Return the loss of predicted names and places in the average animal.

    Parameters
    ----------
    logits : Tensor of float, shape (B, n, k + 1)
        Of names, column 0 for none.
    home_um : Tensor of float, shape (B, n, 3)
        Where each nucleus would lie in the average animal.
    neuron : Tensor of int64, shape (B, n)
        Class numbers, `IGNORED` where nobody knows or a row only fills up.
    atlas_mean_um : Tensor of float, shape (k, 3)
        Where neurons lie.
    """
    name_loss = cross_entropy(logits.flatten(0, 1), neuron.flatten(), ignore_index=IGNORED)
    is_named = neuron > 0
    error = home_um[is_named] - atlas_mean_um[neuron[is_named] - 1]
    return name_loss + _HOME_WEIGHT * torch.sqrt((error**2).sum(-1) + 1.0).mean()


def train_identifier(
    network: IdentifierNetwork,
    atlas: Atlas,
    draw: Callable[[np.random.Generator], NamedNuclei],
    *,
    batch_size: int,
    seed: int,
    plan: LoopPlan,
    on_step: Callable[[int, float], None],
    n_workers: int = 0,
) -> None:
    """Train in place.

    Parameters
    ----------
    network : IdentifierNetwork
        What is trained; its device is used.
    atlas : Atlas
        Where neurons lie.
    draw : callable
        Returns the detections of a new animal.
    batch_size : int
        Animals per step.
    seed : int
        Decides the animals.
    plan : LoopPlan
        Length and rate of the training, and where its state is kept.
    on_step : callable
        Called with the number of steps done and the loss after each step.
    n_workers : int
        Processes that draw animals ahead; `draw` is picklable then.

    Raises
    ------
    ModelError
        If the state of an earlier training cannot be resumed.
    """
    device = next(network.parameters()).device

    batches = Ahead(
        _Batches(draw, atlas, batch_size, seed), n_steps=plan.n_steps, n_workers=n_workers
    )

    def loss_at(step: int) -> Tensor:
        batch = batches(step)
        neuron = batch.neuron.to(device)
        logits, home_um = network(
            batch.position_um.to(device), batch.features.to(device), batch.is_nucleus.to(device)
        )
        return identifier_loss(logits, home_um, neuron, network.atlas_mean_um)

    run_loop(network, loss_at, plan, on_step)


@dataclass(frozen=True, slots=True)
class _Batches:
    """Draws the animals of a numbered step."""

    draw: Callable[[np.random.Generator], NamedNuclei]
    atlas: Atlas
    batch_size: int
    seed: int

    def __call__(self, step: int) -> PointBatch:
        rng = np.random.default_rng([self.seed, 12, step])
        return PointBatch.of([self.draw(rng) for _ in range(self.batch_size)], self.atlas, rng)
