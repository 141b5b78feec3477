"""How torch's threads wait for each other."""

import os
import subprocess
import sys

from napari_acll.label._openmp import wait_passively


def test_threads_wait_passively_unless_the_user_has_chosen(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_it_is_chosen_before_torch_could_read_it():
    code = (
        "import os, sys, napari_acll.label;"
        "sys.stdout.write(f\"{'torch' in sys.modules} {os.environ['OMP_WAIT_POLICY']}\")"
    )
    env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False PASSIVE"
