"""Training and evaluation of labelers; torch is imported late."""

from importlib import import_module
from typing import TYPE_CHECKING

from napari_acll.training._lab_settings import LabDataSettings, LabEntry
from napari_acll.training._settings import (
    DetectorTraining,
    FineTuning,
    IdentifierTraining,
    TrainSettings,
    load_train_settings,
)
from napari_acll.training._unet3d_settings import AugmentationSettings, UNet3DTrainSettings

if TYPE_CHECKING:
    from napari_acll.training._animals import Herd, atlas_of, simulated_volumes
    from napari_acll.training._baselines import match_to_atlas
    from napari_acll.training._calibrated_model import calibrate_model
    from napari_acll.training._detections import detect_rendered
    from napari_acll.training._evaluation import (
        Scores,
        VolumeScore,
        evaluate,
        score_detections,
        score_volume,
        summarize,
    )
    from napari_acll.training._fine_tune import fine_tune
    from napari_acll.training._lab_data import LabData, open_lab_data
    from napari_acll.training._lab_table import RoiName, read_roi_names, settled_names
    from napari_acll.training._lab_volume import LabVolume
    from napari_acll.training._matching import match_nuclei
    from napari_acll.training._name_calibration import NameCalibration, calibrate_names
    from napari_acll.training._point_batches import NamedNuclei
    from napari_acll.training._progress import TrainProgress
    from napari_acll.training._real_animals import RealHead, read_heads
    from napari_acll.training._simulated_dataset import SimulatedSample, SimulatedVolumes
    from napari_acll.training._train import train
    from napari_acll.training._train_default import train_default
    from napari_acll.training._unet3d_loss import voxel_loss
    from napari_acll.training._unet3d_training import train_unet3d
    from napari_acll.training._verify_model import ModelCheck, verify_model
    from napari_acll.training._volumes import RenderedVolume, render_shape

_MODULE_OF_LAZY_NAME = {
    "Herd": "_animals",
    "LabData": "_lab_data",
    "LabVolume": "_lab_volume",
    "ModelCheck": "_verify_model",
    "NameCalibration": "_name_calibration",
    "NamedNuclei": "_point_batches",
    "RealHead": "_real_animals",
    "RenderedVolume": "_volumes",
    "RoiName": "_lab_table",
    "Scores": "_evaluation",
    "SimulatedSample": "_simulated_dataset",
    "SimulatedVolumes": "_simulated_dataset",
    "TrainProgress": "_progress",
    "VolumeScore": "_evaluation",
    "atlas_of": "_animals",
    "calibrate_model": "_calibrated_model",
    "calibrate_names": "_name_calibration",
    "detect_rendered": "_detections",
    "evaluate": "_evaluation",
    "fine_tune": "_fine_tune",
    "match_nuclei": "_matching",
    "match_to_atlas": "_baselines",
    "open_lab_data": "_lab_data",
    "read_heads": "_real_animals",
    "read_roi_names": "_lab_table",
    "render_shape": "_volumes",
    "score_detections": "_evaluation",
    "score_volume": "_evaluation",
    "settled_names": "_lab_table",
    "simulated_volumes": "_animals",
    "summarize": "_evaluation",
    "train": "_train",
    "train_default": "_train_default",
    "train_unet3d": "_unet3d_training",
    "verify_model": "_verify_model",
    "voxel_loss": "_unet3d_loss",
}

__all__ = [
    "AugmentationSettings",
    "DetectorTraining",
    "FineTuning",
    "Herd",
    "IdentifierTraining",
    "LabData",
    "LabDataSettings",
    "LabEntry",
    "LabVolume",
    "ModelCheck",
    "NameCalibration",
    "NamedNuclei",
    "RealHead",
    "RenderedVolume",
    "RoiName",
    "Scores",
    "SimulatedSample",
    "SimulatedVolumes",
    "TrainProgress",
    "TrainSettings",
    "UNet3DTrainSettings",
    "VolumeScore",
    "atlas_of",
    "calibrate_model",
    "calibrate_names",
    "detect_rendered",
    "evaluate",
    "fine_tune",
    "load_train_settings",
    "match_nuclei",
    "match_to_atlas",
    "open_lab_data",
    "read_heads",
    "read_roi_names",
    "render_shape",
    "score_detections",
    "score_volume",
    "settled_names",
    "simulated_volumes",
    "summarize",
    "train",
    "train_default",
    "train_unet3d",
    "verify_model",
    "voxel_loss",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF_LAZY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF_LAZY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
