"""How much memory a network of pytorch-3dunet takes, and how it is run with what there is."""

import time
from dataclasses import dataclass
from math import prod

import torch
from torch import nn

from napari_acll.core import ModelError
from napari_acll.label._devices import wait_for
from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_boxes import Triple
from napari_acll.label._unet3d_config import UNet3DConfig
from napari_acll.label._unet3d_layerwise import BlockPlan, can_run_in_blocks
from napari_acll.label._unet3d_maps import (
    ConvolvedMap,
    JoinedMap,
    StoredMap,
    block_within,
)

_SHARE_OF_FREE = {"cuda": 0.85, "cpu": 0.6}
"""Of the free memory: the computer has other uses for its own."""
_MOST_BLOCK_BYTES = {"cuda": 2 * 2**30, "cpu": 2**29}
_LEAST_BLOCK_BYTES = 4 * 2**20
_CLASSES_BYTES = {"cuda": 3 * 2**28, "cpu": 2**26}
"""Logits, probabilities and classes of the voxels that are classified at once."""
_MOST_TIMED_VOXELS = 20_000
_MB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What may be used, in bytes.

    Parameters
    ----------
    on_device : int
        On the device that computes.
    on_host : int
        In the computer; the same memory where the device is the CPU.
    """

    on_device: int
    on_host: int


def free_memory(device: torch.device) -> Memory:
    """Return what may be used of the memory that is free now.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    """
    import psutil

    on_host = int(_SHARE_OF_FREE["cpu"] * psutil.virtual_memory().available)
    if device.type != "cuda":
        return Memory(on_device=on_host, on_host=on_host)
    free, _ = torch.cuda.mem_get_info(device)
    # what torch holds without using it is free for it
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return Memory(on_device=int(_SHARE_OF_FREE["cuda"] * free), on_host=on_host)


def whole_values(config: UNet3DConfig, shape: Triple) -> int:
    """Return how many numbers the network holds at most when it runs on a whole volume.

    The worst moment is the first layer of the last decoder: both of its inputs, the two joined,
    these normalized, laid out for the convolution, and its result. With 16 maps on a volume of
    64 x 120 x 284 that is 1864 MB, and 1871 with the classes were measured on a CPU
    (`recipes/measure_blocks.py`).

    Parameters
    ----------
    config : UNet3DConfig
        The network.
    shape : tuple of int
        `(Z, Y, X)` voxels.
    """
    fine, coarse = config.widths[:2]
    joined = 2 * fine if config.is_residual or config.upsample == "deconv" else fine + coarse
    return prod(shape) * (4 * joined + 2 * fine)


def kept_values(config: UNet3DConfig, shape: Triple) -> int:
    """Return how many numbers lie between the layers at most when it runs in blocks.

    For a plain network: what the first encoder gave, what a layer of the last decoder gave, and
    the map below it. With residual blocks each layer keeps its own beside them.

    Parameters
    ----------
    config : UNet3DConfig
        The network.
    shape : tuple of int
        `(Z, Y, X)` voxels.
    """
    fine, coarse = config.widths[:2]
    below = prod(n // k for n, k in zip(shape, config.pool_kernel_size, strict=True))
    # a layer whose normalization follows its convolution keeps what is normalized, too
    has_late_norm = set("gb") & set(config.layer_order.partition("c")[2])
    n_own = (4 if config.is_residual else 2) + bool(has_late_norm)
    in_last_decoder = n_own * fine * prod(shape) + 2 * coarse * below
    before_it = fine * prod(shape) + (n_own + 3) * coarse * below
    return max(in_last_decoder, before_it) + config.in_channels * prod(shape)


def plan_blocks(
    network: UNet3D, shape: Triple, *, memory: Memory, is_whole_allowed: bool = True
) -> BlockPlan | None:
    """Return how volumes of a shape are run within the memory; None: as a whole.

    Parameters
    ----------
    network : UNet3D
        Where it computes.
    shape : tuple of int
        `(Z, Y, X)` voxels.
    memory : Memory
        What may be used.
    is_whole_allowed : bool
        Whether it may run as a whole.

    Raises
    ------
    ModelError
        If not even blocks fit.
    """
    config, device = network.config, network.final_conv.weight.device.type
    itemsize = network.layer_dtype.itemsize
    classes = _CLASSES_BYTES[device]
    if is_whole_allowed and itemsize * whole_values(config, shape) + classes <= memory.on_device:
        return None
    if not can_run_in_blocks(config):
        raise ModelError(
            f"Volumes of {_words(shape)} voxels need"
            f" {itemsize * whole_values(config, shape) / _MB:.0f} MB with this network, which"
            f" cannot be run in blocks (upsample {config.upsample}); {_ADVICE}."
        )
    kept = itemsize * kept_values(config, shape)
    room = memory.on_device - classes
    block = min(_MOST_BLOCK_BYTES[device], room - kept)
    if block >= _LEAST_BLOCK_BYTES:
        return BlockPlan(most_values=block // itemsize)
    block = min(_MOST_BLOCK_BYTES[device], room)
    if device == "cpu" or kept > memory.on_host or block < _LEAST_BLOCK_BYTES:
        needed = (kept + classes + _LEAST_BLOCK_BYTES) / _MB
        beside = "" if device == "cpu" else f" and {memory.on_host / _MB:.0f} MB beside it"
        raise ModelError(
            f"Volumes of {_words(shape)} voxels need {needed:.0f} MB with this network even in"
            f" blocks, {memory.on_device / _MB:.0f} MB of the device{beside} may be used;"
            f" {_ADVICE}."
        )
    return BlockPlan(most_values=block // itemsize, keeps_on_device=False)


_ADVICE = "crop or bin more, close other programs, or raise label.max_memory_gb"


def fastest_plan(network: UNet3D, shape: Triple, plan: BlockPlan) -> BlockPlan:
    """Return a plan with the fastest of three sizes of blocks, by a trial of the widest layer.

    Parameters
    ----------
    network : UNet3D
        Where it computes.
    shape : tuple of int
        `(Z, Y, X)` voxels of a volume.
    plan : BlockPlan
        The largest blocks that fit.
    """
    least = _LEAST_BLOCK_BYTES // 4
    sizes = {max(plan.most_values // divisor, least) for divisor in (1, 4, 16)}
    widest = _widest_convolution(network)
    speeds = {
        size: _voxels_per_s(network, widest, shape, size) for size in sorted(sizes, reverse=True)
    }
    best = max(speeds, key=lambda size: speeds[size])
    return BlockPlan(most_values=best, keeps_on_device=plan.keeps_on_device)


def plan_in_words(network: UNet3D, shape: Triple, plan: BlockPlan | None) -> str:
    """Return one sentence on how volumes are run.

    Parameters
    ----------
    network : UNet3D
        The network.
    shape : tuple of int
        `(Z, Y, X)` voxels.
    plan : BlockPlan, optional
        The plan; None: as a whole.
    """
    itemsize = network.layer_dtype.itemsize
    if plan is None:
        return "The network runs on whole volumes."
    kept = itemsize * kept_values(network.config, shape) / _MB
    where = "on the device" if plan.keeps_on_device else "in the computer's memory"
    block = itemsize * plan.most_values / _MB
    return (
        f"The network runs layer by layer in blocks of at most {block:.0f} MB, with"
        f" {kept:.0f} MB of maps {where}: whole volumes would need"
        f" {itemsize * whole_values(network.config, shape) / _MB:.0f} MB. The labels are the same"
        " up to rounding."
    )


def _widest_convolution(network: UNet3D) -> nn.Conv3d:
    """Return the first convolution of the last decoder, which has most of the work."""
    found = [m for m in network.decoders[-1].modules() if isinstance(m, nn.Conv3d)]
    return max(found, key=lambda convolution: convolution.in_channels)


@torch.inference_mode()
def _voxels_per_s(
    network: UNet3D, convolution: nn.Conv3d, shape: Triple, most_values: int
) -> float:
    weight = convolution.weight
    device, n_in = weight.device, convolution.in_channels
    small = _cut(shape)

    def made_up(n_channels: int) -> StoredMap:
        values = torch.zeros((n_channels, *small), dtype=weight.dtype, device=device)
        return StoredMap(values, device)

    n_first = min(network.config.widths[0], n_in - 1)
    source = JoinedMap(made_up(n_first), made_up(n_in - n_first)) if n_first else made_up(n_in)
    layer = ConvolvedMap(source, convolution)
    z, y, x = block_within(layer, most_values)
    box = ((0, z), (0, y), (0, x))
    layer.read(box)  # chooses its algorithm
    wait_for(device)
    began_s = time.perf_counter()
    layer.read(box)
    wait_for(device)
    return z * y * x / max(time.perf_counter() - began_s, 1e-9)


def _cut(shape: Triple) -> Triple:
    sides = list(shape)
    while prod(sides) > _MOST_TIMED_VOXELS:
        longest = sides.index(max(sides))
        sides[longest] = (sides[longest] + 1) // 2
    z, y, x = sides
    return z, y, x


def _words(shape: Triple) -> str:
    return " x ".join(map(str, shape))
