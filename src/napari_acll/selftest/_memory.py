"""The most memory that a process used, of the computer and of the card."""

import sys


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
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
