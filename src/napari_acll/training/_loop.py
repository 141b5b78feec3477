"""The loop that all small networks of the package are trained by; it survives a kill."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_acll.core import ModelError

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
        self._optimizer = torch.optim.AdamW(
            network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )
        self._schedule = OneCycleLR(
            self._optimizer,
            plan.learning_rate,
            total_steps=plan.n_steps,
            pct_start=plan.warm_share,
        )
        self._average: AveragedModel | None = None
        if plan.average_decay:
            average = get_ema_multi_avg_fn(plan.average_decay)  # type: ignore[no-untyped-call]
            self._average = AveragedModel(network, multi_avg_fn=average, use_buffers=True)

    def step(self, loss: Tensor) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._network.parameters(), _LARGEST_GRADIENT)
        self._optimizer.step()
        self._schedule.step()
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
        """Return the steps that a checkpoint has done, 0 without one."""
        path = self._plan.checkpoint
        if path is None or not path.exists():
            return 0
        device = next(self._network.parameters()).device
        try:
            saved = torch.load(path, map_location=device, weights_only=True)
            if saved["n_steps"] != self._plan.n_steps:
                raise ValueError(f"it is of a training of {saved['n_steps']} steps")
            self._network.load_state_dict(saved["network"])
            self._optimizer.load_state_dict(saved["optimizer"])
            self._schedule.load_state_dict(saved["schedule"])
            if self._average is not None:
                self._average.load_state_dict(saved["average"])
            return int(saved["n_done"])
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise _not_resumable(path, "it is damaged") from error
        except (RuntimeError, KeyError, ValueError) as error:
            raise _not_resumable(path, str(error).splitlines()[0]) from error

    def _parts(self) -> dict[str, Any]:
        parts = {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }
        return parts | ({"average": self._average.state_dict()} if self._average else {})


def _not_resumable(path: Path, why: str) -> ModelError:
    return ModelError(
        f"Expected the state of this training in {path}, it cannot be resumed ({why}); delete the"
        " file to start again."
    )
