import csv

import pytest

from napari_acll.cli import run
from napari_acll.core import LiveMark, SessionError, SourceSettings
from napari_acll.export import SavedSession
from napari_acll.label import read_card
from napari_acll.simulate import SimulatedSource

RECORDING = "simulated:seed=5,volumes=2"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate") / "a.acll"
    assert run(["run", RECORDING, "--out", str(folder)]) == 0
    return folder


def write_truth(path, *, n_rows=None):
    source = SimulatedSource.from_recording(RECORDING, SourceSettings())
    rows = [
        (index, name, *place)
        for index in source.indices
        for name, place in zip(
            source.truth(index).names, source.truth(index).centroid_px.tolist(), strict=True
        )
    ]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["volume", "name", "z_px", "y_px", "x_px"])
        writer.writerows(rows[:n_rows])


def test_checked_names_make_a_model_of_the_rig(session, tmp_path, capsys):
    write_truth(tmp_path / "names.csv")
    out = tmp_path / "rig.safetensors"
    arguments = ["calibrate-names", str(session), "--names", str(tmp_path / "names.csv")]
    assert run([*arguments, "--out", str(out), "--rig", "test rig"]) == 0
    said = capsys.readouterr().out
    assert "checked names of 2 volumes" in said
    card = read_card(out)
    assert (card.calibration.domain, card.calibration.rig) == ("rig", "test rig")
    assert card.calibration.n_names > 100
    assert run(["models", "describe", str(out)]) == 0
    assert "calibrated on rig test rig" in capsys.readouterr().out
    assert run(["models", "verify", str(out)]) == 0
    assert run([*arguments, "--out", str(out)]) == 4


def test_too_few_names_are_an_error_in_one_sentence(session, tmp_path, capsys):
    write_truth(tmp_path / "few.csv", n_rows=10)
    names, out = str(tmp_path / "few.csv"), str(tmp_path / "m.safetensors")
    assert run(["calibrate-names", str(session), "--names", names, "--out", out]) == 5
    assert "at least 20 checked names" in capsys.readouterr().err


def test_it_is_refused_while_a_live_session_runs(session, tmp_path, capsys):
    write_truth(tmp_path / "names.csv")
    names, out = str(tmp_path / "names.csv"), tmp_path / "m.safetensors"
    mark = LiveMark()
    try:
        code = run(["calibrate-names", str(session), "--names", names, "--out", str(out)])
    finally:
        mark.release()
    assert code == SessionError.exit_code
    assert "A live session runs on this computer" in capsys.readouterr().err
    assert not out.exists()


def test_a_session_says_that_its_names_are_calibrated_on_simulation_only(
    session, tmp_path, capsys
):
    saved = SavedSession.open(session)
    assert saved.calibrated_on == "simulation only"
    assert any(event["kind"] == "calibration" for event in saved.events())
    assert (saved.read("novelty") >= 0).all()
    assert run(["export", str(session), str(tmp_path / "a.csv")]) == 0
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["confidence"]]
    assert {row["calibrated_on"] for row in rows} == {"simulation only"}
    assert any(float(row["other_side"]) > 0 for row in rows)
    assert run(["info", str(session)]) == 0
    assert "simulation only" in capsys.readouterr().out
