"""Following a recording on the command line, from a folder that another process fills."""

import _thread
import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from tests.session.test_build import SizeLabeler

from napari_acll.cli import run
from napari_acll.core import VolumeStatus
from napari_acll.export import SavedSession
from napari_acll.sources._folder_watch import FolderWatch

LOST = 4
WRITER = f"""
import sys
from pathlib import Path
from napari_acll.core import SourceSettings
from napari_acll.simulate import SimulatedSource, write_nd2_folder

class WithoutOne:
    def __init__(self, source):
        self.source, self.spec = source, source.spec
    def __iter__(self):
        return (volume for volume in self.source if volume.index != {LOST})

recording = "simulated:geometry=small,volumes=8,seed=3"
source = SimulatedSource.from_recording(recording, SourceSettings())
write_nd2_folder(WithoutOne(source), Path(sys.argv[1]), 8)
"""


@pytest.fixture(autouse=True)
def _quick_model(monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: SizeLabeler())


@pytest.fixture
def microscope(tmp_path):
    """Fill the folder `worm` from another process, from when it is called."""
    processes = []

    def start():
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "worm")])
        processes.append(process)

    yield start
    for process in processes:
        assert process.wait(60) == 0


def follow(folder, out, *options):
    settings = ["live.idle_timeout_s=4", "live.reorder_ms=200", "live.start_timeout_s=60"]
    assignments = [word for text in settings for word in ("--set", f"source.{text}")]
    return run(["run", str(folder), "--live", "--out", str(out), *assignments, *options])


def test_a_folder_is_followed_from_its_making_to_its_end(tmp_path, microscope, capsys):
    microscope()
    out = tmp_path / "worm.acll"
    assert follow(tmp_path / "worm", out, "--drop-policy", "block") == 0
    shown = capsys.readouterr()
    assert "Waiting up to 60 s" in shown.err
    assert "for 4 s; the recording is taken to be over" in shown.err
    assert "7 volumes traced, 1 lost" in shown.out
    saved = SavedSession.open(out)
    expected = [VolumeStatus.TRACED] * 8
    expected[LOST] = VolumeStatus.LOST
    assert saved.state == "finished"
    assert list(saved.status) == expected


def test_a_session_that_followed_has_the_values_of_one_that_replayed(tmp_path, microscope):
    microscope()
    assert follow(tmp_path / "worm", tmp_path / "live.acll", "--drop-policy", "block") == 0
    assert run(["run", str(tmp_path / "worm"), "--out", str(tmp_path / "replay.acll")]) == 0
    live, replay = (SavedSession.open(tmp_path / f"{name}.acll") for name in ("live", "replay"))
    assert np.isfinite(live.read("ratio")).sum() > 20
    for name in ("ratio", "activity_sum", "marker_sum", "centroid_px"):
        np.testing.assert_array_equal(live.read(name), replay.read(name))
    times_s = [session.read("time_s") for session in (live, replay)]
    np.testing.assert_allclose(*times_s, atol=1e-3)


def test_an_armed_session_leaves_out_the_animal_before(tmp_path, microscope, capsys):
    microscope()
    assert follow(tmp_path / "worm", tmp_path / "a.acll", "--drop-policy", "block") == 0
    code = follow(tmp_path / "worm", tmp_path / "b.acll", "--set", "source.live.start_timeout_s=1")
    assert code == 3
    assert "No volume came into" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "b.acll").exists()
    assert follow(tmp_path / "worm", tmp_path / "c.acll", "--takes-existing") == 0
    header = json.loads((tmp_path / "c.acll" / "session.json").read_text())
    assert header["settings"]["run"]["drop_policy"] == "drop_oldest"
    assert header["source"]["first_number"] == 1


def test_a_session_is_armed_again_for_each_animal(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "worm"
    folder.mkdir()
    animals = iter([(1, 2), (101, 102, 103), ()])

    def load(_):  # when the source is armed and no volume was waited for yet
        counts = np.random.default_rng(1).integers(0, 4096, (2, 4, 20, 30), np.uint16)
        for number in next(animals):
            np.save(folder / f"worm_t{number:04d}.npy", counts)
        return SizeLabeler()

    monkeypatch.setattr("napari_acll.label.load_labeler", load)
    short = ["--set", "source.live.idle_timeout_s=1", "--set", "source.live.start_timeout_s=2"]
    assert follow(folder, tmp_path / "worm.acll", "--rearm", *short) == 0
    assert "No further recording: No volume came" in capsys.readouterr().out
    sessions = [SavedSession.open(tmp_path / name) for name in ("worm.acll", "worm-2.acll")]
    assert [session.n_timepoints for session in sessions] == [2, 3]
    assert [session.header["source"]["first_number"] for session in sessions] == [1, 101]
    assert not (tmp_path / "worm-3.acll").exists()


def test_arming_again_without_following_is_refused(tmp_path, capsys):
    assert run(["run", "simulated", "--rearm", "--out", str(tmp_path / "worm.acll")]) == 5
    assert "give --live" in capsys.readouterr().err


def test_ctrl_c_ends_the_wait_for_a_recording(tmp_path, monkeypatch, capsys):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    look = FolderWatch.look

    def interrupted_look(watch):
        _thread.interrupt_main()
        return look(watch)

    monkeypatch.setattr(FolderWatch, "look", interrupted_look)
    try:
        code = follow(tmp_path / "worm", tmp_path / "worm.acll")
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert capsys.readouterr().err.splitlines()[-1] == "acll: error: interrupted."
    assert not (tmp_path / "worm.acll").exists()
