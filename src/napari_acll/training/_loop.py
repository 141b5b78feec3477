"""The loop that all small networks of the package are trained by; it survives a kill."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel

from napari_acll.core import ModelError
from napari_acll.training._muon import Muon

_LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPlan:
    """How a network is trained.

    Parameters
    ----------
    n_steps : int
        Steps of AdamW.
    learning_rate : float
        Highest of the one-cycle schedule.
    weight_decay : float
        Of AdamW.
    warm_share : float
        Share of the steps in which the learning rate rises.
    average_decay : float
        The result is the exponential average of the weights with this decay per step; 0 takes the
        last weights.
    matrix_learning_rate : float
        Highest of Muon, which trains the matrices of the layers that repeat; 0 trains all with
        AdamW.
    checkpoint : Path, optional
        File that the state is written to, and resumed from if it is there.
    checkpoint_every : int
        Steps between writes.
    """

    n_steps: int
    learning_rate: float
    weight_decay: float = 0.01
    warm_share: float = 0.1
    average_decay: float = 0.0
    matrix_learning_rate: float = 0.0
    checkpoint: Path | None = None
    checkpoint_every: int = 100


def run_loop(
    network: nn.Module,
    loss_at: Callable[[int], Tensor],
    plan: LoopPlan,
    on_step: Callable[[int, float], None],
) -> None:
    """Train a network in place and leave it in eval mode.

    Parameters
    ----------
    network : Module
        What is trained.
    loss_at : callable
        Returns the loss of step 0, 1, ...; what it draws must depend on the number of the step
        alone, so that a resumed training is the one that was interrupted.
    plan : LoopPlan
        Length, rate, and where the state is kept.
    on_step : callable
        Called with the number of steps done and the loss after each step.

    Raises
    ------
    ModelError
        If the checkpoint is damaged or is of another network or plan.
    """
    state = _LoopState(network, plan)
    done = state.resume()
    network.train()
    for step in range(done, plan.n_steps):
        loss = loss_at(step)
        state.step(loss)
        on_step(step + 1, float(loss.detach()))
        if (step + 1) % plan.checkpoint_every == 0 or step + 1 == plan.n_steps:
            state.write(step + 1)
    state.finish()
    network.eval()


class _LoopState:
    """Everything that a step changes."""

    def __init__(self, network: nn.Module, plan: LoopPlan) -> None:
        self._network, self._plan = network, plan
        self._optimizers = _optimizers(network, plan)
        self._schedules = [_schedule(optimizer, plan) for optimizer in self._optimizers]
        self._average: AveragedModel | None = None
        if plan.average_decay:
            average = _running_average(plan.average_decay)
            self._average = AveragedModel(network, avg_fn=average, use_buffers=True)

    def step(self, loss: Tensor) -> None:
        self._network.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._network.parameters(), _LARGEST_GRADIENT)
        for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
            optimizer.step()
            schedule.step()
        if self._average is not None:
            self._average.update_parameters(self._network)

    def finish(self) -> None:
        if self._average is not None:
            self._network.load_state_dict(self._average.module.state_dict())

    def write(self, n_done: int) -> None:
        """Replace the checkpoint in one go, so that a kill leaves the old or the new one."""
        path = self._plan.checkpoint
        if path is None:
            return
        part = path.with_suffix(".part")
        torch.save({"n_done": n_done, "n_steps": self._plan.n_steps} | self._parts(), part)
        part.replace(path)

    def resume(self) -> int:
        """Return the steps that a checkpoint has done, 0 without one.

        Raises
        ------
        ModelError
            If the checkpoint is damaged, or of another training.
        """
        path = self._plan.checkpoint
        if path is None or not path.exists():
            return 0
        device = next(self._network.parameters()).device
        try:
            saved = torch.load(path, map_location=device, weights_only=True)
            if saved["n_steps"] != self._plan.n_steps:
                raise ValueError(f"it is of a training of {saved['n_steps']} steps")
            self._network.load_state_dict(saved["network"])
            for number, optimizer in enumerate(self._optimizers):
                optimizer.load_state_dict(saved[f"optimizer_{number}"])
                self._schedules[number].load_state_dict(saved[f"schedule_{number}"])
            if self._average is not None:
                self._average.load_state_dict(saved["average"])
            return int(saved["n_done"])
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise _not_resumable(path, "it is damaged") from error
        except (RuntimeError, KeyError, ValueError) as error:
            raise _not_resumable(path, str(error).splitlines()[0]) from error

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"network": self._network.state_dict()}
        for number, optimizer in enumerate(self._optimizers):
            parts[f"optimizer_{number}"] = optimizer.state_dict()
            parts[f"schedule_{number}"] = self._schedules[number].state_dict()
        return parts | ({"average": self._average.state_dict()} if self._average else {})


def _running_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Return an exponential average over at most a tenth of the steps so far.

    Without that the weights at the start would weigh down the average of a short training.
    """

    def mean(average: Tensor, new: Tensor, n_seen: Tensor | int) -> Tensor:
        if not average.is_floating_point():  # a counter
            return new
        n = float(n_seen)
        return average.lerp(new, 1 - min(decay, (1 + n) / (10 + n)))

    return mean


def _optimizers(network: nn.Module, plan: LoopPlan) -> list[Optimizer]:
    """Return AdamW, and Muon for the matrices of a network's `layers` if the plan wants it."""
    inner = {
        name: weight
        for name, weight in network.named_parameters()
        if plan.matrix_learning_rate and name.startswith("layers.") and weight.ndim == 2
    }
    rest = [weight for name, weight in network.named_parameters() if name not in inner]
    made: list[Optimizer] = [
        torch.optim.AdamW(rest, lr=plan.learning_rate, weight_decay=plan.weight_decay)
    ]
    if inner:
        rate = plan.matrix_learning_rate
        made.append(Muon(inner.values(), lr=rate, weight_decay=plan.weight_decay))
    return made


def _schedule(optimizer: Optimizer, plan: LoopPlan) -> OneCycleLR:
    is_muon = isinstance(optimizer, Muon)
    return OneCycleLR(
        optimizer,
        plan.matrix_learning_rate if is_muon else plan.learning_rate,
        total_steps=plan.n_steps,
        pct_start=plan.warm_share,
        cycle_momentum=not is_muon,
    )


def _not_resumable(path: Path, why: str) -> ModelError:
    return ModelError(
        f"Expected the state of this training in {path}, it cannot be resumed ({why}); delete the"
        " file to start again."
    )
