"""The voxel classifier as it is trained: level by level, the last layer inside the loss."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from napari_acll.core import ModelError, NeuronTable
from napari_acll.label import UNet3D, read_unet3d_config
from napari_acll.training._unet3d_loss import voxel_loss
from napari_acll.training._unet3d_settings import UNet3DTrainSettings

_LEAST_MIXED_VOXELS = 300
"""On a CPU, torch 2.13 gets the weights' gradients of bfloat16 convolutions of smaller levels
wrong."""


class VoxelClassifier(nn.Module):
    """A `UNet3D` whose output is its loss, so that no map of all classes is ever made.

    Parameters
    ----------
    network : UNet3D
        What is trained.
    is_mixed : bool
        Whether convolutions compute in bfloat16 where that is safe.
    is_memory_spared : bool
        Whether activations are computed again for the gradient instead of kept.
    """

    def __init__(self, network: UNet3D, *, is_mixed: bool, is_memory_spared: bool) -> None:
        super().__init__()
        self.network = network
        self._is_mixed = is_mixed
        self._is_memory_spared = is_memory_spared

    def forward(self, image: Tensor, target: Tensor, weight: Tensor, used: Tensor) -> Tensor:
        """Return the loss of one volume; see `voxel_loss`.

        Parameters
        ----------
        image : Tensor of float32, shape (1, 1, Z, Y, X)
            Marker counts above background.
        target : Tensor of int, shape (Z, Y, X)
            Classes.
        weight : Tensor of float32, shape (Z, Y, X)
            What each voxel counts.
        used : Tensor of bool, shape (K,)
            Classes that a voxel without a known name cannot be.
        """
        head = self.network.final_conv
        bias = head.bias if head.bias is not None else head.weight.new_zeros(len(head.weight))
        features = self.features(image)[0]
        return voxel_loss(features, head.weight.flatten(1), bias, target, weight, used)

    def features(self, x: Tensor) -> Tensor:
        """Return what the last layer turns into classes, `(1, F, Z, Y, X)`."""
        encoded: list[Tensor] = []
        for encoder in self.network.encoders:
            pooling: Any = encoder.pooling
            n_pooled = 1 if pooling is None else _product(pooling.kernel_size)
            with self._precision(x, x[0, 0].numel() // n_pooled):
                x = self._run(encoder, x)
            encoded.append(x)
        encoded.pop()
        for decoder in self.network.decoders:
            same = encoded.pop()
            with self._precision(x, same[0, 0].numel()):
                x = self._run(decoder, same, x)
        return x

    def _precision(self, x: Tensor, n_voxels: int) -> AbstractContextManager[Any]:
        if not self._is_mixed:
            return nullcontext()
        kind = x.device.type
        is_safe = kind != "cpu" or n_voxels > _LEAST_MIXED_VOXELS
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=is_safe)

    def _run(self, block: nn.Module, *inputs: Tensor) -> Tensor:
        if self._is_mixed and not torch.is_autocast_enabled(inputs[0].device.type):
            inputs = tuple(each.float() for each in inputs)
        if self._is_memory_spared and self.training:
            spared: Tensor = checkpoint(block, *inputs, use_reentrant=False)
            return spared
        result: Tensor = block(*inputs)
        return result


def _product(kernel_size: int | tuple[int, ...]) -> int:
    sizes = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * 3
    product = 1
    for size in sizes:
        product *= size
    return product


def new_network(settings: UNet3DTrainSettings, neurons: NeuronTable) -> UNet3D:
    """Return a network like the original's, with random weights.

    Raises
    ------
    ModelError
        If the channels of a level cannot be divided into the groups.
    """
    torch.manual_seed(settings.seed)
    return UNet3D(
        read_unet3d_config(
            {
                "name": "UNet3D",
                "in_channels": 1,
                "out_channels": len(neurons) + 1,
                "f_maps": settings.f_maps,
                "num_levels": settings.num_levels,
                "num_groups": settings.num_groups,
                "layer_order": "gcr",
                "final_sigmoid": False,
            }
        )
    )


def start_from(network: UNet3D, start: UNet3D, names: NeuronTable, neurons: NeuronTable) -> None:
    """Give a network the weights of another one, class by class where names are the same.

    Parameters
    ----------
    network : UNet3D
        Is changed in place.
    start : UNet3D
        Where the weights come from.
    names, neurons : NeuronTable
        Neurons of `start` and of `network`.

    Raises
    ------
    ModelError
        If the two differ in more than their classes.
    """
    given, own = start.state_dict(), network.state_dict()
    head = [name for name in own if name.startswith("final_conv.")]
    body = [name for name in own if name not in head]
    if {n: given[n].shape for n in given if n not in head} != {n: own[n].shape for n in body}:
        raise ModelError(
            f"The training is of a network with f_maps {network.config.f_maps} and"
            f" {len(network.config.widths)} levels, the model to start from has f_maps"
            f" {start.config.f_maps} and {len(start.config.widths)}; give the same in the"
            " settings."
        )
    common = [name for name in neurons.names if name in names.names]
    to = [0, *(neurons.class_number(name) for name in common)]
    of = [0, *(names.class_number(name) for name in common)]
    for name in head:
        own[name][to] = given[name][of]
    network.load_state_dict(own | {name: given[name] for name in body})
