"""Settings of the training of a voxel classifier, the network of the original pipeline."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from napari_acll.training._lab_settings import LabDataSettings
from napari_acll.training._settings_base import FrozenSettings

Probability = Annotated[float, Field(ge=0, le=1)]


class AugmentationSettings(FrozenSettings):
    """How training volumes are changed; the defaults are those of the original.

    Mirror images never occur, so that left and right stay true.
    """

    lies_on_other_side: Probability = Field(
        0.5, description="Probability of a turn by 180 degrees about the long axis."
    )
    turn: Probability = Field(0.8, description="Probability of turns in the xy and yz planes.")
    turn_deg: float = Field(15.0, ge=0, description="SD of these turns, degrees.")
    tilt: Probability = Field(0.2, description="Probability of a turn in the xz plane.")
    tilt_deg: float = Field(1.0, ge=0, description="SD of this turn, degrees.")
    shift: Probability = Field(0.6, description="Probability of a shift.")
    shift_px: tuple[float, float, float] = Field(
        (7.0, 25.0, 40.0), description="Largest shift along (Z, Y, X), in voxels."
    )
    scale: Probability = Field(0.4, description="Probability of another size along each axis.")
    scale_sd: float = Field(0.1, ge=0, le=0.3, description="SD of the log of the size.")
    shear: Probability = Field(0.4, description="Probability of a shear.")
    shear_sd: float = Field(0.1, ge=0, le=0.3, description="SD of the shear.")
    bend: Probability = Field(0.8, description="Probability of a smooth bend.")
    bend_px: float = Field(10.0, ge=0, description="SD of the bend's shifts in y, in voxels.")
    contrast: Probability = Field(0.8, description="Probability of another contrast.")
    contrast_range: float = Field(0.2, ge=0, lt=1, description="Contrast changes by up to this.")
    blur: Probability = Field(0.6, description="Probability of a blur that grows with depth.")
    blur_px: float = Field(2.0, ge=0, description="Largest SD of that blur, in voxels.")
    noise: Probability = Field(0.8, description="Probability of noise.")
    noise_share: float = Field(
        0.025, ge=0, description="Largest SD of that noise, as share of the brightest voxel."
    )


def _kind_of_data(value: object) -> str:
    return "simulated" if isinstance(value, str) else "lab"


DataSettings = Annotated[
    Annotated[Literal["simulated"], Tag("simulated")] | Annotated[LabDataSettings, Tag("lab")],
    Discriminator(_kind_of_data),
]


class UNet3DTrainSettings(FrozenSettings):
    """Everything that decides a voxel classifier."""

    kind: Literal["unet3d"] = Field(description="This kind of model.")
    seed: int = Field(0, ge=0, description="Decides weights, order of volumes, augmentation.")
    data: DataSettings = Field("simulated", description="`simulated`, or volumes of a lab.")
    anatomy_file: str | None = Field(
        None, description="A fitted anatomy for simulated worms; None: the bundled one."
    )
    volume_px: tuple[int, int, int] = Field(
        (64, 120, 284), description="(Z, Y, X) of simulated volumes, of 0.54 um voxels."
    )
    foreground_weight: float = Field(
        100.0, gt=0, description="Weight of a voxel in a simulated nucleus; outside it is 1."
    )
    crop_px: tuple[int, int, int] | None = Field(
        None, description="(Z, Y, X) of random parts to learn from; None: whole volumes."
    )
    n_validation: int = Field(
        4, ge=1, description="Simulated volumes on which the network is tried."
    )
    f_maps: int = Field(64, ge=2, description="Feature maps of the first level.")
    num_levels: int = Field(4, ge=2, le=6, description="Levels; each has twice the maps.")
    num_groups: int = Field(16, ge=1, description="Groups of the normalization.")
    n_steps: int = Field(8100, ge=1, description="Steps; each takes one volume per process.")
    max_minutes: float | None = Field(
        None, gt=0, description="Stop after this time, in minutes; None: after all steps."
    )
    learning_rate: float = Field(1e-4, gt=0, description="Of Adam, at the start.")
    patience: int = Field(
        10, ge=1, description="Validations without a better score until the rate is halved."
    )
    validate_every: int = Field(81, ge=1, description="Steps between validations.")
    checkpoint_every: int = Field(
        81, ge=1, description="Steps between the states from which a killed training goes on."
    )
    augmentation: AugmentationSettings = AugmentationSettings()
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, or cuda:N."
    )
    precision: Literal["auto", "single", "mixed"] = Field(
        "auto", description="mixed: bfloat16 where it is safe; auto: mixed on a GPU."
    )
    is_memory_spared: bool = Field(
        False, description="Compute activations twice instead of keeping them."
    )
    n_threads: int | None = Field(None, ge=1, description="Threads; None: as many as cores.")
    n_workers: int = Field(
        0, ge=0, description="Processes that prepare volumes ahead; 0: the training itself."
    )
    note: str = Field("", description="What users should know about the model.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        least = 2 ** (self.num_levels - 1)
        for name in ("volume_px", "crop_px"):
            shape = getattr(self, name)
            if shape is not None and min(shape) < least:
                raise ValueError(f"{name} must be at least {least} voxels along each axis")
        if any(
            width >= self.num_groups and width % self.num_groups
            for width in (self.f_maps * 2**level for level in range(self.num_levels))
        ):
            raise ValueError("f_maps must be a multiple or a half, a quarter ... of num_groups")
        return self

    def beside(self, folder: Path) -> Self:
        """Return the settings with all paths relative to a folder."""
        if isinstance(self.data, str):
            return self
        return self.model_copy(update={"data": self.data.beside(folder)})
