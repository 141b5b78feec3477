"""Training of the network that names nuclei."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import OneCycleLR

from napari_acll.label import Atlas, IdentifierNetwork
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
        Class numbers, `IGNORED` where a row only fills up.
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
    n_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    on_step: Callable[[int, float], None],
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
    n_steps, batch_size : int
        Length of the training.
    learning_rate : float
        Highest of the one-cycle schedule.
    seed : int
        Decides the animals.
    on_step : callable
        Called with the number of steps done and the loss after each step.
    """
    rng = np.random.default_rng([seed, 12])
    device = next(network.parameters()).device
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = OneCycleLR(optimizer, learning_rate, total_steps=n_steps, pct_start=0.1)
    for step in range(n_steps):
        batch = PointBatch.of([draw(rng) for _ in range(batch_size)], atlas, rng)
        neuron = batch.neuron.to(device)
        logits, home_um = network(
            batch.position_um.to(device), batch.features.to(device), neuron != IGNORED
        )
        loss = identifier_loss(logits, home_um, neuron, network.atlas_mean_um)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        on_step(step + 1, float(loss.detach()))
    network.eval()
