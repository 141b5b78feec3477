"""Processes that trained together end without a thread that still listens to the others."""

import os
import subprocess
import sys

import pytest

TRAINING = """
import gc
import psutil
import torch
from napari_acll.training._distributed import team

gc.disable()  # what is left to chance else
process = psutil.Process()

def train(crew):
    network = crew.shared(torch.nn.Linear(3, 3))
    network(torch.ones(2, 3)).sum().backward()
    return process.num_threads()

n_before = process.num_threads()
with team("cpu") as crew:
    n_meanwhile = train(crew)
if crew.is_first:
    print(n_before, n_meanwhile, process.num_threads())
"""


@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform == "win32", reason="torch's launcher needs libuv on Windows")
def test_no_thread_of_the_group_outlives_a_common_training(tmp_path):
    script = tmp_path / "training.py"
    script.write_text(TRAINING, encoding="utf-8")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, str(script)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    n_before, n_meanwhile, n_after = map(int, done.stdout.split())
    assert n_meanwhile > n_before
    assert n_after == n_before
