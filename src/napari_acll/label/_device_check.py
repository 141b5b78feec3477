"""Whether the device of a setting is there; torch is imported only where that has to be."""

import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

from napari_acll.core import Check, Light, ModelError

CUDA_INSTALL = (
    "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu130"
)
"""Installs a CUDA build of torch; pytorch.org says which one fits an older driver."""

_NAME = "Device"
_CUDA_LINE = re.compile(r"^cuda\b[^=\n]*=\s*['\"]([\d.]+)['\"]", re.MULTILINE)
_BYTES_PER_GB = 1e9
_GPU_FILES = Path("/proc/driver/nvidia/gpus")


def has_nvidia_gpu() -> bool:
    """Return whether this computer has the driver of an NVIDIA GPU, whatever torch says."""
    if shutil.which("nvidia-smi"):
        return True
    if sys.platform == "win32":
        windows = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"))
        return (windows / "System32" / "nvcuda.dll").is_file()
    return Path("/proc/driver/nvidia/version").is_file()


def torch_cuda_version() -> str:
    """Return for which CUDA torch was built, empty if for none; torch is not imported."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return ""
    version_file = Path(found.origin).with_name("version.py")
    try:
        match = _CUDA_LINE.search(version_file.read_text(encoding="utf-8"))
    except OSError:
        return ""
    return match[1] if match else ""


def offered_devices() -> tuple[str, ...]:
    """Return what can be chosen for `label.device` here; torch is not imported.

    Those after the first GPU are found by the driver's files, which only Linux has.
    """
    if not (has_nvidia_gpu() and torch_cuda_version()):
        return ("auto", "cpu")
    n_gpus = max(1, len(list(_GPU_FILES.glob("*"))))
    return ("auto", "cpu", *(f"cuda:{index}" for index in range(n_gpus)))


def n_usable_cores() -> int:
    """Return how many CPU cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def used_device(device: str) -> str:
    """Return the device of a setting as torch calls it.

    torch is imported only where it may see a GPU.

    Parameters
    ----------
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.

    Returns
    -------
    str
        `cpu` or `cuda:N`; a device that is not there is returned as it was given.
    """
    if device == "cpu" or (device == "auto" and not (torch_cuda_version() and has_nvidia_gpu())):
        return "cpu"
    from napari_acll.label._devices import choose_device

    try:
        return str(choose_device(device))
    except ModelError:
        return device


def check_device(device: str) -> Check:
    """Return whether a model can run on a device, and on what it runs.

    torch is imported only if its build can use a GPU at all.

    Parameters
    ----------
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.
    """
    if device == "cpu":
        return _on_cpu("as chosen")
    cuda = torch_cuda_version()
    if not cuda:
        return _without_cuda_build(device)
    from napari_acll.label._devices import choose_device

    try:
        chosen = choose_device(device)
    except ModelError as error:
        return Check(
            name=_NAME, light=Light.RED, sentence=str(error), exit_code=ModelError.exit_code
        )
    if chosen.type == "cpu":
        return _unseen(cuda)
    return Check(name=_NAME, light=Light.GREEN, sentence=_gpu_in_words(chosen.index or 0))


def _on_cpu(why: str) -> Check:
    sentence = f"The CPU, {n_usable_cores()} cores ({why})."
    return Check(name=_NAME, light=Light.GREEN, sentence=sentence)


def _without_cuda_build(device: str) -> Check:
    is_auto = device == "auto"
    if has_nvidia_gpu():
        instead = f"; the CPU ({n_usable_cores()} cores) is used" if is_auto else ""
        sentence = (
            f"An NVIDIA GPU is here, but this torch has no CUDA{instead}. Install a CUDA build:"
            f" {CUDA_INSTALL}"
        )
    elif is_auto:
        return _on_cpu("there is no NVIDIA GPU")
    else:
        sentence = (
            f"Device {device} was chosen, but this computer has no NVIDIA GPU and this torch has"
            " no CUDA; choose auto or cpu."
        )
    if is_auto:
        return Check(name=_NAME, light=Light.AMBER, sentence=sentence)
    return Check(name=_NAME, light=Light.RED, sentence=sentence, exit_code=ModelError.exit_code)


def _unseen(cuda: str) -> Check:
    """Return what is told where torch could use a GPU and sees none."""
    if not has_nvidia_gpu():
        return _on_cpu("there is no NVIDIA GPU")
    return Check(
        name=_NAME,
        light=Light.AMBER,
        sentence=(
            f"An NVIDIA GPU is here, but this torch (built for CUDA {cuda}) cannot use it; the CPU"
            f" ({n_usable_cores()} cores) is used. Update the NVIDIA driver, or install a torch"
            " for an older CUDA (pytorch.org/get-started/locally)."
        ),
    )


def _gpu_in_words(index: int) -> str:
    import torch

    about = torch.cuda.get_device_properties(index)
    return f"cuda:{index}, {about.name} with {about.total_memory / _BYTES_PER_GB:.0f} GB."
