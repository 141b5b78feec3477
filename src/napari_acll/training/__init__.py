"""Training and evaluation of the bundled labeler on simulated animals; torch is imported late."""

from importlib import import_module
from typing import TYPE_CHECKING

from napari_acll.training._settings import (
    DetectorTraining,
    IdentifierTraining,
    TrainSettings,
    load_train_settings,
)

if TYPE_CHECKING:
    from napari_acll.training._animals import Herd, atlas_of, simulated_volumes
    from napari_acll.training._baselines import match_to_atlas, match_with_oracle
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
    from napari_acll.training._matching import match_nuclei
    from napari_acll.training._point_batches import NamedNuclei
    from napari_acll.training._progress import TrainProgress
    from napari_acll.training._real_animals import RealHead, read_heads
    from napari_acll.training._train_default import train, train_default
    from napari_acll.training._volumes import RenderedVolume, render_shape

_MODULE_OF_LAZY_NAME = {
    "Herd": "_animals",
    "NamedNuclei": "_point_batches",
    "RealHead": "_real_animals",
    "RenderedVolume": "_volumes",
    "Scores": "_evaluation",
    "TrainProgress": "_progress",
    "VolumeScore": "_evaluation",
    "atlas_of": "_animals",
    "calibrate_model": "_calibrated_model",
    "detect_rendered": "_detections",
    "evaluate": "_evaluation",
    "match_nuclei": "_matching",
    "match_to_atlas": "_baselines",
    "match_with_oracle": "_baselines",
    "read_heads": "_real_animals",
    "render_shape": "_volumes",
    "score_detections": "_evaluation",
    "score_volume": "_evaluation",
    "simulated_volumes": "_animals",
    "summarize": "_evaluation",
    "train": "_train_default",
    "train_default": "_train_default",
}

__all__ = [
    "DetectorTraining",
    "Herd",
    "IdentifierTraining",
    "NamedNuclei",
    "RealHead",
    "RenderedVolume",
    "Scores",
    "TrainProgress",
    "TrainSettings",
    "VolumeScore",
    "atlas_of",
    "calibrate_model",
    "detect_rendered",
    "evaluate",
    "load_train_settings",
    "match_nuclei",
    "match_to_atlas",
    "match_with_oracle",
    "read_heads",
    "render_shape",
    "score_detections",
    "score_volume",
    "simulated_volumes",
    "summarize",
    "train",
    "train_default",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF_LAZY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF_LAZY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
