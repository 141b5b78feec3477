"""What `acll simulate` writes beside the recording."""

import csv
from pathlib import Path

import numpy as np
import pytest

from napari_acll.cli import run
from napari_acll.core import SourceSettings
from napari_acll.simulate import SimulatedSource

SMALL = ["--volumes", "2", "--geometry", "small", "--seed", "5"]
RECORDING = 3
"""Exit code of a recording that cannot be read or written."""


@pytest.mark.parametrize("name", ["worm.nd2", "worm.zarr", "worm"])
def test_the_truth_lies_beside_the_recording(name: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / name
    assert run(["simulate", str(out), *SMALL, "--masks"]) == 0
    table = tmp_path / f"{name}.truth.csv"
    assert str(table) in capsys.readouterr().out
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    recording = "simulated:seed=5,volumes=2,geometry=small"
    source = SimulatedSource.from_recording(recording, SourceSettings())
    assert tuple(row["name"] for row in rows if row["volume"] == "1") == source.truth(1).names
    masks = sorted((tmp_path / f"{name}.masks").iterdir())
    with np.load(masks[1]) as file:
        assert np.array_equal(file["masks"], source.instance_masks(1))


def test_masks_are_written_only_when_asked_for(tmp_path: Path, capsys) -> None:
    assert run(["simulate", str(tmp_path / "worm.nd2"), *SMALL]) == 0
    capsys.readouterr()
    assert {path.name for path in tmp_path.iterdir()} == {"worm.nd2", "worm.nd2.truth.csv"}


def test_a_preset_makes_another_recording(tmp_path: Path, capsys) -> None:
    for preset in ("usual", "absent"):
        out = tmp_path / f"{preset}.nd2"
        assert run(["simulate", str(out), *SMALL, "--preset", preset]) == 0
    capsys.readouterr()
    n_rows = [
        len((tmp_path / f"{preset}.nd2.truth.csv").read_text().splitlines())
        for preset in ("usual", "absent")
    ]
    assert n_rows[1] < 0.9 * n_rows[0]


def test_nothing_is_written_where_a_truth_lies(tmp_path: Path, capsys) -> None:
    (tmp_path / "worm.nd2.truth.csv").write_text("mine")
    assert run(["simulate", str(tmp_path / "worm.nd2"), *SMALL]) == RECORDING
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["worm.nd2.truth.csv"]
