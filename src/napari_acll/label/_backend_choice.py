"""How a network computes: chosen once for a machine, a model and a shape, and remembered."""

import json
import logging
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from napari_acll.core import Backend, user_cache_dir, write_whole

_log = logging.getLogger(__name__)

DTYPES = {
    Backend.TORCH: torch.float32,
    Backend.TORCH_BF16: torch.bfloat16,
    Backend.TORCH_FP16: torch.float16,
}
"""The numbers of each backend, whether its steps are recorded or not."""
_MOST_KEPT = 50


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """A backend and one sentence on why it is used."""

    backend: Backend
    why: str

    @property
    def dtype(self) -> torch.dtype:
        """The numbers of the network."""
        return DTYPES[self.backend.in_precision]

    @property
    def is_graph(self) -> bool:
        """Whether the steps of the network are recorded once."""
        return self.backend.is_graph


_chosen: dict[str, BackendChoice] = {}


def as_wanted(wanted: Backend, device: torch.device) -> BackendChoice:
    """Return the backend of a setting that leaves no choice.

    On the CPU, on which a session of a GPU may go on, there are no recorded steps, and half
    precision takes 16 times as long as single precision.

    Parameters
    ----------
    wanted : Backend
        The setting.
    device : torch.device
        Where the network runs.
    """
    there = wanted
    if device.type == "cpu":
        is_half = wanted.in_precision is Backend.TORCH_FP16
        there = Backend.TORCH if is_half else wanted.in_precision
    if there is wanted:
        return BackendChoice(wanted, f"{wanted}, as the settings say.")
    return BackendChoice(there, f"{there}: {wanted}, as the settings say, is for GPUs only.")


def chosen_once(key: str, measure: Callable[[], BackendChoice]) -> BackendChoice:
    """Return what was chosen before, in this process or an earlier one, else measure.

    A trial that fails leaves single precision; that is not remembered, for memory that is used up
    now may be free at the next start.

    Parameters
    ----------
    key : str
        What the choice holds for.
    measure : callable
        Returns the choice.
    """
    if key not in _chosen:
        _chosen[key] = _remembered(key) or _tried(key, measure)
    return _chosen[key]


def machine_key(device: torch.device) -> str:
    """Return what tells this machine, the device and the software that computes on it.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    """
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        memory_gb = round(about.total_memory / 1e9)
        card = f"{about.name} {about.major}.{about.minor} {memory_gb} GB"
        return f"{platform.node()} {card}, torch {torch.__version__}, CUDA {torch.version.cuda}"
    cpu = torch.backends.cpu.get_cpu_capability()
    machine = f"{platform.node()} {platform.processor() or platform.machine()} {cpu}"
    return f"{machine}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _tried(key: str, measure: Callable[[], BackendChoice]) -> BackendChoice:
    try:
        choice = measure()
    except RuntimeError as error:
        _log.warning("The trial of backends failed: %s", error)
        return BackendChoice(
            Backend.TORCH, f"Single precision: the trial of others fails here ({error})."
        )
    _remember(key, choice)
    return choice


def choices_file() -> Path:
    """Return the file with the choices of this user's machines."""
    return user_cache_dir() / "backends.json"


def _kept() -> dict[str, dict[str, str]]:
    try:
        kept = json.loads(choices_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("The backends in %s are not used: %s", choices_file(), error)
        return {}
    return kept if isinstance(kept, dict) else {}


def _remembered(key: str) -> BackendChoice | None:
    entry = _kept().get(key)
    if entry is None:
        return None
    try:
        choice = BackendChoice(Backend(entry["backend"]), str(entry["why"]))
    except (LookupError, TypeError, ValueError) as error:
        _log.warning("The backend in %s is not used: %s", choices_file(), error)
        return None
    return None if choice.backend is Backend.AUTO else choice


def _remember(key: str, choice: BackendChoice) -> None:
    """Keep a choice; a folder that cannot be written to costs a trial next time, no more."""
    others = {kept: entry for kept, entry in _kept().items() if kept != key}
    newest = dict(list({key: asdict(choice), **others}.items())[:_MOST_KEPT])
    try:
        write_whole(choices_file(), json.dumps(newest, indent=1))
    except OSError as error:
        _log.warning("The choice of a backend is not kept: %s", error)
