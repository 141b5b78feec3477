import csv
from pathlib import Path

import numpy as np
import pytest

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.simulate import TRUTH_COLUMNS, SimulatedSource, write_truth


@pytest.fixture
def source() -> SimulatedSource:
    recording = "simulated:seed=3,volumes=3,geometry=small,fillers=0.2"
    return SimulatedSource.from_recording(recording, SourceSettings())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_says_what_the_source_says(source: SimulatedSource, tmp_path: Path) -> None:
    rows = rows_of(write_truth(source, tmp_path / "rec.truth.csv", 3))
    assert tuple(rows[0]) == TRUTH_COLUMNS
    n = len(source.worm.shape)
    assert [int(row["volume"]) for row in rows] == [0] * n + [1] * n + [2] * n
    truth = source.truth(1)
    second = rows[n : 2 * n]
    assert tuple(row["name"] for row in second) == truth.names
    assert [row["is_listed"] == "1" for row in second] == truth.is_listed.tolist()
    place = np.array([[float(row[f"{axis}_px"]) for axis in "zyx"] for row in second])
    assert place == pytest.approx(truth.centroid_px, abs=1e-3)
    for column in ("radius_um", "ratio", "marker", "activity"):
        values = np.array([float(row[column]) for row in second])
        assert values == pytest.approx(getattr(truth, column), abs=1e-3)
    assert any(not row["name"] for row in second)


def test_masks_are_compressed_and_numbered_as_the_table_says(
    source: SimulatedSource, tmp_path: Path
) -> None:
    table, folder = tmp_path / "rec.truth.csv", tmp_path / "rec.masks"
    rows = rows_of(write_truth(source, table, 3, masks=folder))
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == [f"rec_t000{number}.npz" for number in (1, 2, 3)]
    with np.load(files[2]) as file:
        masks = file["masks"]
    assert masks.shape == source.spec.shape
    assert masks.dtype == np.uint16
    assert files[2].stat().st_size < masks.nbytes / 10
    numbers = {int(row["instance"]) for row in rows if row["volume"] == "2"}
    assert set(np.unique(masks[masks > 0]).tolist()) <= numbers
    large = [row for row in rows if row["volume"] == "2" and float(row["radius_um"]) > 2.0]
    hits = 0
    for row in large:
        place = np.array([float(row[f"{axis}_px"]) for axis in "zyx"])
        inside = np.clip(np.round(place).astype(int), 0, np.array(masks.shape) - 1)
        hits += int(masks[tuple(inside)]) == int(row["instance"])
    assert hits > 0.8 * len(large)


def test_fewer_volumes_are_told_of_when_asked(source: SimulatedSource, tmp_path: Path) -> None:
    done: list[int] = []
    rows = rows_of(write_truth(source, tmp_path / "t.csv", 2, progress=done.append))
    assert {row["volume"] for row in rows} == {"0", "1"}
    assert done == [1, 2]


def test_nothing_is_overwritten(source: SimulatedSource, tmp_path: Path) -> None:
    table = tmp_path / "rec.truth.csv"
    table.write_text("mine")
    with pytest.raises(RecordingError, match=r"rec\.truth\.csv exists already"):
        write_truth(source, table, 1)
    assert table.read_text() == "mine"
    folder = tmp_path / "rec.masks"
    folder.mkdir()
    with pytest.raises(RecordingError, match=r"rec\.masks exists already"):
        write_truth(source, tmp_path / "other.csv", 1, masks=folder)


def test_a_folder_that_is_not_there_is_told(source: SimulatedSource, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="Cannot write the truth"):
        write_truth(source, tmp_path / "nowhere" / "t.csv", 1)
