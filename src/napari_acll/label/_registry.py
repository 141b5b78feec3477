"""Labelers by name or by file."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from napari_acll.core import (
    AcllError,
    Labeler,
    LabelSettings,
    ModelError,
    PluginError,
    load_stage,
    stage_names,
    user_data_dir,
)

_CHECKPOINT_SUFFIXES = (".pytorch", ".pt", ".pth", ".safetensors")
# Registered so that other packages can build on it, but it needs a checkpoint: a path, not a name.
_NEEDS_CHECKPOINT = "unet3d"


_MAX_HEADER_BYTES = 100_000_000

_BUNDLED = "default"

BUNDLED_KEY = "napari_acll"
"""Metadata entry of a safetensors file of the same kind as the bundled model."""
LABELER_KEY = "napari_acll_labeler"
"""Metadata entry of any other safetensors file: name of the installed labeler that opens it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One installed model.

    Parameters
    ----------
    name : str
        What to give as `model`.
    kind : str
        Kind of model, such as `points`.
    path : str
        File of the weights; empty where there is none.
    sha256 : str
        Hash of that file, in hexadecimal; empty where there is none.
    n_neurons : int
        Neurons that it knows; 0 where that is only known once it is loaded.
    description : str
        One sentence.
    """

    name: str
    kind: str = ""
    path: str = ""
    sha256: str = ""
    n_neurons: int = 0
    description: str = ""


def available_models() -> list[ModelInfo]:
    """Return the installed models that can be asked for by name.

    A labeler tells about itself through a class method `info(name) -> ModelInfo`, which is
    optional. One that cannot be imported is listed with the reason as its description.
    """
    installed = [_info(name) for name in _model_names()]
    own = [_info_of_file(name, path) for name, path in sorted(user_models().items())]
    return installed + own


def models_dir() -> Path:
    """Return the folder of this user's models: `models` in the data folder of this package."""
    return user_data_dir() / "models"


def user_models() -> dict[str, Path]:
    """Return the point models in the user's folder by name; installed models keep their names."""
    from napari_acll.label._point_card import is_point_model

    folder = models_dir()
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    taken = set(_model_names())
    return {file.stem: file for file in files if file.stem not in taken and is_point_model(file)}


def find_model_file(model: str) -> Path:
    """Return the file of a point model: a path, `default`, or the name of a user's model.

    Parameters
    ----------
    model : str
        What the user typed.

    Raises
    ------
    ModelError
        If there is no such file.
    """
    if model == _BUNDLED:
        return Path(__file__).parent / "models" / "default.safetensors"
    path = user_models().get(model, Path(model).expanduser())
    if path.is_file():
        return path
    raise ModelError(_unknown(model, path))


def _model_names() -> list[str]:
    return [name for name in stage_names("labelers") if name != _NEEDS_CHECKPOINT]


def load_labeler(settings: LabelSettings) -> Labeler:
    """Return the labeler of a setting.

    Parameters
    ----------
    settings : LabelSettings
        `model` is the name of an installed model, or the path of a checkpoint (`.pytorch`, `.pt`,
        `.pth`, `.safetensors`).

    Raises
    ------
    ModelError
        If there is no such model or file, or it cannot be used.
    """
    if settings.model in _model_names():
        return _from_plugin(settings)
    path = user_models().get(settings.model, Path(settings.model).expanduser())
    if path.is_file():
        return _from_file(path, settings)
    raise ModelError(_unknown(settings.model, path))


def _from_plugin(settings: LabelSettings) -> Labeler:
    try:
        stage = load_stage("labelers", settings.model)
    except PluginError as error:
        raise ModelError(str(error)) from error
    return _made(stage, settings)


def _from_file(path: Path, settings: LabelSettings) -> Labeler:
    if path.suffix.lower() not in _CHECKPOINT_SUFFIXES:
        raise ModelError(
            f"{path} is no checkpoint; expected a file that ends in"
            f" {', '.join(_CHECKPOINT_SUFFIXES)}."
        )
    settings = settings.model_copy(update={"model": str(path)})
    return _opened(settings)


def _opened(settings: LabelSettings) -> Labeler:
    """Return the labeler that a file asks for, by default a network of pytorch-3dunet."""
    path = Path(settings.model)
    name = _labeler_name(_safetensors_metadata(path))
    try:
        stage = load_stage("labelers", name)
    except PluginError as error:
        raise ModelError(f"{path} needs a labeler that is not there: {error}") from error
    return _made(stage, settings)


def _labeler_name(metadata: dict[str, str]) -> str:
    own = _BUNDLED if BUNDLED_KEY in metadata else _NEEDS_CHECKPOINT
    return metadata.get(LABELER_KEY, own)


def _made(stage: object, settings: LabelSettings) -> Labeler:
    from_settings = getattr(stage, "from_settings", None)
    if not callable(from_settings):
        raise ModelError(
            f"The labeler of model {settings.model!r} has no from_settings(settings), which a"
            " labeler must have; ask its author, or choose another model."
        )
    labeler = from_settings(settings)
    if not isinstance(labeler, Labeler):
        raise ModelError(
            f"Model {settings.model!r} gives a {type(labeler).__name__}, which lacks a method of"
            " a labeler (neurons, describe, warm_up, label); choose another model."
        )
    return labeler


def _safetensors_metadata(path: Path) -> dict[str, str]:
    """Return what a safetensors file says about itself; nothing for every other file."""
    if path.suffix.lower() != ".safetensors":
        return {}
    try:
        with path.open("rb") as file:
            n_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(n_bytes, _MAX_HEADER_BYTES)))
    except (OSError, ValueError):
        return {}  # Damaged: whoever reads the weights says so.
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return metadata if isinstance(metadata, dict) else {}


def _unknown(model: str, path: Path) -> str:
    names = ", ".join([*_model_names(), *user_models()]) or "none"
    if path.is_dir():
        return f"{model} is a folder; give the checkpoint file in it."
    if path.suffix.lower() in _CHECKPOINT_SUFFIXES or len(path.parts) > 1:
        return f"Checkpoint {model} does not exist; give its path, or one of the models {names}."
    return (
        f"There is no model {model!r}; installed are {names}, or give the path of a checkpoint"
        f" ({', '.join(_CHECKPOINT_SUFFIXES)})."
    )


def _info_of_file(name: str, path: Path) -> ModelInfo:
    from napari_acll.label._point_card import read_card

    card = read_card(path)
    return ModelInfo(
        name=name,
        kind="points",
        path=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        n_neurons=len(card.names),
        description=card.note or "A model of your own.",
    )


def _info(name: str) -> ModelInfo:
    try:
        stage = load_stage("labelers", name)
        info = getattr(stage, "info", None)
        told = info(name) if callable(info) else None
    except AcllError as error:
        return ModelInfo(name=name, description=f"Cannot be loaded: {error}")
    if isinstance(told, ModelInfo):
        return told
    summary = (getattr(stage, "__doc__", None) or "").strip().partition("\n")[0]
    return ModelInfo(name=name, description=summary)
