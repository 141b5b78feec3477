"""The traces of a session as a file, by the buttons of the docks."""

import threading

import pytest
from qtpy.QtWidgets import QFileDialog
from tests.session.saved_sessions import make_saved

from napari_acll.export import SavedSession, export_csv
from napari_acll.widgets._export_row import ExportRow

PATIENCE_MS = 10_000


@pytest.fixture
def row(qtbot):
    row = ExportRow()
    qtbot.addWidget(row)
    row.show()
    return row


@pytest.fixture
def folder(tmp_path):
    return make_saved(tmp_path)


@pytest.fixture
def chosen(monkeypatch):
    """What the user chooses in the file dialog: a name and a kind."""
    answer = ["", ""]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: tuple(answer))
    return answer


@pytest.fixture
def slow(monkeypatch):
    """Hold an export in its middle until it is let go."""
    from napari_acll.export import _csv

    began, go = threading.Event(), threading.Event()
    blocks = _csv._blocks

    def slow_blocks(saved):
        for block in blocks(saved):
            began.set()
            assert go.wait(10)
            yield block

    monkeypatch.setattr(_csv, "_blocks", slow_blocks)
    yield began, go
    go.set()


def test_the_button_writes_what_the_command_writes(row, folder, chosen, tmp_path, qtbot):
    chosen[:] = [str(tmp_path / "mine.csv"), ""]
    row.set_session(folder)
    with qtbot.waitSignal(row.exported, timeout=PATIENCE_MS) as told:
        row.button.click()
    export_csv(SavedSession.open(folder), tmp_path / "theirs.csv")
    assert (tmp_path / "mine.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()
    assert told.args[0].startswith(str(tmp_path / "mine.csv"))


def test_a_name_without_an_ending_gets_that_of_the_kind(row, folder, chosen, tmp_path, qtbot):
    chosen[:] = [str(tmp_path / "mine"), "HDF5 (*.h5)"]
    row.set_session(folder)
    with qtbot.waitSignal(row.exported, timeout=PATIENCE_MS):
        row.button.click()
    assert (tmp_path / "mine.h5").is_file()


def test_nwb_is_offered_too(row, folder, chosen, tmp_path, qtbot):
    pytest.importorskip("pynwb")
    chosen[:] = [str(tmp_path / "mine"), "NWB (*.nwb)"]
    row.set_session(folder)
    with qtbot.waitSignal(row.exported, timeout=PATIENCE_MS):
        row.button.click()
    assert (tmp_path / "mine.nwb").is_file()


def test_a_file_that_the_user_agreed_to_replace_is_replaced(row, folder, chosen, tmp_path, qtbot):
    chosen[:] = [str(tmp_path / "mine.csv"), ""]
    (tmp_path / "mine.csv").write_text("old")
    row.set_session(folder)
    with qtbot.waitSignal(row.exported, timeout=PATIENCE_MS):
        row.button.click()
    assert (tmp_path / "mine.csv").read_text().startswith("volume_index")


@pytest.mark.usefixtures("chosen")
def test_nothing_is_written_if_the_user_thinks_better_of_it(row, folder):
    row.set_session(folder)
    row.button.click()
    assert not row.is_busy


def test_without_a_session_there_is_nothing_to_export(row):
    assert not row.button.isEnabled()


def test_an_export_that_is_canceled_leaves_no_file(row, folder, tmp_path, slow, qtbot):
    began, go = slow
    row.set_session(folder)
    row.export(tmp_path / "mine.csv")
    assert began.wait(10)
    assert row.cancel_button.isVisible()
    assert row.bar.isVisible()
    assert not row.button.isVisible()
    with qtbot.waitSignal(row.exported, timeout=PATIENCE_MS) as told:
        row.cancel_button.click()
        go.set()
    assert "canceled" in told.args[0]
    assert not list(tmp_path.glob("*mine*"))
    assert row.button.isVisible()


def test_an_error_is_told_in_the_words_of_the_command(row, folder, tmp_path, qtbot):
    row.set_session(folder)
    (tmp_path / "file").write_text("no folder")
    with qtbot.waitSignal(row.failed, timeout=PATIENCE_MS) as told:
        row.export(tmp_path / "file" / "mine.csv")
    assert "choose another place" in told.args[0]


def test_a_dock_that_is_destroyed_ends_its_export(folder, tmp_path, slow, qtbot):
    began, go = slow
    row = ExportRow()
    row.set_session(folder)
    row.export(tmp_path / "mine.csv")
    job = row._job
    assert began.wait(10)
    with qtbot.waitSignal(row.destroyed, timeout=PATIENCE_MS):
        row.deleteLater()
    go.set()
    qtbot.waitUntil(lambda: job.is_done, timeout=PATIENCE_MS)
    assert not list(tmp_path.glob("*mine*"))
