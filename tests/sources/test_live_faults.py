"""Faults of disk, share and computer while a source is followed."""

import errno
import sys

import numpy as np
import pytest
from tests.sources.recordings import random_counts
from tests.sources.test_growing_folder import Reader, settings, told
from tests.sources.test_growing_nd2 import PATIENCE_S, append, live, writer_of

from napari_acll.core import RecordingError
from napari_acll.sources import GrowingFolderSource, _awake_clock

is_locked = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows renames no folder in which a file is open"
)


class Gone:
    """A handle to a file on a share that went away."""

    def close(self):
        """There is nothing left to close."""

    def __getattr__(self, name):
        raise OSError(errno.ESTALE, f"Stale file handle ({name})")


def lose_handle(source):
    file = source._volumes._follower.tail._file
    file.close()
    file._file = Gone()


@pytest.fixture
def recording(tmp_path):
    """A file with two of four volumes in a folder of its own, and what writes it."""
    counts = random_counts(n_volumes=4)
    folder = tmp_path / "share"
    folder.mkdir()
    writer = writer_of(folder / "a.nd2", counts)
    append(writer, counts[:2])
    yield counts, folder, writer
    writer.abandon()


def write_rest(writer, counts):
    n_t = len(counts)
    for t in range(2, n_t):
        append_one(writer, counts, t)


def append_one(writer, counts, t):
    append(writer, counts[t : t + 1], time_s=lambda _, z: 2.0 * t + 0.1 * z)


def test_a_share_that_came_back_is_read_through_a_new_handle(recording):
    counts, folder, writer = recording
    with live(folder / "a.nd2") as source:
        volumes = iter(source)
        assert [next(volumes).index, next(volumes).index] == [0, 1]
        lose_handle(source)
        write_rest(writer, counts)
        for index in (2, 3):
            np.testing.assert_array_equal(next(volumes).marker, counts[index, 1])


@is_locked
def test_a_share_that_is_away_is_not_taken_for_a_deleted_file(recording, monkeypatch):
    counts, folder, writer = recording
    monkeypatch.setattr("napari_acll.sources._nd2_volumes._IDENTITY_CHECK_S", 0.01)
    away = folder.with_name("away")
    with live(folder / "a.nd2") as source:
        reader = Reader(source)
        reader.thread.start()
        assert [reader.next().index, reader.next().index] == [0, 1]
        folder.rename(away)
        reader.thread.join(0.2)
        assert reader.thread.is_alive()
        away.rename(folder)
        write_rest(writer, counts)
        assert [reader.next().index, reader.next().index] == [2, 3]
        source.close()
        reader.thread.join(PATIENCE_S)


@is_locked
def test_a_share_that_stays_away_ends_the_recording_by_silence(recording):
    counts, folder, writer = recording
    del counts, writer
    with live(folder / "a.nd2", idle_timeout_s=0.3) as source:
        volumes = iter(source)
        assert [next(volumes).index, next(volumes).index] == [0, 1]
        lose_handle(source)
        folder.rename(folder.with_name("away"))
        assert next(volumes, None) is None
        assert any("Nothing came for 0.3 s" in note for note in source.notes)


@is_locked
def test_a_file_that_is_replaced_is_an_error_that_says_so(recording, monkeypatch, tmp_path):
    counts, folder, writer = recording
    del counts, writer
    monkeypatch.setattr("napari_acll.sources._nd2_volumes._IDENTITY_CHECK_S", 0.01)
    with live(folder / "a.nd2") as source:
        volumes = iter(source)
        assert [next(volumes).index, next(volumes).index] == [0, 1]
        (tmp_path / "other").write_bytes(b"another recording")
        (tmp_path / "other").replace(folder / "a.nd2")
        with pytest.raises(RecordingError, match="was replaced by another file"):
            next(volumes)


def test_a_computer_that_slept_does_not_end_a_recording(tmp_path, monkeypatch):
    ahead_s = [0.0]
    steady = _awake_clock.time.monotonic

    class Time:
        @staticmethod
        def monotonic():
            return steady() + ahead_s[0]

    monkeypatch.setattr(_awake_clock, "time", Time)
    source = GrowingFolderSource.from_recording(str(tmp_path), settings(idle_timeout_s=20))
    reader = Reader(source)
    reader.thread.start()
    counts = random_counts(n_volumes=2)
    np.save(tmp_path / "worm_t0000.npy", np.ascontiguousarray(counts[0]))
    assert reader.next().index == 0
    ahead_s[0] = 3600.0
    assert told(reader, "Nobody looked for new volumes for 3600 s")
    np.save(tmp_path / "worm_t0001.npy", np.ascontiguousarray(counts[1]))
    assert reader.next().index == 1
    source.close()
    reader.thread.join(PATIENCE_S)
