"""In which numbers the detector computes: what is fastest here and finds the same nuclei.

Some processors convolve in bfloat16 twice as fast as in single precision, others slower, and
some builds of torch do it wrongly; on a GPU half precision and recorded steps may win. So all are
tried on a made-up head, once for each machine and model, and the choice is kept.
"""

import torch

from napari_acll.core import Backend
from napari_acll.label._backend_choice import (
    BackendChoice,
    as_wanted,
    chosen_once,
    machine_key,
)
from napari_acll.label._backend_trial import Trial, backends_to_try, fastest_alike
from napari_acll.label._fingerprint import atlas_volume
from napari_acll.label._point_finder import FoundNuclei, NucleusFinder
from napari_acll.label._point_image import PreparedVolume, prepare
from napari_acll.label._point_model import PointModel

_MOST_X = 160
"""Of the trial's columns on a CPU: at every new machine somebody waits for it."""
_LARGEST_SHIFT_PX = 0.5


def choose_backend(model: PointModel, device: torch.device, wanted: Backend) -> BackendChoice:
    """Return the backend of a setting, which may have to be measured.

    Parameters
    ----------
    model : PointModel
        The model.
    device : torch.device
        Where it runs.
    wanted : Backend
        The setting.
    """
    if wanted is not Backend.AUTO:
        return as_wanted(wanted, device)
    return chosen_once(backend_key(model, device), lambda: measure_backends(model, device))


def backend_key(model: PointModel, device: torch.device) -> str:
    """Return what a choice holds for; the head that is tried has one shape for each model."""
    return f"{machine_key(device)}, model {model.sha256}"


def measure_backends(model: PointModel, device: torch.device) -> BackendChoice:
    """Return the fastest backend that finds the same nuclei in a made-up head.

    Parameters
    ----------
    model : PointModel
        The model.
    device : torch.device
        Where it runs.

    Raises
    ------
    RuntimeError
        If it cannot compute in single precision.
    """
    prepared = _trial(model)
    return fastest_alike(
        lambda backend: _trial_of(model, backend, device, prepared),
        backends_to_try(device),
        same=share_of_same_nuclei,
        of_what="nuclei",
        device=device,
    )


def _trial_of(
    model: PointModel, backend: Backend, device: torch.device, prepared: PreparedVolume
) -> Trial[FoundNuclei]:
    finder = _finder(model, BackendChoice(backend, ""), device)
    part = prepared.image[prepared.bright]
    if device.type == "cpu":
        part = part[..., :_MOST_X]
    return Trial(
        answer=lambda: finder.find(prepared),
        run=lambda: finder.logits(part, within=prepared.image.shape),
        fell_back=lambda: "; ".join(finder.notes),
    )


def _trial(model: PointModel) -> PreparedVolume:
    volume = atlas_volume(model)
    size_um = model.card.voxel_size_um
    return prepare(
        volume.marker, background=volume.marker_background, voxel_um=size_um, model_um=size_um
    )


def _finder(model: PointModel, choice: BackendChoice, device: torch.device) -> NucleusFinder:
    card = model.card
    return NucleusFinder(
        model.detector,
        peak_threshold=card.peak_threshold,
        foreground_threshold=card.foreground_threshold,
        max_radius_um=card.max_radius_um,
        device=device,
        dtype=choice.dtype,
        is_graph=choice.is_graph,
    )


def share_of_same_nuclei(first: FoundNuclei, second: FoundNuclei) -> float:
    """Return how many of the nuclei that either found lie where the other found one.

    Parameters
    ----------
    first, second : FoundNuclei
        Nuclei of one volume.
    """
    from scipy.spatial import cKDTree

    most = max(len(first), len(second))
    if not len(first) or not len(second):
        return 1.0 if most == 0 else 0.0
    distance_px, _ = cKDTree(second.position_px).query(first.position_px)
    return float((distance_px <= _LARGEST_SHIFT_PX).sum() / most)
