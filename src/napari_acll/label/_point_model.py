"""The file of a point model: weights, names, geometry, calibration and where it comes from."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_acll.core import ModelError, NeuronTable
from napari_acll.label._point_detector import DetectorNetwork
from napari_acll.label._point_frame import Atlas
from napari_acll.label._point_identifier import IdentifierNetwork

FORMAT = "napari-acll-points-1"
_METADATA_KEY = "napari_acll"


class Calibration(BaseModel):
    """What turns logits into probabilities, and what it was fitted on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(1.0, gt=0, description="Divides the logits of names.")
    none_bias: float = Field(0.0, description="Added to the scaled logit of no name.")
    fitted_on: str = Field("nothing", description="Animals that it was fitted on.")


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
    training: dict[str, Any] = Field(default_factory=dict, description="Recipe and seeds.")
    scores: dict[str, Any] = Field(default_factory=dict, description="What was measured.")
    note: str = Field("", description="What users should know about it.")


@dataclass(frozen=True, slots=True, eq=False)
class PointModel:
    """The two networks of a point model and its card."""

    card: PointModelCard
    detector: DetectorNetwork
    identifier: IdentifierNetwork
    sha256: str = ""

    @classmethod
    def create(cls, card: PointModelCard, atlas: Atlas) -> "PointModel":
        """Return a model with random weights."""
        identifier = IdentifierNetwork(
            torch.from_numpy(np.asarray(atlas.mean_um, np.float32)),
            torch.from_numpy(np.asarray(atlas.sd_um, np.float32)),
            width=card.identifier_width,
            n_layers=card.identifier_layers,
            n_heads=card.identifier_heads,
        )
        return cls(card, DetectorNetwork(width=card.detector_width), identifier)

    @property
    def neurons(self) -> NeuronTable:
        """The neurons that the model knows."""
        return NeuronTable(self.card.names)

    @property
    def atlas(self) -> Atlas:
        """Where they lie in the average animal."""
        return Atlas(
            self.identifier.atlas_mean_um.double().numpy(force=True),
            self.identifier.atlas_sd_um.double().numpy(force=True),
        )

    def save(self, path: Path) -> None:
        """Write the model; weights are kept in half precision."""
        tensors = {
            f"{part}.{name}": _stored(tensor)
            for part, network in self._networks().items()
            for name, tensor in network.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        save_file(tensors, path, metadata={_METADATA_KEY: self.card.model_dump_json()})

    @classmethod
    def load(cls, path: Path) -> "PointModel":
        """Return the model of a file; nothing in the file is ever run.

        Raises
        ------
        ModelError
            If the file is missing, damaged, or holds another kind of model.
        """
        card, tensors = _read(path)
        n = len(card.names)
        model = cls.create(card, Atlas(np.zeros((n, 3)), np.ones((n, 3))))
        for part, network in model._networks().items():
            _fill(network, part, tensors, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(card, model.detector.eval(), model.identifier.eval(), digest)

    def _networks(self) -> dict[str, nn.Module]:
        return {"detector": self.detector, "identifier": self.identifier}


def read_card(path: Path) -> PointModelCard:
    """Return the card of a model file without its weights.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or holds another kind of model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"Expected a model in safetensors format, {path} cannot be read as one ({error});"
            " choose another file or copy it again."
        ) from error
    return _parse_card(metadata.get(_METADATA_KEY, ""), path)


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


def _read(path: Path) -> tuple[PointModelCard, dict[str, Tensor]]:
    card = read_card(path)
    try:
        with safe_open(path, framework="pt") as file:
            return card, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"The weights in {path} cannot be read ({error}); copy or train the model again."
        ) from error


def _fill(network: nn.Module, part: str, tensors: dict[str, Tensor], path: Path) -> None:
    wanted = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    given = {
        name.removeprefix(f"{part}."): tensor.float()
        for name, tensor in tensors.items()
        if name.startswith(f"{part}.")
    }
    wrong = sorted(
        name
        for name in wanted.keys() | given.keys()
        if name not in given or name not in wanted or given[name].shape != wanted[name].shape
    )
    if wrong or not all(torch.isfinite(tensor).all() for tensor in given.values()):
        raise ModelError(
            f"The weights of the {part} in {path} do not fit its model card"
            f" ({', '.join(wrong[:3]) or 'numbers that are not finite'}); copy or train the model"
            " again."
        )
    network.load_state_dict(given, strict=False)


def _stored(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().to(torch.float16).contiguous()
