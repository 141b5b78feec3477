"""The card of a point model, read without its weights and without torch."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_acll.core import ModelError
from napari_acll.label._calibration import Calibration
from napari_acll.label._fingerprint_card import Fingerprint
from napari_acll.label._novelty import NoveltyReference

FORMAT = "napari-acll-points-1"
CARD_KEY = "napari_acll"
"""Entry of the file's header that holds the card."""
WEIGHTS_KEY = "napari_acll_weights_sha256"
"""Entry of the file's header that holds the hash of the weights."""
_MAX_HEADER_BYTES = 100_000_000


class PointModelCard(BaseModel):
    """Everything about a point model but its weights.

    Stored as JSON in the header of the weights file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = FORMAT
    names: tuple[str, ...] = Field(description="Neurons, in the order of their class numbers.")
    voxel_size_um: tuple[float, float, float] = Field(
        (0.54, 0.54, 0.54), description="(Z, Y, X) voxel size of the training volumes, in um."
    )
    detector_width: int = Field(16, gt=0, description="Channels after the detector's stem.")
    identifier_width: int = Field(128, gt=0, description="Width of the transformer.")
    identifier_layers: int = Field(4, gt=0, description="Its layers.")
    identifier_heads: int = Field(4, gt=0, description="Its attention heads.")
    peak_threshold: float = Field(
        0.2, gt=0, lt=1, description="Lowest peak of the smoothed probability of a center."
    )
    foreground_threshold: float = Field(
        0.5, gt=0, lt=1, description="Least probable voxel that belongs to a nucleus."
    )
    max_radius_um: float = Field(3.0, gt=0, description="No nucleus reaches farther.")
    calibration: Calibration = Calibration()
    reference: NoveltyReference | None = Field(
        None, description="What volumes that the model knows look like; None: not measured."
    )
    fingerprint: Fingerprint | None = Field(
        None, description="What the model answered on a made-up volume when it was saved."
    )
    training: dict[str, Any] = Field(default_factory=dict, description="Recipe and seeds.")
    scores: dict[str, Any] = Field(default_factory=dict, description="What was measured.")
    note: str = Field("", description="What users should know about it.")


def read_header(path: Path) -> dict[str, str]:
    """Return the texts in the header of a safetensors file; the weights are not read.

    Raises
    ------
    ModelError
        If the file is missing or is no safetensors file.
    """
    try:
        with path.open("rb") as file:
            n_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(n_bytes, _MAX_HEADER_BYTES)))
        metadata = header.get("__metadata__", {})
        return {str(key): str(text) for key, text in metadata.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(
            f"Expected a model in safetensors format, {path} cannot be read as one"
            f" ({str(error).splitlines()[0]}); choose another file or copy it again."
        ) from error


def read_card(path: Path) -> PointModelCard:
    """Return the card of a model file without its weights.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or holds another kind of model.
    """
    return _parse_card(read_header(path).get(CARD_KEY, ""), path)


def is_point_model(path: Path) -> bool:
    """Return whether a file says that it is a point model."""
    try:
        read_card(path)
    except ModelError:
        return False
    return True


def _parse_card(text: str, path: Path) -> PointModelCard:
    if not text:
        raise ModelError(
            f"{path} is no point model of napari-acll: its header lacks the model card; choose a"
            " file that `acll train` wrote."
        )
    try:
        found = json.loads(text).get("format")
        if found != FORMAT:
            raise ModelError(
                f"{path} is a model of format {found!r}, this version reads {FORMAT!r}; install"
                " the version of napari-acll that wrote it."
            )
        return PointModelCard.model_validate_json(text)
    except (ValidationError, ValueError, AttributeError) as error:
        raise ModelError(
            f"The model card in {path} is damaged ({str(error).splitlines()[0]}); copy or train"
            " the model again."
        ) from error
