"""Settings of a training, read from a YAML file."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError

from napari_acll.core import SettingsError
from napari_acll.training._lab_settings import LabDataSettings
from napari_acll.training._settings_base import (
    FrozenSettings,
    read_settings_file,
    wrong_setting,
)
from napari_acll.training._unet3d_settings import UNet3DTrainSettings


class DetectorTraining(FrozenSettings):
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


class IdentifierTraining(FrozenSettings):
    """Training of the network that names nuclei."""

    width: int = Field(128, ge=8, description="Width of the transformer.")
    n_layers: int = Field(4, ge=1, description="Its layers.")
    n_heads: int = Field(4, ge=1, description="Its attention heads.")
    n_steps: int = Field(3000, ge=1, description="Steps on nuclei sampled without an image.")
    batch_size: int = Field(8, ge=1, description="Animals per step.")
    learning_rate: float = Field(2e-3, gt=0, description="Highest of the one-cycle schedule.")
    matrix_learning_rate: float = Field(
        0.016,
        ge=0,
        description="The same for the matrices of its layers, by Muon; 0: as the rest.",
    )
    average_decay: float = Field(
        0.998, ge=0, lt=1, description="Per step, of the average of the weights; 0: the last ones."
    )
    n_volumes: int = Field(
        240, ge=0, description="Rendered volumes whose detections it learns from at the end."
    )
    n_final_steps: int = Field(300, ge=0, description="Steps on those, mixed with sampled nuclei.")
    final_learning_rate: float = Field(5e-4, gt=0, description="Highest of those steps.")


class FineTuning(FrozenSettings):
    """How a point model goes on learning from labeled volumes of a lab."""

    lab_share: float = Field(
        0.7,
        gt=0,
        le=1,
        description="Share of the lab's volumes; the others are simulated, lest the model forgets"
        " what the lab's few animals do not show.",
    )
    detector_steps: int = Field(100, ge=0, description="Steps of the network that finds nuclei.")
    detector_learning_rate: float = Field(1e-3, gt=0, description="Highest rate of these steps.")
    identifier_steps: int = Field(150, ge=0, description="Steps of the network that names nuclei.")
    identifier_learning_rate: float = Field(6e-4, gt=0, description="Highest rate of these steps.")
    n_views: int = Field(
        4, ge=1, description="Changed copies of each volume whose detections are learned from."
    )
    n_simulated: int = Field(
        20, ge=1, description="Simulated volumes whose detections are learned from, too."
    )


class TrainSettings(FrozenSettings):
    """Everything that decides a point model, such as the bundled one."""

    kind: Literal["points"] = Field("points", description="This kind of model.")
    data: LabDataSettings | None = Field(
        None,
        description="Labeled volumes of a lab to go on learning from, starting from a model;"
        " None: simulated worms from random weights.",
    )
    fine_tuning: FineTuning = FineTuning()
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
    n_workers: int = Field(
        0,
        ge=0,
        description="Processes that draw ahead what each network learns from, for a GPU that would"
        " wait; 0: the training itself. They do not change the result.",
    )
    uses_held_out: bool = Field(
        False,
        description="Learn from the animals that are held out for scores, too: for a model that is"
        " shipped beside its scored twin.",
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

    def beside(self, folder: Path) -> Self:
        """Return the settings with the paths of `data` relative to a folder."""
        data = None if self.data is None else self.data.beside(folder)
        return self.model_copy(update={"data": data})


def load_train_settings(path: Path) -> TrainSettings | UNet3DTrainSettings:
    """Return the settings of a YAML file; its entry `kind` says of which kind of model.

    Parameters
    ----------
    path : Path
        The file. Paths of a lab's volumes in it are relative to its folder.

    Raises
    ------
    SettingsError
        If the file is missing, no YAML, or has a key or a value that no setting has.
    """
    values = read_settings_file(path)
    kind = values.get("kind", "points")
    models: dict[str, type[TrainSettings] | type[UNet3DTrainSettings]] = {
        "points": TrainSettings,
        "unet3d": UNet3DTrainSettings,
    }
    if kind not in models:
        raise SettingsError(
            f"Setting kind in {path}: expected one of {', '.join(models)}, got {kind!r}; correct"
            " the file."
        )
    try:
        return models[kind].model_validate(values).beside(path.parent)
    except ValidationError as error:
        raise wrong_setting(path, error) from error
