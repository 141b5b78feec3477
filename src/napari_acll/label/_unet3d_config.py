"""What a pytorch-3dunet configuration says about the network."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_acll.core import ModelError

_LAYERS = "cgbrledD"


def _as_triple(value: object) -> object:
    return [value] * 3 if isinstance(value, int) else value


_Triple = Annotated[tuple[int, int, int], BeforeValidator(_as_triple)]


class UNet3DConfig(BaseModel):
    """The `model:` section of a pytorch-3dunet configuration; absent entries mean its defaults.

    An entry that is not listed here is an error: pytorch-3dunet ignores what it does not know,
    and a misspelled entry would silently give another network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["UNet3D", "ResidualUNet3D"] = Field(description="Kind of network.")
    in_channels: int = Field(ge=1, description="Channels of the input.")
    out_channels: int = Field(ge=1, description="Classes, the background included.")
    f_maps: int | tuple[int, ...] = Field(
        64, description="Feature maps of the first level, doubled per level, or of every level."
    )
    num_levels: int | None = Field(
        None, ge=2, description="Levels; used where `f_maps` is one number."
    )
    layer_order: str = Field("gcr", description="Operations of one convolution layer, in order.")
    num_groups: int = Field(8, ge=1, description="Groups of a group normalization.")
    final_sigmoid: bool = Field(True, description="Sigmoid per class instead of softmax.")
    is_segmentation: bool = Field(True, description="Whether the network gives probabilities.")
    conv_kernel_size: _Triple = Field((3, 3, 3), description="Size of the convolutions.")
    conv_padding: _Triple = Field((1, 1, 1), description="Zero padding of the convolutions.")
    conv_upscale: int = Field(
        2, ge=1, description="1: the first convolution of an encoder widens."
    )
    pool_kernel_size: _Triple = Field((2, 2, 2), description="Size of the pooling window.")
    pool_type: Literal["max"] = Field("max", description="Pooling; the reference knows no other.")
    upsample: Literal["default", "nearest", "trilinear", "area", "deconv", "none"] | None = Field(
        "default", description="How decoders enlarge their input."
    )
    dropout_prob: float | tuple[float, float] = Field(0.1, description="Of no effect here.")
    is3d: Literal[True] = Field(True, description="Two-dimensional networks are not supported.")
    testing: bool = Field(True, description="Of no effect here: probabilities are always given.")
    return_encoder_features: Literal[False] = Field(False, description="Not supported.")
    return_decoder_features: Literal[False] = Field(False, description="Not supported.")
    leaky_relu_slope: float | None = Field(
        None,
        ge=0,
        description="Slope of 'l' in `layer_order`. No entry of pytorch-3dunet: it used 0.1 in"
        " older versions and 0.01 in newer ones, and a checkpoint does not say which.",
    )

    @field_validator("layer_order")
    @classmethod
    def _is_an_order(cls, order: str) -> str:
        unknown = sorted(set(order) - set(_LAYERS))
        if unknown:
            raise ValueError(f"{''.join(unknown)!r} is no layer; there are {', '.join(_LAYERS)}")
        if len(set(order)) != len(order):
            raise ValueError("a letter stands twice")
        if "c" not in order:
            raise ValueError("there is no convolution 'c' in it")
        if order[0] in "rle":
            raise ValueError("it must not begin with a nonlinearity")
        return order

    @field_validator("f_maps")
    @classmethod
    def _has_levels(cls, f_maps: int | tuple[int, ...]) -> int | tuple[int, ...]:
        widths = f_maps if isinstance(f_maps, tuple) else (f_maps,)
        if min(widths, default=0) < 1 or (isinstance(f_maps, tuple) and len(f_maps) < 2):
            raise ValueError("it must be a positive number, or a list of at least two")
        return f_maps

    @model_validator(mode="after")
    def _joins_fit(self) -> Self:
        if self.name == "ResidualUNet3D" and self.upsample not in ("default", "deconv"):
            raise ValueError(f"upsample {self.upsample!r} does not work with ResidualUNet3D")
        if self.upsample == "deconv":
            widths = self.widths
            if any(wide != 2 * narrow for narrow, wide in pairwise(widths)):
                raise ValueError("upsample 'deconv' needs f_maps that double from level to level")
        return self

    @property
    def is_residual(self) -> bool:
        """Whether the network is made of residual blocks."""
        return self.name == "ResidualUNet3D"

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature maps of every level."""
        if isinstance(self.f_maps, tuple):
            return self.f_maps
        n_levels = self.num_levels or (5 if self.is_residual else 4)
        return tuple(self.f_maps * 2**level for level in range(n_levels))

    def min_shape(self) -> tuple[int, int, int]:
        """Return the smallest `(Z, Y, X)` that the pooling leaves anything of."""
        n_poolings = len(self.widths) - 1
        z, y, x = (size**n_poolings for size in self.pool_kernel_size)
        return z, y, x


def read_unet3d_config(config: Path | str | Mapping[str, Any]) -> UNet3DConfig:
    """Return the network that a configuration describes.

    Parameters
    ----------
    config : Path, str or mapping
        YAML file of a pytorch-3dunet training, its `model:` section alone, or either as a
        mapping.

    Raises
    ------
    ModelError
        If the file cannot be read, or an entry is missing, unknown or out of range.
    """
    where = "The configuration" if isinstance(config, Mapping) else f"Configuration {config}"
    entries = config if isinstance(config, Mapping) else _read_yaml(Path(config))
    section = entries.get("model", entries)
    if not isinstance(section, Mapping):
        raise ModelError(
            f"{where} has a 'model' that is no mapping; write name, f_maps ... in it."
        )
    try:
        return UNet3DConfig.model_validate(dict(section))
    except ValidationError as error:
        raise ModelError(f"{where} does not fit: {_first_problem(error)}.") from error


def find_config(checkpoint: Path) -> Path:
    """Return the YAML file that lies beside a checkpoint.

    It has the checkpoint's name, or is called `config`, or is the only one in the folder.

    Raises
    ------
    ModelError
        If there is none, or several and none of these names.
    """
    found = sorted(
        path for path in checkpoint.parent.glob("*") if path.suffix.lower() in (".yaml", ".yml")
    )
    for stem in (checkpoint.stem, "config"):
        for path in found:
            if path.stem == stem:
                return path
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} YAML files and none is called config.yaml" if found else "no YAML file"
    raise ModelError(
        f"Beside checkpoint {checkpoint} lies {what}; give the configuration that it was trained"
        " with (--config FILE.yaml)."
    )


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"Configuration {path} cannot be read: {_reason(error)}.") from error
    except yaml.YAMLError as error:
        raise ModelError(f"Configuration {path} is not valid YAML; correct it.") from error
    if not isinstance(entries, Mapping):
        raise ModelError(f"Configuration {path} holds no 'model' section; give a training YAML.")
    return entries


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    entry = ".".join(str(part) for part in problem["loc"]) or "the model section"
    if problem["type"] == "extra_forbidden":
        return f"{entry!r} is not an entry of the model section; correct or remove it"
    if problem["type"] == "missing":
        return f"{entry!r} is missing from the model section"
    return f"{entry} is {_shown(problem['input'])}: {problem['msg']}"


def _shown(value: object) -> str:
    return "not right" if isinstance(value, Mapping) else repr(value)
