"""Memory that is used again."""

import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from napari_acll.label._kept_memory import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        volume = np.ones(2_000_000, np.float32)
        other = np.ones(3_000_000, np.float32)
        del volume, other
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_memory() if sys.argv[1] == "kept" else None
faults()
sys.stdout.write(str(faults()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be asked")
def test_arrays_of_the_size_of_a_volume_cost_no_page_faults_anymore():
    n_faults = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True
            ).stdout
        )
        for how in ("kept", "not")
    }
    assert n_faults["kept"] < 0.1 * max(n_faults["not"], 1000)
