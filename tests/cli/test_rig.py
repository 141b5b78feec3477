"""`acll rig`."""

import pytest
import scipy.linalg  # noqa: F401  its libraries stay open

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
