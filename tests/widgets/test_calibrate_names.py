"""Names are calibrated in the background, and a calibration that is canceled leaves no file."""

import csv
import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog
from tests.cli.test_calibrate_names import RECORDING, write_truth

from napari_acll.core import AcllSettings, LiveMark
from napari_acll.label import read_card
from napari_acll.session import build_session
from napari_acll.training import calibrate_names
from napari_acll.widgets._after_session import AfterSession
from napari_acll.widgets._long_work import CanceledError
from napari_acll.widgets._run import RunRequest

PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A finished session on two volumes of the simulated worm."""
    out = tmp_path_factory.mktemp("calibrate") / "a.acll"
    settings = AcllSettings.model_validate(
        {"alignment": {"n_volumes": 0}, "publish": {"mode": "off"}}
    )
    made = build_session(RECORDING, settings=settings, out=out)
    made.start()
    assert made.join(300)
    return out


@pytest.fixture
def after(session, qtbot, make_napari_viewer_proxy):
    make_napari_viewer_proxy()
    row = AfterSession()
    qtbot.addWidget(row)
    row.set_session(session, is_complete=True)
    row.words, row.errors = [], []
    row.told.connect(row.words.append)
    row.failed.connect(row.errors.append)
    return row


def test_checked_names_make_a_model_of_the_rig(after, tmp_path, qtbot, monkeypatch):
    table, out = tmp_path / "names.csv", tmp_path / "rig.safetensors"
    write_truth(table)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(table), ""))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(out), ""))
    after.calibrate.click()
    assert after.calibrate.text() == "Cancel calibration"
    qtbot.waitUntil(lambda: bool(after.words or after.errors), timeout=PATIENCE_MS)
    assert after.errors == []
    assert "checked names of 2 volumes" in after.words[0]
    assert str(out) in after.words[0]
    assert read_card(out).calibration.domain == "rig"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["names.csv", "rig.safetensors"]
    assert after.calibrate.text() == "Calibrate names…"


@pytest.fixture
def gates(monkeypatch):
    """Whether a calibration has begun, and what lets it go on; it waits at each of its steps."""
    begun, let_go = threading.Event(), threading.Event()
    real = calibrate_names

    def slow(*arguments, progress, **more):
        def step(n_done, n_all):
            progress(n_done, n_all)
            begun.set()
            let_go.wait(20)

        return real(*arguments, progress=step, **more)

    monkeypatch.setattr("napari_acll.training.calibrate_names", slow)
    return begun, let_go


def test_pressing_again_cancels_and_leaves_no_file(after, gates, tmp_path, qtbot):
    begun, let_go = gates
    table = tmp_path / "names.csv"
    write_truth(table)
    after.calibrate.calibrate(table, tmp_path / "rig.safetensors")
    assert begun.wait(20)
    after.calibrate.click()
    let_go.set()
    qtbot.waitUntil(lambda: bool(after.words), timeout=PATIENCE_MS)
    assert "rig.safetensors was not written" in after.words[0]
    assert [path.name for path in tmp_path.iterdir()] == ["names.csv"]


def test_the_row_goes_when_the_last_work_on_a_session_that_is_gone_ends(
    after, gates, tmp_path, qtbot
):
    begun, let_go = gates
    table = tmp_path / "names.csv"
    write_truth(table)
    after.calibrate.calibrate(table, tmp_path / "rig.safetensors")
    assert begun.wait(20)
    after.set_session(None, is_complete=False)  # another one has begun
    assert not after.isHidden()
    after.calibrate.give_way()
    let_go.set()
    qtbot.waitUntil(lambda: bool(after.words), timeout=PATIENCE_MS)
    assert "because the live session needs the computer" in after.words[0]
    assert after.isHidden()


@pytest.mark.parametrize("is_live", [True, False])
def test_a_live_session_comes_first_and_a_replay_can_wait(
    is_live, live, session, gates, tmp_path, qtbot
):
    begun, let_go = gates
    table = tmp_path / "names.csv"
    write_truth(table)
    live.after.set_session(session, is_complete=True)
    live.after.calibrate.calibrate(table, tmp_path / "rig.safetensors")
    assert begun.wait(20)
    live.setup.set_recording("fake")
    settings = {"source": {"live": {"is_live": is_live}}}
    chosen = AcllSettings.model_validate(settings)
    live._begin(RunRequest(recording="fake", settings=chosen, out=None))
    let_go.set()
    qtbot.waitUntil(lambda: not live.after.calibrate.work.is_busy, timeout=PATIENCE_MS)
    told = live.status.notes.toPlainText()
    assert ("because the live session needs the computer" in told) is is_live
    assert (tmp_path / "rig.safetensors").exists() is not is_live
    live.engine.stop()
    qtbot.waitUntil(lambda: not live.engine.is_running, timeout=PATIENCE_MS)


def test_a_live_session_of_another_program_ends_it_too(after, gates, tmp_path, qtbot):
    begun, let_go = gates
    table = tmp_path / "names.csv"
    write_truth(table)
    after.calibrate.calibrate(table, tmp_path / "rig.safetensors")
    assert begun.wait(20)
    mark = LiveMark()
    let_go.set()
    qtbot.waitUntil(lambda: bool(after.words or after.errors), timeout=PATIENCE_MS)
    mark.release()
    assert "A live session runs on this computer" in after.errors[0]
    assert [path.name for path in tmp_path.iterdir()] == ["names.csv"]


def test_it_can_be_canceled_at_every_step(session, tmp_path):
    table, out = tmp_path / "names.csv", tmp_path / "rig.safetensors"
    write_truth(table)
    told = []
    calibrate_names(session, table, out=out, progress=lambda *step: told.append(step))
    assert out.is_file()
    assert told[-1][0] == told[-1][1]
    out.unlink()
    for number in range(len(told)):
        steps = iter(range(len(told)))

        def progress(n_done, n_all, steps=steps, number=number):
            assert n_done <= n_all
            if next(steps) == number:
                raise CanceledError

        with pytest.raises(CanceledError):
            calibrate_names(session, table, out=out, progress=progress)
        assert [path.name for path in tmp_path.iterdir()] == ["names.csv"]


def test_a_recording_that_is_labeled_again_tells_of_each_volume(session, tmp_path):
    del session
    table, told = tmp_path / "names.csv", []
    write_truth(table)
    out = tmp_path / "rig.safetensors"
    calibrate_names(RECORDING, table, out=out, model="default", progress=lambda *n: told.append(n))
    assert np.all(np.diff([n_done for n_done, n_all in told if n_all > 1]) >= 0)
    assert (1, 5) in told


def test_a_table_with_few_names_is_told(after, tmp_path, qtbot):
    table = tmp_path / "names.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerow(["volume", "name", "z_px", "y_px", "x_px"])
    after.calibrate.calibrate(table, tmp_path / "m.safetensors")
    qtbot.waitUntil(lambda: bool(after.errors), timeout=PATIENCE_MS)
    assert "names" in after.errors[0]
    assert not (tmp_path / "m.safetensors").exists()
