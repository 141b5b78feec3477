"""Which volume of a folder comes next, by a clock that the test sets."""

import os

import nrrd
import numpy as np
import pytest
from tests.sources.recordings import random_counts, write_nd2, write_npy_files

from napari_acll.core import LiveSettings
from napari_acll.sources._arrivals import LARGEST_JUMP, Arrivals
from napari_acll.sources._folder_watch import FolderWatch

SETTLE_S, REORDER_S, RETRY_S = 0.03, 0.5, 5.0


class Folder:
    """A folder, what is on its way into it, and what was told about it."""

    def __init__(self, path, n_channels=2):
        self.path = path
        self.told = []
        self.now_s = 100.0
        self._watch = FolderWatch(path, takes_existing=False)
        settings = LiveSettings(
            settle_ms=1000 * SETTLE_S, reorder_ms=1000 * REORDER_S, retry_timeout_s=RETRY_S
        )
        self.arrivals = Arrivals(
            settings,
            n_channels=n_channels,
            tell=self.told.append,
            leave_out=self._watch.leave_out,
        )

    def write(self, *numbers):
        write_npy_files(self.path, random_counts(n_volumes=len(numbers)), numbers)

    def look(self, after_s=0.0):
        self.now_s += after_s
        return self.arrivals.update(self._watch.look(), self.now_s)

    def ready(self, *, is_over=False):
        return self.arrivals.ready(self.now_s, is_over=is_over)

    def settle(self):
        """Look until what is there has stood still for long enough; return the next volume."""
        self.look()
        self.look(SETTLE_S)
        return self.ready()

    def take(self):
        """Return the index of the next volume, as if it had been read; None if none is ready."""
        arrival = self.settle()
        return None if arrival is None else self.arrivals.take(arrival)

    def begin(self):
        """Take volume number 0, which nothing can come before."""
        self.write(0)
        assert self.take() == 0


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_a_file_that_stands_still_is_complete_and_one_that_grows_is_not(folder):
    folder.write(0)
    (path,) = folder.path.iterdir()
    assert folder.look()
    assert folder.ready() is None
    with path.open("ab") as file:
        file.write(b"more")
    assert folder.look(SETTLE_S)
    assert folder.ready() is None
    assert not folder.look(SETTLE_S)
    assert folder.ready().paths == {0: path}


def test_an_nd2_file_is_complete_when_its_end_mark_is_there_and_not_before(folder):
    path = write_nd2(folder.path / "worm_t0000.nd2", random_counts(n_volumes=1), order="Z")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    for _ in range(3):
        folder.look(1.0)
        assert folder.ready() is None
    path.write_bytes(whole)
    assert folder.look()
    assert folder.ready().number == 0


def test_files_of_real_microscopes_are_complete_with_their_last_byte(folder, test_data):
    real = sorted((test_data / "nd2").glob("*.nd2"))
    assert len(real) > 3
    for number, path in enumerate(real):
        whole = path.read_bytes()
        copy = folder.path / f"worm_t{number:04d}.nd2"
        copy.write_bytes(whole[:-1])
        assert folder.settle() is None
        copy.write_bytes(whole)
        assert folder.take() == number


def test_a_pair_is_complete_when_both_channels_are(folder):
    values = np.zeros((2, 3, 4), np.uint16)
    nrrd.write(str(folder.path / "worm_t0000_ch1.nrrd"), values)
    assert folder.settle() is None
    nrrd.write(str(folder.path / "worm_t0000_ch2.nrrd"), values)
    assert folder.settle().paths.keys() == {1, 2}


def test_an_empty_file_is_never_complete(folder):
    (folder.path / "worm_t0000.npy").touch()
    assert folder.settle() is None


def test_the_first_volume_waits_for_one_of_a_lower_number(folder):
    folder.write(7)
    assert folder.settle() is None
    folder.write(5)
    folder.look()
    folder.look(REORDER_S)
    assert [folder.take(), folder.take()] == [0, 2]


def test_volumes_that_come_out_of_order_are_put_in_order(folder):
    folder.begin()
    folder.write(2, 3)
    assert folder.take() is None
    folder.write(1)
    assert [folder.take() for _ in range(4)] == [1, 2, 3, None]
    assert folder.told == []


def test_a_missing_volume_is_waited_for_no_longer_than_stated(folder):
    folder.begin()
    folder.write(3)
    assert folder.settle() is None
    folder.look(REORDER_S * 0.9)
    assert folder.ready() is None
    folder.look(REORDER_S * 0.1)
    assert folder.take() == 3


def test_a_volume_that_comes_too_late_stays_lost_and_is_told(folder):
    folder.begin()
    folder.write(2)
    folder.settle()
    folder.look(REORDER_S)
    assert folder.take() == 2
    folder.write(1)
    assert folder.take() is None
    assert folder.told == ["worm_t0001.npy came too late and counts as lost; it is left out."]


def test_an_unfinished_volume_is_waited_for_longer_than_a_missing_one(folder):
    folder.begin()
    (folder.path / "worm_t0001.npy").touch()
    folder.write(2)
    folder.settle()
    folder.look(REORDER_S)
    assert folder.ready() is None
    folder.look(RETRY_S)
    assert folder.take() == 2
    assert folder.told == ["worm_t0001.npy was never completed."]


def test_many_unfinished_volumes_do_not_hide_the_complete_ones_behind_them(folder):
    folder.begin()
    for number in range(1, 30):
        (folder.path / f"worm_t{number:04d}.npy").touch()
    folder.write(30, 31)
    for _ in range(3):
        folder.look(0.3)
        assert folder.ready() is None
    folder.look(RETRY_S)
    assert [folder.take(), folder.take()] == [30, 31]
    assert len(folder.told) == 29


def test_a_volume_that_still_grows_is_not_given_up(folder):
    folder.begin()
    folder.write(2)
    folder.look()
    slow = folder.path / "worm_t0001.npy"
    with slow.open("ab") as file:
        for _ in range(3):
            file.write(b"more")
            file.flush()
            folder.look(RETRY_S * 0.9)
            assert folder.ready() is None
    assert folder.take() == 1


def test_a_volume_that_cannot_be_read_is_tried_again_and_then_lost(folder):
    folder.begin()
    folder.write(1, 2)
    why = ValueError("it is damaged.")
    arrival = folder.settle()
    assert not folder.arrivals.fail(arrival, why, folder.now_s, is_over=False)
    assert folder.ready() is None
    folder.look(1.0)
    assert folder.ready() is arrival
    folder.now_s += RETRY_S
    assert folder.arrivals.fail(arrival, why, folder.now_s, is_over=False)
    assert folder.told == ["worm_t0001.npy cannot be read: it is damaged."]
    assert folder.take() == 2


def test_a_volume_that_is_written_again_gets_its_time_anew(folder):
    folder.begin()
    folder.write(1)
    arrival = folder.settle()
    folder.arrivals.fail(arrival, ValueError("it is damaged."), folder.now_s, is_over=False)
    folder.now_s += RETRY_S
    np.save(arrival.paths[0], np.zeros((2, 9, 9, 9), np.uint16))
    assert folder.settle() is arrival
    assert not folder.arrivals.fail(arrival, ValueError("no"), folder.now_s, is_over=False)


def test_a_volume_that_is_deleted_before_it_was_read_is_lost(folder):
    folder.begin()
    folder.write(1, 2)
    folder.look()
    (folder.path / "worm_t0001.npy").unlink()
    folder.look(SETTLE_S)
    assert folder.told == ["worm_t0001.npy disappeared before it was read."]
    folder.look(REORDER_S)
    assert folder.take() == 2


def test_after_the_end_nothing_is_waited_for(folder):
    folder.begin()
    (folder.path / "worm_t0001.npy").touch()
    folder.write(4)
    folder.settle()
    assert folder.ready() is None
    assert folder.arrivals.take(folder.ready(is_over=True)) == 4
    assert folder.told == ["worm_t0001.npy was never completed."]


def test_what_was_read_may_be_deleted(folder):
    folder.begin()
    (folder.path / "worm_t0000.npy").unlink()
    folder.write(1)
    assert folder.take() == 1
    assert folder.told == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("worm_t0000 (copy).npy", "is not named like the volumes"),
        ("worm_t0001.tif", "is not named like the volumes"),
        ("worm_t000.npy", "has the number of a volume that was read before"),
        (f"worm_t{LARGEST_JUMP + 2}.npy", "has a number far from that of the volume to come, 1"),
    ],
)
def test_a_file_that_does_not_belong_is_left_out_and_told_once(folder, name, why):
    folder.begin()
    (folder.path / name).write_bytes(b"0123456789")
    folder.look()
    folder.look(RETRY_S)
    assert folder.told == [f"{name} {why}; it is left out."]
    folder.write(1)
    assert folder.take() == 1


def test_two_files_of_one_number_are_told_and_one_is_taken(folder):
    folder.begin()
    folder.write(1)
    folder.look()
    (folder.path / "worm_t01.npy").write_bytes(b"0123456789")
    assert folder.take() == 1
    assert folder.told == ["worm_t01.npy has the number of worm_t0001.npy; it is left out."]


def test_a_file_with_a_time_number_goes_before_one_with_any_number(folder):
    np.save(folder.path / "mean 0.npy", random_counts(n_volumes=1)[0])
    folder.write(0)
    assert folder.settle().name == "worm_t0000.npy"


def test_what_was_there_before_is_left_out_until_it_is_written_anew(tmp_path):
    write_npy_files(tmp_path, random_counts(n_volumes=2), (0, 1))
    folder = Folder(tmp_path)
    assert folder.settle() is None
    os.utime(tmp_path / "worm_t0000.npy", (1, 1))
    watch = FolderWatch(tmp_path, takes_existing=False)
    os.utime(tmp_path / "worm_t0001.npy", (2, 2))
    assert [named.number for named in watch.look()] == [1]


def test_a_folder_that_comes_later_holds_nothing_that_was_there_before(tmp_path):
    watch = FolderWatch(tmp_path / "later", takes_existing=False)
    with pytest.raises(FileNotFoundError):
        watch.look()
    (tmp_path / "later").mkdir()
    write_npy_files(tmp_path / "later", random_counts(n_volumes=1), (0,))
    assert [named.number for named in watch.look()] == [0]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_in_whatever_order_is_taken_in_order_or_told(tmp_path, seed):
    rng = np.random.default_rng(seed)
    folder = Folder(tmp_path)
    n_volumes = 25
    fates = rng.choice(["whole", "empty", "absent"], n_volumes, p=[0.8, 0.1, 0.1])
    fates[0] = "whole"
    delays_s = rng.exponential(0.4, n_volumes) * (rng.random(n_volumes) < 0.3)
    delays_s[0] = 0
    comes_s = np.arange(n_volumes) * 0.2 + delays_s
    taken, due = [], np.argsort(comes_s).tolist()
    for now_s in np.arange(0, comes_s.max() + 2 * RETRY_S, 0.05):
        while due and comes_s[due[0]] <= now_s:
            number = due.pop(0)
            if fates[number] != "absent":
                content = b"0123456789" if fates[number] == "whole" else b""
                (tmp_path / f"worm_t{number:04d}.npy").write_bytes(content)
        folder.now_s = 100 + now_s
        folder.look()
        while (arrival := folder.ready()) is not None:
            folder.arrivals.take(arrival)
            taken.append(arrival.number)
            (tmp_path / arrival.name).unlink()
    folder.arrivals.give_up_rest()
    assert taken == sorted(set(taken))
    told = {int(sentence[6:10]): sentence[15:] for sentence in folder.told}
    whole = set(np.flatnonzero(fates == "whole").tolist())
    empty = set(np.flatnonzero(fates == "empty").tolist())
    too_late = whole & told.keys()
    assert whole == set(taken) | too_late
    assert all("came too late" in told[number] for number in too_late)
    assert all(delays_s[number] > REORDER_S - 0.25 for number in too_late)
    assert empty <= told.keys()
    assert not set(taken) & told.keys()
