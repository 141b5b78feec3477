"""Labelers: from volumes to instances with neuron names; torch is imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

from napari_acll.label._calibration import Calibration
from napari_acll.label._device_check import (
    check_device,
    has_nvidia_gpu,
    n_usable_cores,
    offered_devices,
    used_device,
)
from napari_acll.label._fingerprint_card import Fingerprint
from napari_acll.label._memory_fallback import MemoryFallback, sparing_memory
from napari_acll.label._model_facts import ModelFacts, model_facts, model_stamp_ns
from napari_acll.label._names import find_names_file, read_names
from napari_acll.label._novelty import NoveltyReference
from napari_acll.label._openmp import wait_passively
from napari_acll.label._point_card import PointModelCard, read_card
from napari_acll.label._registry import (
    ModelInfo,
    available_models,
    find_model_file,
    load_labeler,
    models_dir,
)
from napari_acll.label._step_clock import StepClock, Took

if TYPE_CHECKING:
    from napari_acll.label._checkpoint import load_unet3d
    from napari_acll.label._devices import choose_device
    from napari_acll.label._fingerprint import fingerprint_difference, take_fingerprint
    from napari_acll.label._fitness import LEAST_SHARPNESS, saturated_share, sharpness
    from napari_acll.label._point_detector import DetectorNetwork
    from napari_acll.label._point_finder import FoundNuclei, NucleusFinder
    from napari_acll.label._point_frame import (
        Atlas,
        Pose,
        fit_pose,
        likeliest_poses,
        refine_affine,
    )
    from napari_acll.label._point_identifier import IdentifierNetwork
    from napari_acll.label._point_image import prepare
    from napari_acll.label._point_labeler import PointLabeler
    from napari_acll.label._point_labels import nucleus_table
    from napari_acll.label._point_model import PointModel
    from napari_acll.label._point_namer import NucleusNamer, NucleusTable
    from napari_acll.label._reference_path import (
        Part,
        alignment_part,
        labels_part,
        network_part,
        traces_part,
    )
    from napari_acll.label._unet3d import UNet3D
    from napari_acll.label._unet3d_config import UNet3DConfig, read_unet3d_config
    from napari_acll.label._unet3d_labeler import UNet3DLabeler
    from napari_acll.label._voxel_labels import VoxelLabels, label_voxels

wait_passively()  # before torch is imported, which reads it once

# Importing torch takes seconds; whoever only lists models or reads names does not pay for it.
_MODULE_OF_LAZY_NAME = {
    "Atlas": "_point_frame",
    "DetectorNetwork": "_point_detector",
    "FoundNuclei": "_point_finder",
    "IdentifierNetwork": "_point_identifier",
    "LEAST_SHARPNESS": "_fitness",
    "Part": "_reference_path",
    "Pose": "_point_frame",
    "alignment_part": "_reference_path",
    "choose_device": "_devices",
    "fingerprint_difference": "_fingerprint",
    "fit_pose": "_point_frame",
    "likeliest_poses": "_point_frame",
    "refine_affine": "_point_frame",
    "NucleusFinder": "_point_finder",
    "NucleusNamer": "_point_namer",
    "NucleusTable": "_point_namer",
    "PointLabeler": "_point_labeler",
    "PointModel": "_point_model",
    "UNet3D": "_unet3d",
    "UNet3DConfig": "_unet3d_config",
    "UNet3DLabeler": "_unet3d_labeler",
    "VoxelLabels": "_voxel_labels",
    "label_voxels": "_voxel_labels",
    "labels_part": "_reference_path",
    "load_unet3d": "_checkpoint",
    "read_unet3d_config": "_unet3d_config",
    "network_part": "_reference_path",
    "nucleus_table": "_point_labels",
    "prepare": "_point_image",
    "saturated_share": "_fitness",
    "sharpness": "_fitness",
    "take_fingerprint": "_fingerprint",
    "traces_part": "_reference_path",
}

__all__ = [
    "LEAST_SHARPNESS",
    "Atlas",
    "Calibration",
    "DetectorNetwork",
    "Fingerprint",
    "FoundNuclei",
    "IdentifierNetwork",
    "MemoryFallback",
    "ModelFacts",
    "ModelInfo",
    "NoveltyReference",
    "NucleusFinder",
    "NucleusNamer",
    "NucleusTable",
    "Part",
    "PointLabeler",
    "PointModel",
    "PointModelCard",
    "Pose",
    "StepClock",
    "Took",
    "UNet3D",
    "UNet3DConfig",
    "UNet3DLabeler",
    "VoxelLabels",
    "alignment_part",
    "available_models",
    "check_device",
    "choose_device",
    "find_model_file",
    "find_names_file",
    "fingerprint_difference",
    "fit_pose",
    "has_nvidia_gpu",
    "label_voxels",
    "labels_part",
    "likeliest_poses",
    "load_labeler",
    "load_unet3d",
    "model_facts",
    "model_stamp_ns",
    "models_dir",
    "n_usable_cores",
    "network_part",
    "nucleus_table",
    "offered_devices",
    "prepare",
    "read_card",
    "read_names",
    "read_unet3d_config",
    "refine_affine",
    "saturated_share",
    "sharpness",
    "sparing_memory",
    "take_fingerprint",
    "traces_part",
    "used_device",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF_LAZY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF_LAZY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
