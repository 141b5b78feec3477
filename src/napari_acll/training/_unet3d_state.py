"""The state of a training on disk, and the model that it leaves."""

import json
import pickle
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from napari_acll import __version__
from napari_acll.core import ModelError, NeuronTable
from napari_acll.label import UNet3D, load_unet3d
from napari_acll.training._unet3d_settings import UNet3DTrainSettings

STATE_FILE = "unet3d.state"
_FREE = ("n_steps", "max_minutes", "device", "n_threads", "n_workers", "note", "is_memory_spared")
"""Settings that another part of the same training may have otherwise."""
_METADATA_KEY = "napari_acll_training"


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Replace the state in one go, so that a kill leaves the old or the new one.

    Parameters
    ----------
    path : Path
        File.
    state : mapping
        Tensors, numbers, texts, and mappings and lists of these.
    """
    part = path.with_suffix(".part")
    torch.save(dict(state), part)
    part.replace(path)


def read_state(path: Path, settings: UNet3DTrainSettings) -> dict[str, Any]:
    """Return the state of a training with these settings.

    Raises
    ------
    ModelError
        If the file is damaged, or is of a training with other settings.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        saved = UNet3DTrainSettings.model_validate_json(state["settings"])
    except (
        OSError,
        EOFError,
        RuntimeError,
        KeyError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise ModelError(
            f"The state of the training in {path} is damaged ({type(error).__name__}); start"
            " without --resume."
        ) from error
    for name in sorted(set(UNet3DTrainSettings.model_fields) - set(_FREE)):
        if getattr(saved, name) != getattr(settings, name):
            raise ModelError(
                f"Expected the state of a training with these settings in {path}, it is of one"
                f" with another {name}; use its settings again, or start without --resume."
            )
    return dict(state)


def random_states() -> dict[str, Any]:
    """Return the state of torch's random numbers, on all devices."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_states(states: Mapping[str, Any]) -> None:
    """Go on with the random numbers of `random_states`."""
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(list(states["cuda"]))


def save_unet3d(
    out: Path,
    network: UNet3D,
    neurons: NeuronTable,
    record: Mapping[str, Any],
) -> None:
    """Write a model that `load_labeler` opens: weights, configuration and names.

    Parameters
    ----------
    out : Path
        Weights (`.safetensors`, or as pytorch-3dunet has them: `.pytorch`); the configuration
        (`.yaml`) and the names (`.txt`) get the same name.
    network : UNet3D
        The network.
    neurons : NeuronTable
        Its classes.
    record : mapping
        How it was made and how good it is, as JSON values.
    """
    weights = {
        name: weight.detach().cpu().contiguous() for name, weight in network.state_dict().items()
    }
    model = network.config.model_dump(mode="json", exclude_unset=True)
    facts = {"napari_acll": __version__, "torch": str(torch.__version__)} | dict(record)
    facts["weights_sha256"] = hash_of(weights)
    out.with_suffix(".txt").write_text("\n".join(neurons.names) + "\n", encoding="utf-8")
    text = yaml.safe_dump({"model": model, "training": facts}, sort_keys=False)
    out.with_suffix(".yaml").write_text(text, encoding="utf-8")
    if out.suffix.lower() == ".safetensors":
        save_file(weights, out, metadata={_METADATA_KEY: json.dumps(facts)})
    else:
        torch.save({"model_state_dict": weights, "num_iterations": facts.get("n_steps", 0)}, out)


def hash_of(weights: Mapping[str, Tensor]) -> str:
    """Return a hash of names and values of weights, in hexadecimal."""
    digest = sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].float().numpy().tobytes())
    return digest.hexdigest()


def load_start(path: Path) -> tuple[UNet3D, NeuronTable]:
    """Return a network to start from, and its neurons.

    Raises
    ------
    ModelError
        If the checkpoint, its configuration or its name table cannot be used.
    """
    from napari_acll.label import find_names_file, read_names

    network = load_unet3d(path)
    table = find_names_file(path)
    n_neurons = network.config.out_channels - 1
    neurons = NeuronTable.numbered(n_neurons) if table is None else read_names(table)
    if len(neurons) != n_neurons:
        raise ModelError(
            f"Name table {table} has {len(neurons)} names, {path} has {n_neurons} classes besides"
            " the background; give the table of this checkpoint."
        )
    return network, neurons
