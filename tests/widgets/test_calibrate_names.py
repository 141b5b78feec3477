"""Names are calibrated in the background, and a calibration that is cancelled leaves no file."""

import csv
import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog
from tests.cli.test_calibrate_names import RECORDING, write_truth

from napari_acll.core import AcllSettings
from napari_acll.label import read_card
from napari_acll.session import build_session
from napari_acll.training import calibrate_names
from napari_acll.widgets._after_session import AfterSession
from napari_acll.widgets._long_work import CanceledError

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


def test_pressing_again_cancels_and_leaves_no_file(after, tmp_path, qtbot, monkeypatch):
    begun, let_go = threading.Event(), threading.Event()
    real = calibrate_names

    def slow(*arguments, progress, **more):
        def step(n_done, n_all):
            progress(n_done, n_all)
            begun.set()
            let_go.wait(20)

        return real(*arguments, progress=step, **more)

    monkeypatch.setattr("napari_acll.training.calibrate_names", slow)
    table = tmp_path / "names.csv"
    write_truth(table)
    after.calibrate.calibrate(table, tmp_path / "rig.safetensors")
    assert begun.wait(20)
    after.calibrate.click()
    let_go.set()
    qtbot.waitUntil(lambda: bool(after.words), timeout=PATIENCE_MS)
    assert "rig.safetensors was not written" in after.words[0]
    assert [path.name for path in tmp_path.iterdir()] == ["names.csv"]


def test_it_can_be_cancelled_at_every_step(session, tmp_path):
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
