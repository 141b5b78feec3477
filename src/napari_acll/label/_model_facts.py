"""What a model is, told before a session loads it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from napari_acll.core import LabelSettings, calibration_label
from napari_acll.label._point_card import is_point_model, read_card
from napari_acll.label._registry import find_model_file, load_labeler, user_models

_BUNDLED = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a model says about itself.

    Parameters
    ----------
    n_neurons : int
        Neurons that it names.
    calibrated_on : str
        On what its probabilities were calibrated, empty if they never were.
    """

    n_neurons: int
    calibrated_on: str


def model_facts(settings: LabelSettings) -> ModelFacts:
    """Return how many neurons a model names and on what it was calibrated.

    Of a point model only the card is read. Any other model is loaded, on the CPU and once for as
    long as neither its file nor its settings change.

    Parameters
    ----------
    settings : LabelSettings
        The model.

    Raises
    ------
    ModelError
        If there is no such model, or it cannot be used.
    """
    path = _point_file(settings.model)
    if path is not None:
        card = read_card(path)
        described = {"calibration": card.calibration.model_dump(mode="json")}
        return ModelFacts(n_neurons=len(card.names), calibrated_on=calibration_label(described))
    changed_ns = model_stamp_ns(settings)
    return _facts_once_loaded(settings.model_copy(update={"device": "cpu"}), changed_ns)


def model_stamp_ns(settings: LabelSettings) -> int:
    """Return when the file of a model was changed, in ns since 1970; 0 where it has none."""
    path = user_models().get(settings.model, Path(settings.model).expanduser())
    return path.stat().st_mtime_ns if path.is_file() else 0


def _point_file(model: str) -> Path | None:
    """Return the file of a point model, None if it is another kind of model or not there."""
    is_named = model == _BUNDLED or model in user_models()
    path = find_model_file(model) if is_named else Path(model).expanduser()
    return path if path.is_file() and is_point_model(path) else None


@lru_cache(maxsize=4)
def _facts_once_loaded(settings: LabelSettings, changed_ns: int) -> ModelFacts:
    del changed_ns  # another file under the same name is another model
    labeler = load_labeler(settings)
    return ModelFacts(
        n_neurons=len(labeler.neurons), calibrated_on=calibration_label(labeler.describe())
    )
