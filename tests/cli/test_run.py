"""Running sessions on the command line."""

import _thread
import json
import signal
from pathlib import Path

import pytest
from tests.cli.oracle import oracle_session

from napari_acll.cli import run
from napari_acll.core import SessionError
from napari_acll.export import SavedSession

SMALL = "simulated:seed=3,volumes={},geometry=small"


@pytest.fixture
def arranged(monkeypatch):
    """Make `acll run` use the oracle; `prepare` may change the session before it starts."""

    def arrange(prepare=None):
        def build(recording, *, settings, out, tell):  # noqa: ARG001  the oracle has its own
            session, _ = oracle_session(recording, out)
            if prepare is not None:
                prepare(session)
            return session

        monkeypatch.setattr("napari_acll.session.build_session", build)

    return arrange


def test_a_session_is_run_to_its_end_and_told(arranged, tmp_path, capsys):
    arranged()
    assert run(["run", SMALL.format(6), "--out", str(tmp_path / "worm.acll")]) == 0
    shown = capsys.readouterr()
    assert "6 volumes traced" in shown.out
    assert "simulated" in shown.err
    saved = SavedSession.open(tmp_path / "worm.acll")
    assert (saved.state, saved.n_timepoints) == ("finished", 6)


@pytest.fixture
def interruptible():
    """Let Ctrl+C arrive, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _interrupt_at(index):
    def prepare(session):
        def on_sample(sample):
            if sample.index == index:
                _thread.interrupt_main()

        session.sample_ready.connect(on_sample)

    return prepare


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_the_session_and_keeps_what_was_traced(arranged, tmp_path, capsys):
    arranged(_interrupt_at(3))
    assert run(["run", SMALL.format(5000), "--out", str(tmp_path / "worm.acll")]) == 130
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1] == "acll: error: interrupted."
    saved = SavedSession.open(tmp_path / "worm.acll")
    n_traced = int((saved.status == 1).sum())
    assert saved.state == "finished"
    assert 4 <= n_traced < 5000
    assert f"{n_traced} volumes traced" in shown.out


def test_what_was_traced_before_an_error_is_kept(arranged, tmp_path, capsys):
    def prepare(session):
        read = session.source.worm.render

        def break_off(index):
            if index == 4:
                raise SessionError("The disk fell out of the computer.")
            return read(index)

        session.source.worm.render = break_off

    arranged(prepare)
    assert run(["run", SMALL.format(50), "--out", str(tmp_path / "worm.acll")]) == 6
    assert "fell out" in capsys.readouterr().err.splitlines()[-1]
    saved = SavedSession.open(tmp_path / "worm.acll")
    assert saved.state == "failed"
    assert int((saved.status == 1).sum()) == 4
    assert run(["export", str(tmp_path / "worm.acll"), str(tmp_path / "traces.csv")]) == 0


def test_info_of_a_session_counts_its_volumes(arranged, tmp_path, capsys):
    arranged()
    run(["run", SMALL.format(3), "--out", str(tmp_path / "worm.acll")])
    capsys.readouterr()
    assert run(["info", "--json", str(tmp_path / "worm.acll")]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["traced"], facts["lost"]) == ("session", 3, 0)


def test_info_of_a_recording_gives_its_geometry(capsys):
    assert run(["info", "--json", SMALL.format(7)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["shape_zyx"] == [24, 70, 108]
    assert facts["volumes"] == 7


def test_info_for_people_has_the_same_facts(capsys):
    assert run(["info", SMALL.format(7)]) == 0
    assert "shape_zyx: 24, 70, 108" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("worm.nd2", []),
        ("worm.npy", []),
        ("worm.zarr", []),
        ("worm", []),
        ("array", ["--format", "zarr"]),
    ],
)
def test_a_simulated_recording_is_read_again_as_it_was_written(name, options, tmp_path, capsys):
    path = str(tmp_path / name)
    command = ["simulate", path, "--volumes", "2", "--geometry", "small", *options]
    assert run(command) == 0
    capsys.readouterr()
    axes = ["--axes", "TCZYX"] if name.endswith(".npy") else []
    assert run(["info", "--json", path, *axes]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["volumes"], facts["shape_zyx"]) == (2, [24, 70, 108])


def test_a_calibration_is_saved_and_can_be_looked_at(tmp_path, capsys):
    out = tmp_path / "rig.json"
    recording = "simulated:seed=3,volumes=6,motion=still"
    assert run(["calibrate", recording, "--calibration-volumes", "2", "--out", str(out)]) == 0
    assert "trusted" in capsys.readouterr().out
    assert run(["info", "--json", str(out)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["n_volumes"]) == ("alignment", 2)


def test_a_calibration_that_cannot_be_trusted_saves_nothing(tmp_path, capsys):
    out = tmp_path / "rig.json"
    recording = "simulated:seed=3,volumes=1,geometry=small,light=0.0001"
    assert run(["calibrate", recording, "--out", str(out)]) == 7
    assert "nothing was saved" in capsys.readouterr().err
    assert not Path(out).exists()
