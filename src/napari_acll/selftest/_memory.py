"""The most memory that a process used, of the computer and of the card."""

import sys
from pathlib import Path


def memory_used() -> dict[str, float]:
    """Return the most that this process has used so far, in MB; the card's only if it was used."""
    used: dict[str, float] = {"process_mb": round(_most_bytes() / 1e6)}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        used["card_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
        used["card_reserved_mb"] = round(torch.cuda.max_memory_reserved() / 1e6)
    return used


def _most_bytes() -> int:
    import psutil

    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":  # resource would count what the process that started it held
        return _kib_of("VmHWM") * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def _kib_of(entry: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{entry}:"))
