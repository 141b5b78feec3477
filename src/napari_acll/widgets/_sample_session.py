"""A small finished session for people without a recording, made when it is asked for."""

import shutil
import tempfile
from pathlib import Path

from napari_acll.core import AcllSettings, AlignmentSettings, PublishMode, PublishSettings
from napari_acll.widgets._long_work import Steps, wait_for

N_VOLUMES = 12
_RECORDING = f"simulated:volumes={N_VOLUMES}"
_STEP_S = 0.1


def make_sample_session() -> Path:
    """Run a session on a dozen volumes of the simulated worm; napari shows how far it is.

    Returns
    -------
    Path
        The session folder, alone in a temporary one that whoever asked removes.

    Raises
    ------
    AcllError
        If the session cannot be run.
    CanceledError
        If the user has pressed Cancel in napari's activity dock; nothing is left then.
    """
    folder = Path(tempfile.mkdtemp(prefix="acll-sample-"))
    try:
        return _run(folder / "simulated_session.acll")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _run(out: Path) -> Path:
    def work(steps: Steps) -> Path:
        from napari_acll.session import build_session

        settings = AcllSettings(
            alignment=AlignmentSettings(n_volumes=3), publish=PublishSettings(mode=PublishMode.OFF)
        )
        steps(0, N_VOLUMES)
        session = build_session(_RECORDING, settings=settings, out=out)
        with session:
            while not session.join(_STEP_S):
                steps(session.counters.n_traced, N_VOLUMES)
        return out

    return wait_for("Labeling the simulated worm", work, name="acll-sample")
