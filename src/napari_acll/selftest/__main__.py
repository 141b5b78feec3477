"""`python -m napari_acll.selftest STEP JOB.json`: one step of `acll selftest`."""

import sys

from napari_acll.selftest._job import run_step
from napari_acll.selftest._steps import STEPS

if __name__ == "__main__":
    sys.exit(run_step(sys.argv[2], STEPS[sys.argv[1]]))
