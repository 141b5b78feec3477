"""How long a fresh process takes until it is ready, measured in processes of their own."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from napari_acll.core import (
    AcllSettings,
    ModelError,
    SessionError,
    VolumeSpec,
    VoxelGrid,
)

_IMPORT = """
import time
began_s = time.perf_counter()
import napari_acll
print(time.perf_counter() - began_s)
"""
_READY = "from napari_acll.bench._startup import get_ready; get_ready()"
_MOST_S = 300.0
_REFUSED = "refused"
"""Key under which a fresh process tells why the model cannot be used."""


def start_up(settings: AcllSettings, spec: VolumeSpec) -> Mapping[str, float]:
    """Return times of fresh processes, in s.

    Parameters
    ----------
    settings : AcllSettings
        All settings.
    spec : VolumeSpec
        The recording as stored.

    Returns
    -------
    mapping of str to float
        `import_s` (`import napari_acll`), `ready_s` (from the start of the process until a first
        volume could come), `warm_up_s` (the part of it after the model is loaded), and
        `ready_cpu_s`, the computing time.

    Raises
    ------
    ModelError
        If the model cannot be used.
    SessionError
        If such a process fails.
    """
    import_s = float(_run([sys.executable, "-c", _IMPORT], "")[1])
    given = json.dumps(
        {
            "settings": settings.model_dump(mode="json"),
            "shape": spec.shape,
            "voxel_size_um": spec.voxel_size_um,
        }
    )
    ready_s, line = _run([sys.executable, "-c", _READY], given)
    told = json.loads(line)
    if _REFUSED in told:
        raise ModelError(told[_REFUSED])
    return {"import_s": import_s, "ready_s": ready_s, **told}


def _run(command: Sequence[str], given: str) -> tuple[float, str]:
    """Return how long a program took, and the last line that it wrote."""
    began_s = time.perf_counter()
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter, with words of this module
            command, input=given, capture_output=True, text=True, timeout=_MOST_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", "") or str(error)
        raise SessionError(
            f"The start of a fresh process could not be measured: {str(told).strip()[-300:]}"
        ) from error
    return time.perf_counter() - began_s, done.stdout.strip().splitlines()[-1]


def get_ready() -> None:
    """Load and warm up the model as a session does, and write how long that took.

    Runs in a process of its own; settings and geometry come as JSON through the standard input.
    """
    from napari_acll.label import load_labeler
    from napari_acll.preprocess import Preprocessor
    from napari_acll.session import trace_estimator_of, warm_up

    given = json.loads(sys.stdin.read())
    settings = AcllSettings.model_validate(given["settings"])
    grid = VoxelGrid.as_stored(tuple(given["shape"]), tuple(given["voxel_size_um"]))
    spec = VolumeSpec(grid=grid, period_s=0.6)
    try:
        labeler = load_labeler(settings.label)
    except ModelError as error:
        sys.stdout.write(json.dumps({_REFUSED: str(error)}) + "\n")
        return
    loaded_s = time.perf_counter()
    warm_up(
        labeler,
        preprocessor=Preprocessor(spec, settings.preprocess),
        trace_estimator=trace_estimator_of(labeler.neurons, settings),
        stored_spec=spec,
        batch_size=settings.label.batch_size,
    )
    told = {"warm_up_s": time.perf_counter() - loaded_s, "ready_cpu_s": time.process_time()}
    sys.stdout.write(json.dumps(told) + "\n")
