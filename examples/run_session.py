"""Run a session from Python, and stop it as soon as enough neurons are known.

python run_session.py [RECORDING] [SESSION]
"""

import sys

import numpy as np

from napari_acll.core import AcllSettings, AnimalInfo, TraceSample
from napari_acll.session import Session, build_session

ENOUGH_VOLUMES = 3


def main(recording: str, out: str) -> None:
    """Label and trace a recording until there are enough volumes."""
    settings = AcllSettings(animal=AnimalInfo(notes="an example"))
    session = build_session(recording, settings=settings, out=out)
    session.sample_ready.connect(lambda sample: look_at(sample, session))
    with session:
        pass  # leaving the block waits for the end, and raises what went wrong
    print(f"{session.state}: {session.counters.n_traced} volumes in {out}")


def look_at(sample: TraceSample, session: Session) -> None:
    """Say how many neurons a volume has, and end the session after some volumes."""
    n_named = int(np.isfinite(sample.confidence).sum())
    print(f"volume {sample.index} at {sample.time_s:.1f} s: {n_named} neurons")
    if session.counters.n_traced >= ENOUGH_VOLUMES:
        session.stop()


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["simulated:volumes=10", "example.acll"]))
