"""The device that a model runs on."""

import torch

from napari_acll.core import ModelError


def choose_device(device: str) -> torch.device:
    """Return the device of a setting.

    Parameters
    ----------
    device : str
        `auto` (the first GPU, else the CPU), `cpu`, `cuda` or `cuda:N`.

    Raises
    ------
    ModelError
        If the machine or this build of torch has no such GPU.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu" or (device == "auto" and not n_gpus):
        return torch.device("cpu")
    index = int(device.partition(":")[2] or 0)
    if index < n_gpus:
        return torch.device("cuda", index)
    if not n_gpus and torch.version.cuda is None:
        raise ModelError(
            f"Device {device} was asked for, this torch is a build without CUDA; choose --device"
            " cpu, or install a CUDA build of torch."
        )
    there = f"cuda:0 to cuda:{n_gpus - 1}" if n_gpus else "none"
    raise ModelError(
        f"Device {device} was asked for, the GPUs that torch sees are {there}; choose one of them"
        " or --device cpu."
    )


def wait_for(device: torch.device) -> None:
    """Return when a device has done what it was given; a CPU always has.

    Parameters
    ----------
    device : torch.device
        The device.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
