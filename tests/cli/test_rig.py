"""`acll rig`."""

import numpy as np
import pytest

from napari_acll.cli import run
from napari_acll.core import SourceSettings
from napari_acll.sources import Nd2Source

RECORDING = 3
QUICK = ["--volumes", "4", "--period", "0.02", "--loop", "2", "--geometry", "small"]


def test_a_worm_is_played_into_a_file_and_its_film_kept(tmp_path, capsys):
    out = tmp_path / "worm.nd2"
    for _ in range(2):
        assert run(["rig", str(out), *QUICK, "--film", str(tmp_path / "film")]) == 0
        with Nd2Source(out, SourceSettings()) as source:
            assert list(source.indices) == [0, 1, 2, 3]
        out.unlink()
    shown = capsys.readouterr().out
    assert shown.count("Preparing 2 volumes") == 1
    assert "4 volumes, 0.0 GB" in shown
    assert (tmp_path / "worm.nd2.rig.csv").read_text().count("\n") == 5


def test_a_recording_of_ones_own_can_be_played(tmp_path, capsys):
    mine, played = tmp_path / "mine.nd2", tmp_path / "played.nd2"
    assert run(["simulate", str(mine), "--volumes", "3", "--geometry", "small"]) == 0
    words = ["--recording", str(mine), "--volumes", "5", "--period", "0.02", "--loop", "3"]
    assert run(["rig", str(played), *words, "--film", str(tmp_path / "film")]) == 0
    capsys.readouterr()
    with Nd2Source(mine, SourceSettings()) as source:
        true = [source.read(index) for index in range(3)]
    with Nd2Source(played, SourceSettings()) as source:
        for index, shown in enumerate([0, 1, 2, 1, 0]):
            volume = source.read(index)
            np.testing.assert_array_equal(volume.marker, true[shown].marker)
            np.testing.assert_array_equal(volume.activity, true[shown].activity)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["worm.tif"], "does not tell how"),
        (["worm.nd2", "--route", "pigeon"], "no route 'pigeon'"),
        (["worm.nd2", "--fault", "late@1"], "not possible here"),
    ],
)
def test_what_cannot_be_played_is_told(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(["rig", *arguments, *QUICK, "--film", "film"]) == RECORDING
    assert message in capsys.readouterr().err
    assert not (tmp_path / "worm.nd2").exists()
