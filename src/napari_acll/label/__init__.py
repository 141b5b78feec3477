"""Labelers: from volumes to instances with neuron names; torch is imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

from napari_acll.label._names import find_names_file, read_names
from napari_acll.label._registry import ModelInfo, available_models, load_labeler

if TYPE_CHECKING:
    from napari_acll.label._checkpoint import load_unet3d
    from napari_acll.label._unet3d import UNet3D
    from napari_acll.label._unet3d_labeler import UNet3DLabeler

# Importing torch takes seconds; whoever only lists models or reads names does not pay for it.
_MODULE_OF_LAZY_NAME = {
    "UNet3D": "_unet3d",
    "UNet3DLabeler": "_unet3d_labeler",
    "load_unet3d": "_checkpoint",
}

__all__ = [
    "ModelInfo",
    "UNet3D",
    "UNet3DLabeler",
    "available_models",
    "find_names_file",
    "load_labeler",
    "load_unet3d",
    "read_names",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF_LAZY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF_LAZY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
