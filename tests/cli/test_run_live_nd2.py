"""Following an ND2 file on the command line, while another process writes it."""

import subprocess
import sys

import numpy as np
import pytest
from tests.session.test_build import SizeLabeler

from napari_acll.cli import run
from napari_acll.export import SavedSession

WRITER = """
import sys
from pathlib import Path
from napari_acll.core import SourceSettings
from napari_acll.simulate import SimulatedSource, write_nd2

recording = "simulated:geometry=small,volumes=6,seed=3"
write_nd2(SimulatedSource.from_recording(recording, SourceSettings()), Path(sys.argv[1]), 6)
"""


@pytest.fixture(autouse=True)
def _quick_model(monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: SizeLabeler())


@pytest.fixture
def microscope(tmp_path):
    """Write the file of this name from another process, from when it is called."""
    processes = []

    def start(name):
        processes.append(subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / name)]))

    yield start
    for process in processes:
        assert process.wait(60) == 0


def follow(recording, out):
    """Follow without skipping: the writer is much faster than a microscope."""
    words = ["--live", "--drop-policy", "block", "--out", str(out)]
    return run(["run", str(recording), *words, "--set", "source.live.start_timeout_s=60"])


@pytest.mark.parametrize("address", ["worm.nd2", "*.nd2"])
def test_a_session_that_followed_a_file_has_the_values_of_one_that_replayed_it(
    tmp_path, microscope, capsys, address
):
    (tmp_path / "older.nd2").write_bytes(b"of another animal")
    microscope("worm.nd2")
    assert follow(tmp_path / address, tmp_path / "live.acll") == 0
    assert "6 volumes traced" in capsys.readouterr().out
    assert run(["run", str(tmp_path / "worm.nd2"), "--out", str(tmp_path / "replay.acll")]) == 0
    live, replay = (SavedSession.open(tmp_path / f"{name}.acll") for name in ("live", "replay"))
    assert live.state == "finished"
    assert live.header["source"]["path"] == str(tmp_path / "worm.nd2")
    assert np.isfinite(live.read("ratio")).sum() > 20
    for name in ("ratio", "activity_sum", "marker_sum", "centroid_px"):
        np.testing.assert_array_equal(live.read(name), replay.read(name))
    np.testing.assert_allclose(live.read("time_s"), replay.read("time_s"), atol=1e-6)


def test_following_a_finished_file_says_what_to_do(tmp_path, microscope, capsys):
    microscope("worm.nd2")
    assert follow(tmp_path / "worm.nd2", tmp_path / "a.acll") == 0
    assert follow(tmp_path / "worm.nd2", tmp_path / "b.acll") == 3
    assert "finished already" in capsys.readouterr().err
