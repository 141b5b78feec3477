"""Programs on one computer know of its live sessions, and nothing that was killed is believed."""

import os
import subprocess
import sys
import time

import pytest

from napari_acll.core import LiveMark, live_session_runs

HOLD = "from napari_acll.core import LiveMark; mark = LiveMark(); print(1, flush=True); input()"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path))
    return tmp_path / "live"


def test_a_live_session_is_known_until_it_is_over(folder):
    assert not live_session_runs()
    first, second = LiveMark(), LiveMark()
    assert live_session_runs()
    first.release()
    assert live_session_runs()
    second.release()
    second.release()
    assert not live_session_runs()
    assert list(folder.iterdir()) == []


@pytest.mark.timeout(120)
def test_the_session_of_a_program_that_was_killed_is_over(folder):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        try:
            assert program.stdout.readline()
            assert live_session_runs()
        finally:
            program.kill()
    assert not live_session_runs()
    (left,) = folder.iterdir()  # it may be just about to be locked
    old_s = time.time() - 3600
    os.utime(left, (old_s, old_s))
    assert not live_session_runs()
    assert list(folder.iterdir()) == []


def test_a_session_of_another_computer_is_none_of_ours(monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "lab-2")
    mark = LiveMark()
    for other in ("elsewhere", "lab"):
        monkeypatch.setattr("platform.node", lambda name=other: name)
        assert not live_session_runs()
    monkeypatch.setattr("platform.node", lambda: "lab-2")
    assert live_session_runs()
    mark.release()


def test_a_share_that_went_away_is_no_error_at_the_end(folder, monkeypatch):
    def gone(file):
        close(file)
        raise OSError(5, "Input/output error")

    close = os.close
    mark = LiveMark()
    with monkeypatch.context() as patch:
        patch.setattr("os.close", gone)
        mark.release()
    assert list(folder.iterdir()) == []


def test_a_mark_that_cannot_be_made_is_logged_and_no_error(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path / "file"))
    LiveMark().release()
    assert "not told of the live session" in caplog.text
    assert not live_session_runs()
