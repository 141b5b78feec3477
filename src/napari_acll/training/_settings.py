"""Settings of a training, read from a YAML file."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_acll.core import SettingsError


class _Settings(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class DetectorTraining(_Settings):
    """Training of the network that finds nuclei."""

    width: int = Field(16, ge=4, description="Channels after the stem.")
    n_steps: int = Field(700, ge=1, description="Steps of the optimizer.")
    batch_size: int = Field(4, ge=2, description="Crops per step.")
    crop_px: tuple[int, int, int] = Field(
        (48, 80, 112), description="(Z, Y, X) of a crop; multiples of 8."
    )
    crops_per_volume: int = Field(4, ge=1, description="Crops taken from one volume.")
    painted_share: float = Field(
        0.6,
        ge=0,
        le=1,
        description="Part of the volumes that are painted after no particular microscope.",
    )
    learning_rate: float = Field(3e-3, gt=0, description="Highest of the one-cycle schedule.")
    average_decay: float = Field(
        0.0, ge=0, lt=1, description="Per step, of the average of the weights; 0: the last ones."
    )
    is_mixed_precision: bool = Field(
        False, description="bfloat16 where it is safe: twice as fast on processors that have it."
    )


class IdentifierTraining(_Settings):
    """Training of the network that names nuclei."""

    width: int = Field(128, ge=8, description="Width of the transformer.")
    n_layers: int = Field(4, ge=1, description="Its layers.")
    n_heads: int = Field(4, ge=1, description="Its attention heads.")
    n_steps: int = Field(1500, ge=1, description="Steps on nuclei sampled without an image.")
    batch_size: int = Field(16, ge=1, description="Animals per step.")
    learning_rate: float = Field(2e-3, gt=0, description="Highest of the one-cycle schedule.")
    n_volumes: int = Field(
        240, ge=0, description="Rendered volumes whose detections it learns from at the end."
    )
    n_final_steps: int = Field(300, ge=0, description="Steps on those, mixed with sampled nuclei.")
    final_learning_rate: float = Field(5e-4, gt=0, description="Highest of those steps.")


class TrainSettings(_Settings):
    """Everything that decides the bundled model."""

    seed: int = Field(0, ge=0, description="Decides the animals and the weights at the start.")
    anatomy_file: str | None = Field(
        None, description="A fitted anatomy (recipes/fit_anatomy.py --out); None: the bundled one."
    )
    device: str = Field(
        "cpu", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, or cuda:N."
    )
    n_threads: int | None = Field(None, ge=1, description="Threads; None: as many as cores.")
    n_processes: int = Field(
        2, ge=1, le=2, description="2 trains both networks side by side, 1 one after the other."
    )
    checkpoint_every: int = Field(
        100, ge=1, description="Steps between the states from which a killed training goes on."
    )
    positions_file: str | None = Field(
        None,
        description=(
            "Table of positions of named nuclei of real animals to learn from as well; None:"
            " simulated animals only. Environment variables ($NAME) are filled in."
        ),
    )
    calibration_animals: tuple[str, ...] = Field(
        (),
        description=(
            "LAB/ANIMAL of that table that are not learned from, so that the probabilities can be"
            " calibrated on them."
        ),
    )
    detector: DetectorTraining = DetectorTraining()
    identifier: IdentifierTraining = IdentifierTraining()
    n_validation_volumes: int = Field(
        12, ge=1, description="Rendered animals on which the detector's threshold is chosen."
    )
    n_calibration_volumes: int = Field(
        60, ge=1, description="Rendered animals on which the probabilities are calibrated."
    )
    n_evaluation_volumes: int = Field(
        40, ge=1, description="Rendered animals on which the model is scored."
    )
    note: str = Field("", description="What users should know about the model.")


def load_train_settings(path: Path) -> TrainSettings:
    """Return the settings of a YAML file.

    Raises
    ------
    SettingsError
        If the file is missing, no YAML, or has a key or a value that no setting has.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"Expected a YAML file with training settings, {path} cannot be read ({error});"
            " give the path of such a file, as recipes/train_default.yaml is."
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(
            f"{path} is no YAML ({str(error).splitlines()[0]}); correct the file."
        ) from error
    try:
        return TrainSettings.model_validate(values or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"Setting {where or '(top)'} in {path}: {first['msg']}; correct the file."
        ) from error
