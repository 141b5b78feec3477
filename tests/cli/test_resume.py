"""Going on with a session on the command line, after a real kill."""

import json

import pytest
from tests.session.test_build import SizeLabeler
from tests.session.test_resume import cut

from napari_acll.cli import run
from napari_acll.export import SavedSession

RECORDING = "simulated:geometry=small,volumes=6,seed=3"


@pytest.fixture(autouse=True)
def _quick_model(monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: SizeLabeler())


def test_an_interrupted_session_says_so_and_goes_on(tmp_path, capsys):
    out = tmp_path / "worm.acll"
    assert run(["run", RECORDING, "--out", str(out)]) == 0
    cut(out, 4)
    capsys.readouterr()
    assert run(["info", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "state: interrupted" in shown
    assert f"acll resume {out}" in shown
    assert run(["resume", str(out)]) == 0
    shown = capsys.readouterr()
    assert "The session was interrupted" in shown.err
    assert "goes on with volume 4" in shown.err
    assert "6 volumes traced" in shown.out
    saved = SavedSession.open(out)
    assert (saved.state, saved.n_timepoints) == ("finished", 6)


def test_a_session_that_is_being_written_is_left_alone(tmp_path, capsys):
    from tests.export.conftest import make_header

    from napari_acll.export import ZarrSessionWriter

    writer = ZarrSessionWriter.create(tmp_path / "worm.acll", make_header())
    assert run(["resume", str(tmp_path / "worm.acll")]) == 6
    assert "is being written by another program" in capsys.readouterr().err
    assert run(["info", str(tmp_path / "worm.acll")]) == 0
    assert "state: running" in capsys.readouterr().out
    writer.close(state="finished")


def test_what_is_no_session_is_refused(tmp_path, capsys):
    assert run(["resume", str(tmp_path)]) == 6
    assert "is not a session" in capsys.readouterr().err


def test_info_offers_to_label_what_was_skipped(tmp_path, capsys):
    out = tmp_path / "worm.acll"
    assert run(["run", RECORDING, "--out", str(out)]) == 0
    status = out / "status" / "c" / "0"
    content = bytearray(status.read_bytes())
    content[2] = 2
    status.write_bytes(content)
    capsys.readouterr()
    assert run(["info", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["skipped"], facts["backfilled"]) == (1, 0)
    assert "labels the 1 skipped volumes" in facts["next"]
    assert run(["resume", str(out)]) == 0
    assert "1 skipped, 1 of those labeled later" in capsys.readouterr().out
    assert SavedSession.open(out).status.tolist() == [1, 1, 5, 1, 1, 1]
    assert run(["info", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["skipped"], facts["backfilled"]) == (0, 1)
    assert "next" not in facts


def test_backfill_is_an_option_of_a_run(tmp_path):
    out = tmp_path / "worm.acll"
    assert run(["run", RECORDING, "--out", str(out), "--backfill", "idle"]) == 0
    header = json.loads((out / "session.json").read_text())
    assert header["settings"]["run"]["backfill"] == "idle"
