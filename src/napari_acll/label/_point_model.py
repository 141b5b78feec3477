"""The file of a point model: weights, names, geometry, calibration and where it comes from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_acll.core import ModelError, NeuronTable
from napari_acll.label._calibration import Calibration
from napari_acll.label._point_card import (
    CARD_KEY,
    FORMAT,
    WEIGHTS_KEY,
    PointModelCard,
    is_point_model,
    read_card,
    read_header,
)
from napari_acll.label._point_detector import DetectorNetwork
from napari_acll.label._point_frame import Atlas
from napari_acll.label._point_identifier import IdentifierNetwork

__all__ = ["FORMAT", "Calibration", "PointModel", "PointModelCard", "is_point_model", "read_card"]


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
        metadata = {CARD_KEY: self.card.model_dump_json(), WEIGHTS_KEY: hash_of_weights(tensors)}
        save_file(tensors, path, metadata=metadata)

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


def hash_of_weights(tensors: Mapping[str, Tensor]) -> str:
    """Return the hash of named numbers, whatever else is in their file, in hexadecimal.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        As they are stored.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name].numpy(force=True))
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the weights of a model file as they are stored.

    Raises
    ------
    ModelError
        If they cannot be read, or are not those that the header was written for.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"The weights in {path} cannot be read ({error}); copy or train the model again."
        ) from error
    told = read_header(path).get(WEIGHTS_KEY, "")
    if told and told != hash_of_weights(tensors):
        raise ModelError(
            f"The weights in {path} are not those that its card was written for (their hash"
            " differs); copy or train the model again."
        )
    return tensors


def _read(path: Path) -> tuple[PointModelCard, dict[str, Tensor]]:
    return read_card(path), read_tensors(path)


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
