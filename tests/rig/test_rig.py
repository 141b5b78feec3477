"""A recording that is played is what a microscope would have recorded."""

import csv
import os
import shutil
import threading

import nd2
import numpy as np
import pytest
from tests.rig.films import PATIENCE_S, PERIOD_S, SHAPE, film_of, following, plan_of

from napari_acll.core import RecordingError
from napari_acll.rig import play_film
from napari_acll.rig._holes import can_free_parts
from napari_acll.sources import (
    GrowingFolderSource,
    GrowingNd2Source,
    SharedMemorySource,
)

SOURCES = {"nd2": GrowingNd2Source, "folder": GrowingFolderSource}


@pytest.fixture
def film(tmp_path):
    film, counts = film_of(tmp_path)
    with film:
        yield film, counts


def play(tmp_path, film, route, n_volumes, **options):
    """Play to the end; return where."""
    out = tmp_path / ("worm.nd2" if route == "nd2" else "worm")
    play_film(film, plan_of(tmp_path, out, route, n_volumes, **options))
    return out


def played_volumes(tmp_path, film, route, n_volumes, **options):
    """Return what a source that follows the rig gives."""
    out = tmp_path / ("worm.nd2" if route == "nd2" else "worm")
    plan = plan_of(tmp_path, out, route, n_volumes, **options)
    thread = threading.Thread(target=play_film, args=(film, plan))
    settings = following(idle_timeout_s=1.0, retry_timeout_s=0.1, reorder_ms=300)
    with SOURCES[route](out, settings) as source:
        thread.start()
        volumes = {volume.index: volume for volume in source}
    thread.join(PATIENCE_S)
    return volumes


def assert_shown(volume, film, counts, *, without=()):
    """Assert that a volume is what the film shows, slices that are lacking left out."""
    z = [z for z in range(SHAPE[0]) if z not in without]
    activity, marker = counts[film.shown(volume.index)]
    assert volume.missing_z == tuple(without)
    assert np.array_equal(volume.activity[z], activity[z])
    assert np.array_equal(volume.marker[z], marker[z])


def test_a_file_that_was_played_is_what_nd2_reads(tmp_path, film):
    film, counts = film
    with nd2.ND2File(play(tmp_path, film, "nd2", 7)) as file:
        assert file.sizes == {"T": 7, "Z": SHAPE[0], "C": 2, "Y": SHAPE[1], "X": SHAPE[2]}
        assert tuple(file.voxel_size())[::-1] == pytest.approx((0.54, 0.18, 0.18))
        expected = counts[[film.shown(volume) for volume in range(7)]]
        assert np.array_equal(file.asarray(), expected.swapaxes(1, 2))


@pytest.mark.parametrize("route", SOURCES)
def test_every_volume_reaches_who_follows_the_rig(tmp_path, film, route):
    film, counts = film
    volumes = played_volumes(tmp_path, film, route, 6)
    assert list(volumes) == list(range(6))
    for volume in volumes.values():
        assert_shown(volume, film, counts)


@pytest.mark.parametrize("route", SOURCES)
@pytest.mark.parametrize(
    ("faults", "lost", "missing"),
    [
        (("drop-volume@2",), {2}, {}),
        (("drop-frame@2:0", "drop-frame@2:2"), set(), {2: (0, 2)}),
        (("drop-frame@2:1", "drop-frame@2:3"), set(), {2: (1, 3)}),
        (("stall@2:0.1",), set(), {}),
        (("half@2:0.1",), set(), {}),
        (("end@4",), {4, 5}, {}),
    ],
)
def test_a_fault_is_seen_as_what_it_is(tmp_path, film, route, faults, lost, missing):
    film, counts = film
    volumes = played_volumes(tmp_path, film, route, 6, faults=faults)
    assert set(range(6)) - set(volumes) == lost
    for volume in volumes.values():
        assert_shown(volume, film, counts, without=missing.get(volume.index, ()))


@pytest.mark.parametrize("route", SOURCES)
def test_a_damaged_head_costs_one_slice(tmp_path, film, route):
    film, counts = film
    volumes = played_volumes(tmp_path, film, route, 6, faults=("corrupt@2:1",))
    assert set(volumes) == set(range(6))
    for volume in volumes.values():
        assert_shown(volume, film, counts, without=(1,) if volume.index == 2 else ())


def test_a_late_file_is_waited_for_and_put_in_its_place(tmp_path, film):
    film, counts = film
    volumes = played_volumes(tmp_path, film, "folder", 6, faults=("late@2:0.03",))
    assert list(volumes) == list(range(6))
    assert_shown(volumes[2], film, counts)


@pytest.mark.parametrize("route", SOURCES)
def test_a_crash_leaves_the_volumes_before_it(tmp_path, film, route):
    film, _ = film
    assert set(played_volumes(tmp_path, film, route, 6, faults=("crash@3",))) == {0, 1, 2}


def test_ctrl_c_ends_the_recording_as_a_stop_at_the_microscope_does(tmp_path, film):
    film, counts = film
    path = tmp_path / "worm.nd2"

    def stop(n_volumes):
        if n_volumes == 3:
            raise KeyboardInterrupt

    result = play_film(film, plan_of(tmp_path, path, "nd2", 9), progress=stop)
    assert result.is_interrupted
    assert result.n_volumes == 3
    with GrowingNd2Source(path, following()) as source:
        volumes = list(source)
    assert not any("Nothing came" in note for note in source.notes)
    assert [volume.index for volume in volumes] == [0, 1, 2]
    assert_shown(volumes[2], film, counts)


def test_behind_the_newest_volumes_a_growing_file_takes_no_space(tmp_path):
    if not can_free_parts(tmp_path):
        pytest.skip("this file system cannot free parts of files")
    film, counts = film_of(tmp_path, shape=(4, 120, 256))
    with film:
        path = play(tmp_path, film, "nd2", 12, n_kept=3)
        volume_bytes = film.info.volume_bytes
    used = path.stat().st_blocks * 512 if hasattr(os.stat_result, "st_blocks") else 0
    assert used < 6 * volume_bytes < path.stat().st_size
    with GrowingNd2Source(path, following()) as source:
        volumes = list(source)
    assert [volume.index for volume in volumes] == list(range(12))
    assert not volumes[4].marker.any()
    for volume in volumes[-3:]:
        assert_shown(volume, film, counts)


def test_a_folder_keeps_the_newest_files(tmp_path, film):
    film, _ = film
    folder = play(tmp_path, film, "folder", 9, n_kept=3)
    assert sorted(int(path.stem[-4:]) for path in folder.iterdir())[-3:] == [7, 8, 9]
    assert len(list(folder.iterdir())) <= 4


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(tmp_path, film, monkeypatch):
    film, _ = film
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(RecordingError, match="are free"):
        play(tmp_path, film, "nd2", 3)
    assert not (tmp_path / "worm.nd2").exists()


def test_the_log_says_when_each_volume_was_complete_and_none_is_early(tmp_path, film):
    film, _ = film
    play(tmp_path, film, "nd2", 5, faults=("drop-volume@1",))
    with (tmp_path / "rig.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["volume"]) for row in rows] == list(range(5))
    assert [row["faults"] for row in rows] == ["", "drop-volume", "", "", ""]
    due_s = [float(row["due_s"]) for row in rows]
    assert due_s == pytest.approx([PERIOD_S * (volume + 1) for volume in range(5)])
    assert all(float(row["late_ms"]) >= 0 for row in rows)


def test_volumes_come_through_shared_memory(tmp_path, film):
    film, counts = film
    plan = plan_of(tmp_path, f"shm:rig{os.getpid()}", "shm", 5, faults=("drop-frame@2:1",))
    thread = threading.Thread(target=play_film, args=(film, plan))
    with SharedMemorySource(plan.out, following()) as source:
        thread.start()
        volumes = list(source)
    thread.join(PATIENCE_S)
    assert [volume.index for volume in volumes] == list(range(5))
    for volume in volumes:
        assert_shown(volume, film, counts, without=(1,) if volume.index == 2 else ())
