"""Muon, an optimizer for the matrices inside a network; needs half the steps of AdamW here."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_N_ITERATIONS = 5


class Muon(Optimizer):
    """Steps along the orthogonal part of the averaged gradient of each matrix.

    Parameters
    ----------
    matrices : iterable of Tensor, each of two dimensions
        What is trained.
    lr : float
        Length of a step, in terms of the singular values of what is added.
    momentum : float
        Of the average of gradients, with Nesterov's look ahead.
    weight_decay : float
        Decoupled, per step and learning rate.

    References
    ----------
    Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is not None:
                    self._move(matrix, matrix.grad, group)

    def _move(self, matrix: Tensor, gradient: Tensor, group: dict[str, float]) -> None:
        state = self.state[matrix]
        if "average" not in state:
            state["average"] = torch.zeros_like(matrix)
        average: Tensor = state["average"]
        average.lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(average, group["momentum"])
        rows, columns = matrix.shape
        length = group["lr"] * max(1.0, rows / columns) ** 0.5
        matrix.mul_(1 - group["lr"] * group["weight_decay"])
        matrix.add_(orthogonalized(ahead), alpha=-length)


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return a matrix of the same shape with singular values near 1 (0.7 to 1.2).

    Newton-Schulz iterations in bfloat16, as rough as the optimizer can bear.
    """
    a, b, c = _COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if is_tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(_N_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = (x.T if is_tall else x).to(matrix.dtype)
    return result
