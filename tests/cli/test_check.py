"""`acll check`: the lines of the preflight and the exit code of the first that stops."""

from napari_acll.cli import run
from napari_acll.core import ModelError, RecordingError

SMALL = "simulated:volumes=5,geometry=small"


def test_every_requirement_is_one_line_and_nothing_is_made(tmp_path, capsys):
    out = tmp_path / "worm.acll"
    assert run(["check", SMALL, "--out", str(out), "--publish", "off"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line[6:].partition(":")[0] for line in lines]
    assert names == [
        "Recording",
        "Crop",
        "Folder",
        "Model",
        "Device",
        "Disk",
        "Memory",
    ]
    assert not out.exists()


def test_the_first_line_that_stops_gives_the_exit_code(tmp_path, capsys):
    gone = str(tmp_path / "gone")
    words = ["check", gone, "--model", gone]
    assert run(words) == RecordingError.exit_code
    assert capsys.readouterr().out.count("STOP ") == 2
    assert run(["check", SMALL, "--model", gone]) == ModelError.exit_code


def test_the_options_of_a_run_count(tmp_path, capsys):
    words = ["check", str(tmp_path / "to come"), "--live", "--set", "preprocess.bin_px=1"]
    assert run(words) == 0
    assert "Armed" in capsys.readouterr().out
