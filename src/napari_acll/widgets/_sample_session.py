"""A small finished session for people without a recording, made when it is asked for."""

import shutil
import tempfile
from pathlib import Path

from napari.utils import progress

from napari_acll.core import AcllSettings, AlignmentSettings, PublishMode, PublishSettings

N_VOLUMES = 12
_RECORDING = f"simulated:volumes={N_VOLUMES}"
_STEP_S = 0.1


def make_sample_session() -> Path:
    """Run a session on a dozen volumes of the simulated worm.

    Returns
    -------
    Path
        The session folder, alone in a temporary one that whoever asked removes.

    Raises
    ------
    AcllError
        If the session cannot be run.
    """
    folder = Path(tempfile.mkdtemp(prefix="acll-sample-"))
    try:
        return _run(folder / "simulated_session.acll")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _run(out: Path) -> Path:
    from napari_acll.session import build_session

    settings = AcllSettings(
        alignment=AlignmentSettings(n_volumes=3), publish=PublishSettings(mode=PublishMode.OFF)
    )
    with progress(total=N_VOLUMES, desc="Labeling the simulated worm") as bar:
        session = build_session(_RECORDING, settings=settings, out=out)
        session.start()
        while not session.join(_STEP_S):
            bar.update(session.counters.n_traced - bar.n)
    return out
