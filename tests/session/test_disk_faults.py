"""What becomes of a session whose folder cannot be written for a while, or not any longer."""

import csv
import errno
import shutil
import threading

import numpy as np
import pytest
import zarr
from tests.session.test_faults import ending_source
from tests.session.test_session import PATIENCE_S, listen, run

from napari_acll.core import AcllSettings, SessionError
from napari_acll.export import SavedSession, _columns, _writer, export_csv
from napari_acll.session import _sink, build_session
from napari_acll.testing import FakeLabeler, FakeSource, expected_ratio

N_VOLUMES = 60
N_SAFE = 6


class FaultyDisk:
    """A disk on which a session folder can be written so many times more."""

    def __init__(self, monkeypatch) -> None:
        self.n_writes_left = float("inf")
        for module, name in (
            (_columns, "overwrite_bytes"),
            (_columns, "replace_bytes"),
            (_writer, "append_bytes"),
            (_writer, "replace_bytes"),
        ):
            monkeypatch.setattr(module, name, self._counted(getattr(module, name)))

    def fill(self) -> None:
        """Fill up in the middle of the next volume, after what was detected in it."""
        self.n_writes_left = 12

    def clear(self) -> None:
        self.n_writes_left = float("inf")

    def _counted(self, original):
        def write(*arguments, **options):
            if self.n_writes_left <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.n_writes_left -= 1
            return original(*arguments, **options)

        return write


@pytest.fixture
def disk(monkeypatch):
    monkeypatch.setattr(_sink, "RETRY_S", 0.01)
    monkeypatch.setattr(_sink, "_HOLD_ON_S", 0.0)
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: FakeLabeler())
    return FaultyDisk(monkeypatch)


def build(tmp_path, **run_settings):
    run_settings = {"drop_policy": "block", **run_settings}
    settings = AcllSettings(
        alignment={"n_volumes": 0}, trace={"estimator": "ratio"}, run=run_settings
    )
    return build_session(
        ending_source(range(N_VOLUMES)), settings=settings, out=tmp_path / "a.acll"
    )


def once_safe(session, action):
    """Do something once the first volumes were saved."""
    session.sample_ready.connect(lambda sample: action() if sample.index == N_SAFE - 1 else None)


def once_all_is_traced(session, action):
    """Do something when the session waits for its folder and all volumes were traced.

    The listener waits in a thread of its own: it must not hold up the thread that writes.
    """
    threads = []

    def wait():
        for _ in range(2000):
            if session.counters.n_traced == N_VOLUMES:
                action()
                return
            pause.wait(0.01)

    def listen_for_it(kind, message):
        if kind == "disk" and "tried again" in message:
            threads.append(threading.Thread(target=wait))
            threads[-1].start()

    pause = threading.Event()
    session.event.connect(listen_for_it)
    return threads


def test_a_full_disk_that_is_cleared_loses_nothing_of_a_live_recording(tmp_path, disk):
    session = build(tmp_path)
    heard = listen(session)
    once_safe(session, disk.fill)
    threads = once_all_is_traced(session, disk.clear)
    run(session)
    for thread in threads:
        thread.join(PATIENCE_S)
    saved = SavedSession.open(tmp_path / "a.acll")
    assert saved.state == "finished"
    assert saved.status.tolist() == [1] * N_VOLUMES
    for index in range(N_VOLUMES):
        np.testing.assert_allclose(saved.read("ratio")[index, :3], expected_ratio(index), 1e-6)
        assert saved.labels(index).any()
    group = zarr.open_group(tmp_path / "a.acll", mode="r")
    of_volume = np.asarray(group["detections/volume_index"])
    assert np.bincount(of_volume[of_volume >= 0]).tolist() == [4] * N_VOLUMES
    assert heard["sample"] == list(range(N_VOLUMES))
    first, second = [event["message"] for event in saved.events() if event["kind"] == "disk"]
    assert "No space left on device" in first
    assert "can be written again" in second


def test_a_disk_that_stays_full_ends_a_live_recording_after_the_time_given(tmp_path, disk):
    session = build(tmp_path, disk_wait_s=0.05)
    once_safe(session, disk.fill)
    session.start()
    with pytest.raises(SessionError, match="everything up to volume 5 is safe"):
        session.join(PATIENCE_S)
    assert SavedSession.open(tmp_path / "a.acll").status.tolist() == [1] * N_SAFE


@pytest.mark.usefixtures("disk")
def test_a_folder_that_is_removed_is_continued_beside(tmp_path):
    session = build(tmp_path)
    heard = listen(session)
    once_safe(session, lambda: shutil.rmtree(tmp_path / "a.acll"))
    run(session)
    assert not (tmp_path / "a.acll").exists()
    saved = SavedSession.open(tmp_path / "a-continued.acll")
    assert saved.state == "finished"
    assert saved.status.tolist() == [0] * N_SAFE + [1] * (N_VOLUMES - N_SAFE)
    assert saved.alignment is not None
    assert heard["sample"] == list(range(N_VOLUMES))
    assert any("a-continued.acll" in message for _, message in heard["event"])
    export_csv(saved, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    indices = sorted({int(row["volume_index"]) for row in rows if row["ratio"]})
    assert indices == list(range(N_SAFE, N_VOLUMES))


def test_a_fallback_folder_takes_over_from_a_full_disk(tmp_path, disk, monkeypatch):
    other = tmp_path / "other"
    session = build(tmp_path, fallback_folder=str(other))
    go_elsewhere = _sink.Sink._moved_on

    def with_space_elsewhere(sink):
        disk.clear()
        return go_elsewhere(sink)

    monkeypatch.setattr(_sink.Sink, "_moved_on", with_space_elsewhere)
    once_safe(session, disk.fill)
    run(session)
    first = SavedSession.open(tmp_path / "a.acll").status.tolist()
    second = SavedSession.open(other / "a-continued.acll").status.tolist()
    assert first == [1] * N_SAFE
    assert second == [0] * N_SAFE + [1] * (N_VOLUMES - N_SAFE)


@pytest.mark.usefixtures("disk")
def test_a_share_that_is_away_for_a_while_costs_nothing(tmp_path):
    session = build(tmp_path, fallback_folder=str(tmp_path / "file"))
    (tmp_path / "file").write_text("")  # there is no other place
    away = tmp_path / "away"
    once_safe(session, lambda: (tmp_path / "a.acll").rename(away))
    threads = once_all_is_traced(session, lambda: away.rename(tmp_path / "a.acll"))
    run(session)
    for thread in threads:
        thread.join(PATIENCE_S)
    saved = SavedSession.open(tmp_path / "a.acll")
    assert saved.status.tolist() == [1] * N_VOLUMES
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "file") == ["a.acll"]


def test_a_replay_on_a_full_disk_says_so_at_once(tmp_path, disk):
    settings = AcllSettings(alignment={"n_volumes": 0})
    session = build_session(
        FakeSource(range(N_VOLUMES)), settings=settings, out=tmp_path / "a.acll"
    )
    once_safe(session, disk.fill)
    session.start()
    with pytest.raises(SessionError, match="No space left on device"):
        session.join(PATIENCE_S)
