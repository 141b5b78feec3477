"""The loss of the voxel classifier, block by block: no class map and no one-hot target."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK_BYTES_CPU = 8 * 2**20
_BLOCK_BYTES_GPU = 256 * 2**20
_LEAST_REST = 1e-6
"""1 - p is kept above this where a voxel must not be a class."""


def voxel_loss(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    voxel_weight: Tensor,
    used: Tensor,
) -> Tensor:
    """Return the weighted cross-entropy of the classes of one volume's voxels.

    A voxel of class `t` adds `-w log p_t`. A voxel in a nucleus without a known name, whose
    target is the number of classes, adds `-w log(1 - p_c)` for every class `c` that is used
    elsewhere in the volume: whatever it is, it is none of those. The sum is divided by the number
    of voxels.

    The last layer is part of the function: logits and their gradient are made and used up in
    blocks of voxels, so the memory for classes does not grow with the volume.

    Parameters
    ----------
    features : Tensor of float, shape (F, Z, Y, X)
        What the last layer turns into classes.
    weight : Tensor of float32, shape (K, F)
        Of the last layer.
    bias : Tensor of float32, shape (K,)
        Of the last layer.
    target : Tensor of int, shape (Z, Y, X)
        Class of each voxel, 0 the background; K where it has no known name.
    voxel_weight : Tensor of float32, shape (Z, Y, X)
        What each voxel counts.
    used : Tensor of bool, shape (K,)
        Classes that a voxel without a known name cannot be.

    Returns
    -------
    Tensor of float32, shape ()

    References
    ----------
    The rule for voxels without a name is that of AutoCellLabel Live
    (github.com/briangoodell/AutoCellLabel_Live); Sprague et al., eLife 14:RP108159, describe the
    network that it was made for.
    """
    loss: Tensor = _VoxelLoss.apply(  # type: ignore[no-untyped-call]
        features.flatten(1), weight, bias, target.flatten(), voxel_weight.flatten(), used
    )
    return loss


class _VoxelLoss(torch.autograd.Function):
    """Computes the gradient together with the loss, for it needs the same probabilities."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        features, weight, bias = tensors[:3]
        with torch.autocast(features.device.type, enabled=False):
            total, gradients = _in_blocks(*tensors, is_trained=any(ctx.needs_input_grad))
        ctx.save_for_backward(*gradients)
        ctx.dtypes = features.dtype, weight.dtype, bias.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        gradients = [
            (grad_loss * gradient).to(dtype)
            for gradient, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        ]
        return (*gradients, None, None, None)


def _in_blocks(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    target: Tensor,
    voxel_weight: Tensor,
    used: Tensor,
    *,
    is_trained: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    n_classes, n_voxels = len(weight), features.shape[1]
    total = bias.new_zeros((), dtype=torch.promote_types(bias.dtype, torch.float32))
    head = weight.to(features.dtype)
    gradients = (torch.empty_like(features), torch.zeros_like(weight), torch.zeros_like(bias))
    step = _block_voxels(n_classes, features)
    for start in range(0, n_voxels, step):
        part = slice(start, start + step)
        block = features[:, part]
        logits = (head @ block).to(total.dtype) + bias[:, None]
        loss, gradient = _block_loss(logits, target[part].long(), voxel_weight[part], used)
        total += loss
        if is_trained:
            gradient /= n_voxels
            low = gradient.to(features.dtype)
            gradients[0][:, part] = head.T @ low
            gradients[1].add_((low @ block.T).to(weight.dtype))
            gradients[2].add_(gradient.sum(1))
    return total / n_voxels, gradients if is_trained else ()


def _block_voxels(n_classes: int, features: Tensor) -> int:
    n_bytes = _BLOCK_BYTES_CPU if features.device.type == "cpu" else _BLOCK_BYTES_GPU
    return max(1, n_bytes // (4 * n_classes))


def _block_loss(
    logits: Tensor, target: Tensor, voxel_weight: Tensor, used: Tensor
) -> tuple[Tensor, Tensor]:
    """Return summed loss and its gradient for the logits, `(K, n)`, which are overwritten."""
    log_sum = logits.logsumexp(0)
    is_known = target < len(logits)
    known = torch.where(is_known, target, 0)[None]
    weight = torch.where(is_known, voxel_weight, 0.0).to(logits.dtype)
    loss = (weight * (log_sum - logits.gather(0, known)[0])).sum()
    probability = logits.sub_(log_sum).exp_()
    unknown = torch.nonzero(~is_known).flatten()
    if len(unknown):
        taken, its_gradient = _unknown_loss(
            probability[:, unknown], voxel_weight[unknown].to(logits.dtype), used
        )
        loss = loss + taken
    gradient = probability.mul_(weight)
    gradient.scatter_add_(0, known, -weight[None])
    if len(unknown):
        gradient[:, unknown] = its_gradient
    return loss, gradient


def _unknown_loss(probability: Tensor, weight: Tensor, used: Tensor) -> tuple[Tensor, Tensor]:
    """Return loss and gradient of voxels that are known to be none of the used classes."""
    rest = (1 - probability).clamp_min_(_LEAST_REST)
    is_used = used[:, None].to(probability.dtype)
    loss = -(weight * (is_used * rest.log()).sum(0)).sum()
    odds = is_used * probability / rest
    gradient = weight * (odds - probability * odds.sum(0))
    return loss, gradient
