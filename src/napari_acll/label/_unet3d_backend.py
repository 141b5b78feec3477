"""In which numbers a network of pytorch-3dunet computes, by a trial of it on a made-up volume."""

import copy

import numpy as np
import torch

from napari_acll.core import Backend
from napari_acll.label._backend_choice import (
    BackendChoice,
    as_wanted,
    chosen_once,
    machine_key,
)
from napari_acll.label._backend_trial import Trial, backends_to_try, fastest_alike
from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_boxes import Triple

_TRIED_SHAPE = {"cpu": (16, 32, 32), "cuda": (32, 64, 96)}
_N_NUCLEI_PER_VOXEL = 1 / 2000
_RADIUS_PX = 2.5
_LARGEST_CHANGE = 0.02
_ANSWER = tuple[torch.Tensor, torch.Tensor]


def choose_unet3d_backend(
    network: UNet3D,
    device: torch.device,
    wanted: Backend,
    *,
    sha256: str,
    min_probability: float,
) -> BackendChoice:
    """Return the backend of a setting, which may have to be measured.

    Parameters
    ----------
    network : UNet3D
        On the CPU, in single precision.
    device : torch.device
        Where it will run.
    wanted : Backend
        The setting.
    sha256 : str
        Hash of the weights.
    min_probability : float
        Above which a voxel has a class.
    """
    if wanted is not Backend.AUTO:
        return as_wanted(wanted, device)
    shape = _tried_shape(network, device)
    key = f"{machine_key(device)}, model {sha256}, {' x '.join(map(str, shape))} voxels"
    return chosen_once(
        key, lambda: measure_unet3d_backends(network, device, min_probability=min_probability)
    )


def measure_unet3d_backends(
    network: UNet3D, device: torch.device, *, min_probability: float
) -> BackendChoice:
    """Return the fastest backend that gives voxels the same classes.

    Parameters
    ----------
    network : UNet3D
        On the CPU, in single precision.
    device : torch.device
        Where it will run.
    min_probability : float
        Above which a voxel has a class.

    Raises
    ------
    RuntimeError
        If it cannot compute in single precision.
    """
    marker = made_up_volume(_tried_shape(network, device))

    def trial(backend: Backend) -> Trial[_ANSWER]:
        ready = in_precision(network, BackendChoice(backend, "").dtype).to(device)
        x = ready.as_input(marker)
        return Trial(lambda: _answer(ready, x), lambda: _answer(ready, x))

    return fastest_alike(
        trial,
        [backend for backend in backends_to_try(device) if not backend.is_graph],
        same=lambda first, second: share_of_same_voxels(first, second, min_probability),
        of_what="labeled voxels",
        device=device,
    )


def in_precision(network: UNet3D, dtype: torch.dtype) -> UNet3D:
    """Return a network that computes all but its classes in the given numbers.

    Half precision is laid out with the channels last, which is what fast kernels want: 3.7 s
    with a network of 16 maps in single precision on a CPU became 1.5 s in bfloat16 so, 2.5 s
    without.

    Parameters
    ----------
    network : UNet3D
        In single precision; given back as it is where that is wanted.
    dtype : torch.dtype
        float32, bfloat16 or float16.
    """
    if dtype is torch.float32:
        return network
    changed = copy.deepcopy(network).to(dtype)
    changed.final_conv.float()
    for parameter in changed.encoders.parameters():
        _lay_channels_last(parameter)
    for parameter in changed.decoders.parameters():
        _lay_channels_last(parameter)
    return changed


def _lay_channels_last(parameter: torch.nn.Parameter) -> None:
    if parameter.dim() == 5:
        parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)


def share_of_same_voxels(first: _ANSWER, second: _ANSWER, min_probability: float) -> float:
    """Return how many of the voxels to which either gives a class get the same from both.

    Where hardly any voxel gets one, it is how many of all voxels are about as probable.

    Parameters
    ----------
    first, second : tuple of Tensor, each of shape (Z, Y, X)
        Highest probability and its class.
    min_probability : float
        Above which a voxel has a class.
    """
    (sure, class_1), (sure_2, class_2) = first, second
    if not bool(torch.isfinite(sure_2).all()):
        return 0.0
    label_1 = torch.where(sure > min_probability, class_1, 0)
    label_2 = torch.where(sure_2 > min_probability, class_2, 0)
    is_labeled = (label_1 > 0) | (label_2 > 0)
    if int(is_labeled.sum()) < max(100, is_labeled.numel() // 1000):
        return float(((sure - sure_2).abs() <= _LARGEST_CHANGE).float().mean())
    return float((label_1 == label_2)[is_labeled].float().mean())


@torch.inference_mode()
def _answer(network: UNet3D, x: torch.Tensor) -> _ANSWER:
    features = network.features(network.in_layer_numbers(x))
    probabilities = network.activation(network.final_conv(features.float()), dim=1)[0]
    highest, classes = probabilities.max(0)
    return highest.cpu(), classes.cpu()


def _tried_shape(network: UNet3D, device: torch.device) -> Triple:
    wanted = _TRIED_SHAPE.get(device.type, _TRIED_SHAPE["cpu"])
    z, y, x = (max(n, least) for n, least in zip(wanted, network.min_shape, strict=True))
    return z, y, x


def made_up_volume(shape: Triple) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return bright balls in noise, as a marker channel above its background is.

    Parameters
    ----------
    shape : tuple of int
        `(Z, Y, X)` voxels.
    """
    rng = np.random.default_rng(0)
    counts = rng.normal(0, 12, shape)
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    for _ in range(max(4, int(np.prod(shape) * _N_NUCLEI_PER_VOXEL))):
        center = rng.uniform(0, shape)
        square = sum((axis - c) ** 2 for axis, c in zip(axes, center, strict=True))
        counts += rng.uniform(60, 400) * np.exp(-0.5 * square / _RADIUS_PX**2)
    return counts.astype(np.float32)
