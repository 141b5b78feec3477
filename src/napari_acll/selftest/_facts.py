"""What a report says of the machine, the card and the software."""

import shutil
import subprocess
import sys

from napari_acll.bench import commit, machine, versions

_QUERY = "name,driver_version,memory.total,memory.used,compute_cap,power.limit"
_MOST_S = 30


def facts() -> dict[str, object]:
    """Return machine, versions, card and driver, as JSON values."""
    return {
        "machine": machine(),
        "python": sys.version,
        "versions": versions(),
        "commit": commit(),
        "driver": driver(),
        "torch_cards": _cards(),
    }


def driver() -> str:
    """Return what the NVIDIA driver says of its cards; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        told = subprocess.run(  # noqa: S603  the driver's own program, with words of this module
            [program, f"--query-gpu={_QUERY}", "--format=csv"],
            capture_output=True,
            text=True,
            timeout=_MOST_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"nvidia-smi did not answer: {error}"
    return (told.stdout or told.stderr).strip()


def _cards() -> dict[str, object]:
    import torch

    told: dict[str, object] = {
        "built_for_cuda": torch.version.cuda or "",
        "is_available": torch.cuda.is_available(),
    }
    if torch.cuda.is_available():
        told["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        told["cards"] = [
            str(torch.cuda.get_device_properties(index))
            for index in range(torch.cuda.device_count())
        ]
    return told
