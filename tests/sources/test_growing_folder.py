"""A folder that is being filled, and what can go wrong with it."""

import os
import queue
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from tests.sources.recordings import (
    FOLDER_WRITERS,
    PERIOD_S,
    SLICE_S,
    random_counts,
    slice_time_s,
    write_nd2,
    write_nd2_files,
    write_npy_files,
)

from napari_acll.core import LiveSettings, RecordingError, SourceSettings
from napari_acll.sources import GrowingFolderSource
from napari_acll.sources._volume_files import READERS

PATIENCE_S = 20.0


def settings(*, settings=None, **live):
    wanted = {
        "is_live": True,
        "reorder_ms": 50,
        "retry_timeout_s": 0.2,
        "idle_timeout_s": 60,
        "start_timeout_s": PATIENCE_S,
    }
    return SourceSettings(live=LiveSettings(**{**wanted, **live}), **(settings or {}))


class Reader:
    """Reads a source on a thread."""

    def __init__(self, source):
        self.source = source
        self._came = queue.Queue()
        self.thread = threading.Thread(target=self._read)

    def _read(self):
        try:
            for volume in self.source:
                self._came.put(volume)
            self._came.put(None)
        except RecordingError as error:
            self._came.put(error)

    def next(self):
        came = self._came.get(timeout=PATIENCE_S)
        if isinstance(came, RecordingError):
            raise came
        return came

    def counts(self):
        volume = self.next()
        return volume.index, np.stack((volume.activity, volume.marker))


@contextmanager
def following(folder, **options):
    source = GrowingFolderSource.from_recording(str(folder), settings(**options))
    reader = Reader(source)
    reader.thread.start()
    try:
        yield reader
    finally:
        source.close()
        reader.thread.join(PATIENCE_S)


def told(reader, words):
    """Wait until something was told."""
    waiting = threading.Event()
    for _ in range(round(PATIENCE_S / 0.01)):
        if any(words in note for note in reader.source.notes):
            return True
        waiting.wait(0.01)
    return False


@pytest.mark.parametrize("kind", sorted(FOLDER_WRITERS))
def test_files_written_in_random_pieces_are_read_whole(tmp_path, kind):
    counts = random_counts(n_volumes=3, n_z=8, n_y=30, n_x=40)
    ready, growing = tmp_path / "ready", tmp_path / "growing"
    ready.mkdir()
    growing.mkdir()
    FOLDER_WRITERS[kind](ready, counts, range(3))
    rng = np.random.default_rng(3)
    with following(growing, retry_timeout_s=PATIENCE_S) as reader:
        pause = threading.Event()
        for path in sorted(ready.iterdir()):
            whole = path.read_bytes()
            cuts = np.sort(rng.integers(0, len(whole), 6)).tolist()
            with (growing / path.name).open("wb", buffering=0) as file:
                for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
                    file.write(whole[start:stop])
                    pause.wait(0.01)
        for index in range(3):
            found, values = reader.counts()
            assert found == index
            np.testing.assert_array_equal(values, counts[index])


@pytest.mark.parametrize("kind", sorted(FOLDER_WRITERS))
def test_a_part_of_a_file_is_never_taken_for_the_whole(tmp_path, kind):
    counts = random_counts(n_volumes=1, n_z=8, n_y=30, n_x=40)
    FOLDER_WRITERS[kind](tmp_path, counts, (0,))
    first, *others = sorted(tmp_path.iterdir())
    n_refused = 0
    whole = first.read_bytes()
    paths = dict(enumerate((first, *others), start=1)) if others else (first,)
    for n_bytes in np.linspace(0, len(whole) - 1, 40).astype(int).tolist():
        first.write_bytes(whole[:n_bytes])
        try:
            volume = READERS[kind](paths, SourceSettings())
        except RecordingError:
            n_refused += 1
        else:  # only a checksum at the end is not there yet
            np.testing.assert_array_equal([volume.activity, volume.marker], counts[0])
    assert n_refused >= 39


def test_what_was_there_is_left_out_and_numbers_go_on_from_the_first_new_one(tmp_path):
    counts = random_counts(n_volumes=4)
    write_npy_files(tmp_path, counts[:2], (1, 2))
    with following(tmp_path) as reader:
        write_npy_files(tmp_path, counts[2:], (3, 4))
        for index in range(2):
            found, values = reader.counts()
            assert found == index
            np.testing.assert_array_equal(values, counts[index + 2])
    assert reader.source.describe()["first_number"] == 3


def test_what_was_there_is_taken_if_that_is_wanted(tmp_path):
    write_npy_files(tmp_path, random_counts(n_volumes=2), (1, 2))
    with following(tmp_path, takes_existing=True) as reader:
        assert [reader.next().index for _ in range(2)] == [0, 1]


def test_a_damaged_file_is_lost_and_told_and_the_others_go_on(tmp_path):
    counts = random_counts(n_volumes=3)
    with following(tmp_path) as reader:
        write_nd2_files(tmp_path, counts[:1], (0,))
        assert reader.next().index == 0
        path = write_nd2(tmp_path / "part", counts[1:2], order="Z")
        damaged = bytearray(path.read_bytes())
        damaged[:4096] = bytes(4096)
        path.write_bytes(damaged)
        path.rename(tmp_path / "worm_t0001.nd2")
        write_nd2_files(tmp_path, counts[2:], (2,))
        assert reader.next().index == 2
        assert told(reader, "worm_t0001.nd2 cannot be read")


def test_a_first_file_that_cannot_be_read_is_an_error(tmp_path):
    with following(tmp_path) as reader:
        write_npy_files(tmp_path, random_counts(n_volumes=1, n_channels=1), (0,))
        with pytest.raises(RecordingError, match="channel"):
            reader.next()


def test_a_volume_of_another_shape_is_lost_and_told(tmp_path):
    with following(tmp_path) as reader:
        write_npy_files(tmp_path, random_counts(n_volumes=1), (0,))
        assert reader.next().index == 0
        write_npy_files(tmp_path, random_counts(n_volumes=1, n_x=9), (1,))
        write_npy_files(tmp_path, random_counts(n_volumes=1), (2,))
        assert reader.next().index == 2
        assert told(reader, "but the recording began with")


def test_files_may_be_deleted_once_they_were_read(tmp_path):
    counts = random_counts(n_volumes=4)
    with following(tmp_path) as reader:
        for index in range(4):
            write_npy_files(tmp_path, counts[index : index + 1], (index,))
            found, values = reader.counts()
            assert found == index
            np.testing.assert_array_equal(values, counts[index])
            (tmp_path / f"worm_t{index:04d}.npy").unlink()
    assert len(reader.source.notes) == 3  # channels, voxel size and period


def test_a_folder_that_goes_away_and_comes_back_costs_nothing(tmp_path):
    folder, away = tmp_path / "share", tmp_path / "away"
    folder.mkdir()
    counts = random_counts(n_volumes=3)
    with following(folder) as reader:
        write_npy_files(folder, counts[:1], (0,))
        assert reader.next().index == 0
        folder.rename(away)
        write_npy_files(away, counts[1:], (1, 2))
        assert looked_in_vain(reader)
        away.rename(folder)
        assert [reader.next().index for _ in range(2)] == [1, 2]
        assert told(reader, "could not be reached for")


def looked_in_vain(reader):
    """Wait until the folder was looked for and not found."""
    waiting = threading.Event()
    clock_s = reader.source._outage.clock_s
    for _ in range(round(PATIENCE_S / 0.01)):
        before_s = clock_s()
        waiting.wait(0.01)
        if clock_s() == before_s:
            return True
    return False


def test_a_folder_that_stays_away_is_an_error_that_says_so(tmp_path):
    folder = tmp_path / "share"
    folder.mkdir()
    with following(folder, idle_timeout_s=1) as reader:
        write_npy_files(folder, random_counts(n_volumes=1), (0,))
        assert reader.next().index == 0
        folder.rename(tmp_path / "away")
        with pytest.raises(RecordingError, match="could not be reached for 1 s"):
            reader.next()


def test_a_folder_that_is_made_later_is_followed(tmp_path):
    folder = tmp_path / "later"
    with following(folder) as reader:
        folder.mkdir()
        write_npy_files(folder, random_counts(n_volumes=1), (0,))
        assert reader.next().index == 0


def test_the_end_tells_what_was_left_out(tmp_path):
    with following(tmp_path, idle_timeout_s=0.5) as reader:
        (tmp_path / "readme.txt").touch()
        write_npy_files(tmp_path, random_counts(n_volumes=1), (0,))
        (tmp_path / "worm_t0002.npy").touch()
        assert reader.next().index == 0
        assert reader.next() is None
    notes = reader.source.notes
    assert "worm_t0002.npy was never completed." in notes
    assert any("1 files are not volumes" in note and "readme.txt" in note for note in notes)
    assert "for 0.5 s; the recording is taken to be over." in notes[-1]


def test_a_file_that_is_no_volume_is_named_when_nothing_comes(tmp_path):
    with following(tmp_path, start_timeout_s=0.3) as reader:
        (tmp_path / "worm.nd2").touch()
        with pytest.raises(RecordingError, match=r"worm\.nd2 is there but is no volume"):
            reader.next()


def test_nd2_files_are_timed_by_their_absolute_start(tmp_path):
    with following(tmp_path) as reader:
        write_nd2_files(tmp_path, random_counts(n_volumes=3), (1, 2, 4))
        times_s = np.stack([reader.next().slice_times_s for _ in range(3)])
    expected = PERIOD_S * np.array([[0], [1], [3]]) + SLICE_S * np.arange(4)
    np.testing.assert_allclose(times_s, expected, atol=1e-4)
    assert reader.source.spec.period_s == pytest.approx(4 * SLICE_S)
    assert slice_time_s(0, 3) == pytest.approx(times_s[0, 3], abs=1e-4)


def test_files_without_times_are_timed_by_when_they_were_written(tmp_path):
    counts = random_counts(n_volumes=3)
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    write_npy_files(prepared, counts, (0, 1, 2))
    with following(tmp_path) as reader:
        starts_s = []
        for index, written_s in enumerate((1_000_000.0, 1_000_002.5, 1_000_001.0)):
            path = prepared / f"worm_t{index:04d}.npy"
            os.utime(path, (written_s, written_s))
            path.rename(tmp_path / path.name)
            starts_s.append(reader.next().timestamp_s)
        assert told(reader, "stand or go back at volume 2")
    assert starts_s == pytest.approx([0.0, 2.5, 3.5])


def test_a_period_that_is_given_decides_the_times(tmp_path):
    with following(tmp_path, settings={"period_s": 2.0}) as reader:
        write_nd2_files(tmp_path, random_counts(n_volumes=2), (0, 2))
        times_s = [reader.next().slice_times_s for _ in range(2)]
    np.testing.assert_allclose(times_s, [[0, 0.5, 1, 1.5], [4, 4.5, 5, 5.5]])


def test_the_third_channel_of_pairs_can_be_chosen(tmp_path):
    counts = random_counts(n_volumes=1, n_channels=3)
    chosen = {"marker_channel": 2, "activity_channel": 0}
    with following(tmp_path, settings=chosen) as reader:
        FOLDER_WRITERS["nrrd"](tmp_path, counts, (0,))
        _, values = reader.counts()
    np.testing.assert_array_equal(values, counts[0, [0, 2]])
