"""Swap the two sides of a neuron while a session runs, and read what was corrected.

python correct_names.py [RECORDING] [SESSION]
"""

import sys

from napari_acll.core import AcllSettings, Correction, CorrectionKind, TraceSample
from napari_acll.export import SavedSession
from napari_acll.session import Session, build_session

SWAPPED_AT = 1


def main(recording: str, out: str) -> None:
    """Label and trace a recording, with AVAL and AVAR swapped from some volume on."""
    session = build_session(recording, settings=AcllSettings(), out=out)
    session.sample_ready.connect(lambda sample: look_at(sample, session))
    with session:
        pass  # leaving the block waits for the end, and raises what went wrong
    for made in SavedSession.open(out).corrections():
        print(made.sentence())
    print(f"seen in {session.quality.measures().coverage.max():.0%} of the volumes at best")


def look_at(sample: TraceSample, session: Session) -> None:
    """Correct the names once."""
    if sample.index == SWAPPED_AT:
        session.correct(Correction(kind=CorrectionKind.SWAP, name="AVAL"))


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["simulated:volumes=6", "example.acll"]))
