"""What a measurement was made on."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import psutil

from napari_acll.export import package_versions

_QUERY = "name,driver_version,memory.total,memory.used,compute_cap,power.limit"
_MOST_S = 30
_CPU_INFO = Path("/proc/cpuinfo")


def machine() -> dict[str, object]:
    """Return what tells one computer from another, as JSON values."""
    return {
        "cpu": _cpu_name(),
        "n_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "n_cores_of_the_machine": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "cards": cards(),
        "driver": driver(),
        "busy_before": psutil.cpu_percent(interval=0.5),
    }


def cards() -> list[str]:
    """Return the cards that torch can use, each with its memory and what it can do."""
    import torch

    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return [
        f"{card.name}, {card.total_memory / 1e9:.0f} GB, capability {card.major}.{card.minor}"
        for card in found
    ]


def card_memory_mb() -> float | None:
    """Return the most memory of the card that torch held so far, in MB; None without a card."""
    import torch

    if not torch.cuda.is_available():
        return None
    return float(torch.cuda.max_memory_reserved() / 1e6)


def driver() -> str:
    """Return what the NVIDIA driver says of its cards; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        told = subprocess.run(  # noqa: S603  the driver's own program, with words of this module
            [program, f"--query-gpu={_QUERY}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_MOST_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"nvidia-smi did not answer: {error}"
    return (told.stdout or told.stderr).strip()


def _cpu_name() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions() -> dict[str, str]:
    """Return the versions of what decides the speed."""
    import numba
    import torch

    return {
        **package_versions(),
        "torch": torch.__version__,
        "torch_cuda": torch.version.cuda or "none",
        "torch_threads": str(torch.get_num_threads()),
        "numba": numba.__version__,
    }


def commit() -> str | None:
    """Return the commit of the working copy that this runs from; None if it is installed."""
    folder = Path(__file__).resolve().parents[3]
    if not (folder / ".git").exists():
        return None
    try:
        told = subprocess.run(  # noqa: S603  words of this module
            ["git", "-C", str(folder), "rev-parse", "HEAD"],  # noqa: S607  the user's own git
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip()
