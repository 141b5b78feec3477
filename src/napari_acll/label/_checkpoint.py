"""Loads checkpoints of pytorch-3dunet without ever running code that they may hold."""

import logging
import pickle
import struct
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors_bytes
from torch import Tensor

from napari_acll.core import ModelError
from napari_acll.label._unet3d import NetworkVersion, UNet3D
from napari_acll.label._unet3d_config import UNet3DConfig, find_config, read_unet3d_config

_logger = logging.getLogger(__name__)

_STATE_KEYS = ("model_state_dict", "model_state", "state_dict")
_COUNTER = "num_batches_tracked"
_WRAPPER_PREFIXES = ("module.", "_orig_mod.")
# What torch raises for files that are damaged or something else altogether.
_UNREADABLE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
)


def load_unet3d(
    checkpoint: Path | str, config: Path | str | Mapping[str, Any] | None = None
) -> UNet3D:
    """Return a network of pytorch-3dunet with the weights of a checkpoint, ready to run.

    Code in the file is never run: weights are read with `weights_only`, everything else is
    refused.

    Parameters
    ----------
    checkpoint : Path or str
        `.pytorch`, `.pt`, `.pth` or `.safetensors`: the trainer's checkpoint or a state dict.
    config : Path, str or mapping, optional
        The configuration that it was trained with; None: the YAML file beside it.

    Returns
    -------
    UNet3D
        In evaluation mode, on the CPU, float32.

    Raises
    ------
    ModelError
        If a file is missing, damaged or something else, holds code, or checkpoint and
        configuration do not fit together.
    """
    checkpoint = Path(checkpoint)
    weights = read_weights(checkpoint)
    settings = read_unet3d_config(find_config(checkpoint) if config is None else config)
    # Without memory until the weights are known to fit: a wrong configuration may mean terabytes.
    with torch.device("meta"):
        network = UNet3D(settings, NetworkVersion.of_weights(weights))
    _check_channels(weights, settings, checkpoint)
    _check_weights(weights, network, checkpoint)
    network.load_state_dict(_with_counters(weights, network), assign=True)
    _warn_of_unknown_slope(settings)
    return network.eval().requires_grad_(requires_grad=False)


def read_weights(checkpoint: Path) -> dict[str, Tensor]:
    """Return the state dict of a checkpoint, names as the bare network gives them.

    Raises
    ------
    ModelError
        If the file is missing, damaged, no checkpoint, or holds code.
    """
    if not checkpoint.is_file():
        raise ModelError(f"Checkpoint {checkpoint} does not exist; give the path of a file.")
    content = _read_file(checkpoint)
    state = content
    for key in _STATE_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            state = content[key]
            break
    if not isinstance(state, Mapping) or not state or not _is_weights(state):
        raise ModelError(
            f"{checkpoint} holds no weights of a network; give a checkpoint of pytorch-3dunet."
        )
    return {
        _bare_name(name): weight.float() if weight.is_floating_point() else weight
        for name, weight in state.items()
    }


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _read_file(path: Path) -> object:
    try:
        if path.suffix.lower() == ".safetensors":
            return load_safetensors_bytes(path.read_bytes())
        with torch.serialization.safe_globals(_numpy_scalars()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported global" in str(error) or "GLOBAL" in str(error):
            raise ModelError(
                f"{path} holds Python objects besides weights, which are never loaded because"
                " they can run code; save its state_dict alone."
            ) from error
        raise _unreadable(path) from error
    except OSError as error:
        raise ModelError(f"Checkpoint {path} cannot be read: {error.strerror}.") from error
    except (SafetensorError, *_UNREADABLE) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> ModelError:
    return ModelError(
        f"{path} is damaged or no checkpoint; give a file that torch.save or safetensors wrote."
    )


def _numpy_scalars() -> list[Any]:
    """Return what a stored numpy number needs: trainers keep their best score as one."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8")]
    return [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, *kinds]


def _is_weights(state: Mapping[Any, Any]) -> bool:
    return all(isinstance(name, str) for name in state) and all(
        isinstance(weight, Tensor) for weight in state.values()
    )


def _bare_name(name: str) -> str:
    for prefix in _WRAPPER_PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _check_channels(
    weights: Mapping[str, Tensor], settings: UNet3DConfig, checkpoint: Path
) -> None:
    """Say in the user's words what is the most frequent mistake: another number of channels."""
    trained = {
        "in_channels": _n_input_channels(weights),
        "out_channels": _first_size(weights.get("final_conv.weight"), axis=0),
    }
    for entry, n_trained in trained.items():
        n_given = getattr(settings, entry)
        if n_trained not in (None, n_given):
            raise ModelError(
                f"Checkpoint {checkpoint} was trained with {entry} {n_trained}, the configuration"
                f" says {n_given}; give the configuration that it was trained with."
            )


def _n_input_channels(weights: Mapping[str, Tensor]) -> int | None:
    block = "encoders.0.basic_module."
    for layer in ("SingleConv1.conv", "conv1.conv", "conv1", "conv2.conv"):
        if f"{block}{layer}.weight" in weights:
            return _first_size(weights[f"{block}{layer}.weight"], axis=1)
    return None


def _first_size(weight: Tensor | None, *, axis: int) -> int | None:
    return None if weight is None or weight.ndim <= axis else weight.shape[axis]


def _check_weights(weights: Mapping[str, Tensor], network: UNet3D, checkpoint: Path) -> None:
    expected = network.state_dict()
    needed = {name for name in expected if not name.endswith(_COUNTER)}
    advice = "give the configuration that it was trained with"
    for problem, names in (
        ("lacks", needed - set(weights)),
        ("has besides", set(weights) - set(expected)),
    ):
        if names:
            raise ModelError(
                f"Checkpoint {checkpoint} is not of the network in its configuration: it {problem}"
                f" {min(names)!r} and {len(names) - 1} more; {advice}."
            )
    for name, weight in weights.items():
        if weight.shape != expected[name].shape:
            raise ModelError(
                f"Checkpoint {checkpoint} has {name!r} of shape {tuple(weight.shape)}, its"
                f" configuration means {tuple(expected[name].shape)}; {advice}."
            )
        if not torch.isfinite(weight).all():
            raise ModelError(
                f"Checkpoint {checkpoint} has weights in {name!r} that are not finite: it is"
                " damaged or its training failed; give another checkpoint."
            )


def _with_counters(weights: dict[str, Tensor], network: UNet3D) -> dict[str, Tensor]:
    """Add the batch counters that old torch versions do not write; only training uses them."""
    counters = {
        name: torch.zeros((), dtype=torch.int64)
        for name in network.state_dict()
        if name.endswith(_COUNTER)
    }
    return counters | weights


def _warn_of_unknown_slope(settings: UNet3DConfig) -> None:
    if "l" in settings.layer_order and settings.leaky_relu_slope is None:
        _logger.warning(
            "The checkpoint does not say the slope of its leaky ReLU, which was 0.1 in older"
            " versions of pytorch-3dunet and 0.01 in newer ones; if the labels look wrong, set"
            " leaky_relu_slope in the model section of its configuration."
        )
