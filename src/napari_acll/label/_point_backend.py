"""In which numbers the detector computes: what is fastest here and finds the same nuclei.

Some processors convolve in bfloat16 twice as fast as in single precision, others slower, and
some builds of torch do it wrongly. So both are tried on a made-up head, once for each machine and
model, and the choice is kept.
"""

import json
import logging
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_acll.core import Backend
from napari_acll.label._fingerprint import atlas_volume
from napari_acll.label._point_finder import FoundNuclei, NucleusFinder
from napari_acll.label._point_image import PreparedVolume, prepare
from napari_acll.label._point_model import PointModel
from napari_acll.label._registry import MODELS_DIR_VARIABLE

_log = logging.getLogger(__name__)

DTYPES = {Backend.TORCH: torch.float32, Backend.TORCH_BF16: torch.bfloat16}
_N_TIMED = 3
_MOST_X = 160
"""Of the trial's columns, for a trial at every new machine is time that somebody waits."""
_LEAST_GAIN = 1.25
"""Less is not worth another rounding."""
_LARGEST_SHIFT_PX = 0.5
_LEAST_SAME = 0.98
_MOST_KEPT = 50


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """A backend and one sentence on why it is used."""

    backend: Backend
    why: str

    @property
    def dtype(self) -> torch.dtype:
        """The numbers of the detector."""
        return DTYPES[self.backend]


_AS_IT_IS = BackendChoice(Backend.TORCH, "Single precision, as the model was trained.")
_chosen: dict[str, BackendChoice] = {}


def choose_backend(model: PointModel, device: torch.device, wanted: Backend) -> BackendChoice:
    """Return the backend of a setting, which may have to be measured.

    Parameters
    ----------
    model : PointModel
        The model.
    device : torch.device
        Where it runs; nothing but single precision was tried on a GPU.
    wanted : Backend
        The setting.
    """
    if wanted is not Backend.AUTO:
        return BackendChoice(wanted, f"{wanted}, as the settings say.")
    if device.type != "cpu":
        return _AS_IT_IS
    key = _key(model)
    if key not in _chosen:
        _chosen[key] = _remembered(key) or _tried(model, key)
    return _chosen[key]


def _key(model: PointModel) -> str:
    """Return what a choice holds for: machine, number of threads, torch and model."""
    cpu = torch.backends.cpu.get_cpu_capability()
    machine = f"{platform.node()} {platform.processor() or platform.machine()} {cpu}"
    software = f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    return f"{machine}, {software}, model {model.sha256}"


def _tried(model: PointModel, key: str) -> BackendChoice:
    """Return the choice after a trial; one that fails in any way is none."""
    try:
        choice = measure_backends(model)
    except RuntimeError as error:
        _log.warning("bfloat16 cannot be used on this machine: %s", error)
        return BackendChoice(Backend.TORCH, f"Single precision: bfloat16 fails here ({error}).")
    _remember(key, choice)
    return choice


def measure_backends(model: PointModel) -> BackendChoice:
    """Return the faster backend that finds the same nuclei in a made-up head.

    Parameters
    ----------
    model : PointModel
        The model.

    Raises
    ------
    RuntimeError
        If torch cannot compute in bfloat16.
    """
    prepared = _trial(model)
    finders = {backend: _finder(model, dtype) for backend, dtype in DTYPES.items()}
    found = {backend: finder.find(prepared) for backend, finder in finders.items()}
    took_ms = _times_ms(finders, prepared.image[prepared.bright][..., :_MOST_X])
    exact, rounded = (took_ms[backend] for backend in (Backend.TORCH, Backend.TORCH_BF16))
    same = share_of_same_nuclei(found[Backend.TORCH], found[Backend.TORCH_BF16])
    told = f"{rounded:.0f} ms of computing in bfloat16, {exact:.0f} in single precision"
    if same < _LEAST_SAME:
        return BackendChoice(
            Backend.TORCH, f"Single precision: bfloat16 finds only {same:.1%} of the nuclei here."
        )
    if exact < _LEAST_GAIN * rounded:
        return BackendChoice(Backend.TORCH, f"Single precision: a trial took {told}.")
    return BackendChoice(
        Backend.TORCH_BF16, f"bfloat16: a trial took {told}, and {same:.1%} of the nuclei agree."
    )


def _trial(model: PointModel) -> PreparedVolume:
    volume = atlas_volume(model)
    size_um = model.card.voxel_size_um
    return prepare(
        volume.marker, background=volume.marker_background, voxel_um=size_um, model_um=size_um
    )


def _finder(model: PointModel, dtype: torch.dtype) -> NucleusFinder:
    card = model.card
    return NucleusFinder(
        model.detector,
        peak_threshold=card.peak_threshold,
        foreground_threshold=card.foreground_threshold,
        max_radius_um=card.max_radius_um,
        device=torch.device("cpu"),
        dtype=dtype,
    )


def _times_ms(
    finders: dict[Backend, NucleusFinder], image: NDArray[np.float32]
) -> dict[Backend, float]:
    """Return the least computing time of each, by turns: other programs do not count."""
    took_ms = dict.fromkeys(finders, float("inf"))
    for _ in range(_N_TIMED):
        for backend, finder in finders.items():
            began_s = time.process_time()
            finder.logits(image)
            took_ms[backend] = min(took_ms[backend], 1e3 * (time.process_time() - began_s))
    return took_ms


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


def _file() -> Path:
    import platformdirs

    given = os.environ.get(MODELS_DIR_VARIABLE)
    folder = Path(given) if given else platformdirs.user_cache_path("napari-acll", appauthor=False)
    return folder / "backends.json"


def _kept() -> dict[str, dict[str, str]]:
    try:
        kept = json.loads(_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("The backends in %s are not used: %s", _file(), error)
        return {}
    return kept if isinstance(kept, dict) else {}


def _remembered(key: str) -> BackendChoice | None:
    entry = _kept().get(key)
    try:
        return BackendChoice(Backend(entry["backend"]), str(entry["why"])) if entry else None
    except (LookupError, TypeError, ValueError) as error:
        _log.warning("The backend in %s is not used: %s", _file(), error)
        return None


def _remember(key: str, choice: BackendChoice) -> None:
    """Keep a choice; a folder that cannot be written to costs a trial next time, no more."""
    others = {kept: entry for kept, entry in _kept().items() if kept != key}
    newest = dict(list({key: asdict(choice), **others}.items())[:_MOST_KEPT])
    path = _file()
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(newest, indent=1), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        _log.warning("The choice of a backend is not kept: %s", error)
