"""Muon, an optimizer for the matrices inside a network; needs half the steps of AdamW here."""

from collections.abc import Iterable
from typing import cast

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
            for matrices in _by_shape(group["params"]):
                self._move(matrices, group)

    def _move(self, matrices: list[Tensor], group: dict[str, float]) -> None:
        """Move matrices of one shape; together they keep a GPU busier than one by one."""
        aims = orthogonalized(torch.stack([self._ahead(matrix, group) for matrix in matrices]))
        rows, columns = matrices[0].shape
        length = group["lr"] * max(1.0, rows / columns) ** 0.5
        for matrix, aim in zip(matrices, aims, strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(aim, alpha=-length)

    def _ahead(self, matrix: Tensor, group: dict[str, float]) -> Tensor:
        """Return where the averaged gradient of a matrix is going."""
        gradient = cast("Tensor", matrix.grad)
        state = self.state[matrix]
        if "average" not in state:
            state["average"] = torch.zeros_like(matrix)
        average: Tensor = state["average"]
        average.lerp_(gradient, 1 - group["momentum"])
        return gradient.lerp(average, group["momentum"])


def _by_shape(matrices: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """Return the matrices that have a gradient in groups of one shape, in a fixed order."""
    groups: dict[tuple[int, ...], list[Tensor]] = {}
    for matrix in matrices:
        if matrix.grad is not None:
            groups.setdefault(tuple(matrix.shape), []).append(matrix)
    return groups.values()


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return matrices of the same shape with singular values near 1 (0.7 to 1.2).

    Newton-Schulz iterations in bfloat16, as rough as the optimizer can bear.

    Parameters
    ----------
    matrix : Tensor of float, shape (..., rows, columns)
        One matrix, or several side by side.
    """
    a, b, c = _COEFFICIENTS
    is_tall = matrix.shape[-2] > matrix.shape[-1]
    x = (matrix.mT if is_tall else matrix).bfloat16()
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(_N_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = (x.mT if is_tall else x).to(matrix.dtype)
    return result
