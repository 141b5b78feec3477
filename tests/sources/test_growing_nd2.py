"""ND2 files followed while somebody writes them."""

import os
import subprocess
import sys
import threading
import time
import tracemalloc

import nd2
import numpy as np
import pytest
from tests.sources.damage import damaged_copy
from tests.sources.recordings import (
    GCAMP,
    PERIOD_S,
    SIZE_UM,
    TAGRFP,
    random_counts,
    slice_time_s,
    write_nd2,
)

from napari_acll.core import LiveSettings, RecordingError, SourceSettings
from napari_acll.simulate import Nd2Writer
from napari_acll.sources import GrowingNd2Source
from napari_acll.sources._nd2_tail import ALIGNMENT, Nd2Tail
from napari_acll.testing import LiveSourceContract

PATIENCE_S = 20.0

# grows a file in pieces of random size, as another program would
GROW = """
import sys, random
from pathlib import Path
seed, largest, *paths = sys.argv[1:]
pieces = random.Random(int(seed))
for source, target in zip(paths[::2], paths[1::2]):
    content = Path(source).read_bytes()
    at = 0
    with open(target, "wb", buffering=0) as file:
        while at < len(content):
            at += file.write(content[at : at + pieces.randint(1, int(largest))])
"""


@pytest.fixture
def grow():
    """Return a function that starts another process which grows copies, one after the other."""
    processes = []

    def start(*paths, seed=0, largest=16):
        command = [sys.executable, "-c", GROW, str(seed), str(largest), *map(str, paths)]
        processes.append(subprocess.Popen(command))

    yield start
    for process in processes:
        assert process.wait(PATIENCE_S) == 0


def live(path, *, takes_existing=True, idle_timeout_s=PATIENCE_S, frame_size_px=None, **settings):
    return GrowingNd2Source(
        path,
        SourceSettings(
            live=LiveSettings(
                is_live=True,
                takes_existing=takes_existing,
                poll_ms=0.5,
                idle_timeout_s=idle_timeout_s,
                start_timeout_s=PATIENCE_S,
                frame_size_px=frame_size_px,
            ),
            **settings,
        ),
    )


def test_a_split_recording_is_followed_over_all_its_files(tmp_path, grow):
    counts = random_counts(n_volumes=6)
    (tmp_path / "made").mkdir()
    source = GrowingNd2Source(
        tmp_path / "worm009.nd2",
        SourceSettings(
            live=LiveSettings(
                is_live=True, poll_ms=0.5, start_timeout_s=PATIENCE_S, next_file_timeout_s=3.0
            )
        ),
    )
    paths = []
    for part in range(3):
        name = f"worm{9 + part:03}.nd2"
        made = write_nd2(tmp_path / "made" / name, counts[2 * part : 2 * part + 2])
        paths += [made, tmp_path / name]
    grow(*paths, largest=500)
    with source:
        volumes = list(source)
    assert [volume.index for volume in volumes] == list(range(6))
    np.testing.assert_array_equal(stacked(volumes), counts)
    starts_s = [volume.timestamp_s for volume in volumes]
    np.testing.assert_allclose(starts_s, PERIOD_S * np.arange(6))
    assert all(volume.spec is source.spec for volume in volumes)


def test_a_next_file_of_another_geometry_is_an_error(tmp_path):
    write_nd2(tmp_path / "worm1.nd2", random_counts())
    write_nd2(tmp_path / "worm2.nd2", random_counts(n_y=8))
    settings = LiveSettings(is_live=True, takes_existing=True, next_file_timeout_s=PATIENCE_S)
    source = GrowingNd2Source(tmp_path / "worm1.nd2", SourceSettings(live=settings))
    with source, pytest.raises(RecordingError, match="does not continue"):
        list(source)


def stacked(volumes):
    """Return counts (T, C, Z, Y, X), activity first."""
    return np.stack([np.stack((volume.activity, volume.marker)) for volume in volumes])


def writer_of(path, counts, *, order="TZ", **options):
    n_t, _, n_z, n_y, n_x = counts.shape
    loops = {"T": n_t * n_z} if order == "T" else {"T": n_t, "Z": n_z}
    return Nd2Writer(
        path,
        frame_shape=(n_y, n_x),
        channels=(GCAMP, TAGRFP),
        loops=loops,
        dtype=counts.dtype,
        **{"voxel_size_um": SIZE_UM, "period_s": PERIOD_S, **options},
    )


def append(writer, counts, *, lacks=(), time_s=slice_time_s):
    """Write all frames but those that are lacking; the camera counts these all the same."""
    n_t, _, n_z, _, _ = counts.shape
    for number in range(n_t * n_z):
        t, z = divmod(number, n_z)
        if number in lacks:
            writer.skip_frames(1)
        else:
            writer.append_frame(counts[t, :, z], time_s(t, z))


class TestGrowingNd2(LiveSourceContract):
    """The suite that every live source passes."""

    tells_when_seen = True

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.path = tmp_path / "ein Wurm (ü).nd2"
        self.writer = None
        yield
        if self.writer is not None:
            self.writer.abandon()

    def make_source(self, settings):
        return GrowingNd2Source(self.path, settings)

    def write(self, index, activity, marker):
        n_z, n_y, n_x = self.shape
        if self.writer is None:
            self.writer = Nd2Writer(
                self.path,
                frame_shape=(n_y, n_x),
                channels=(GCAMP, TAGRFP),
                loops={"T": 100, "Z": n_z},
            )
        self.writer.skip_frames(index * n_z - self.writer.n_frames)
        for z in range(n_z):
            self.writer.append_frame(np.stack((activity[z], marker[z])), slice_time_s(index, z))

    def finish(self):
        self.writer.close()


@pytest.mark.parametrize(("seed", "largest"), [(0, 1), (0, 16), (1, 5000)])
def test_the_real_recording_grown_by_another_process_gives_what_nd2_reads(
    test_data, tmp_path, grow, seed, largest
):
    path = test_data / "nd2" / "pims_nd2__cluster.nd2"
    with nd2.ND2File(path) as file:
        expected = file.asarray().swapaxes(1, 2)  # T C Z Y X
        stamps = [file.frame_metadata(number).channels[0].time for number in range(30)]
        size = file.voxel_size()
    grow(path, tmp_path / "growing.nd2", seed=seed, largest=largest)
    with live(tmp_path / "growing.nd2", frame_size_px=(31, 38)) as source:
        volumes = list(source)
    assert [volume.index for volume in volumes] == [0, 1, 2]
    np.testing.assert_array_equal(stacked(volumes), expected)
    times_s = np.array([stamp.relativeTimeMs for stamp in stamps]).reshape(3, 10) / 1000
    np.testing.assert_allclose([volume.slice_times_s for volume in volumes], times_s)
    assert source.spec.voxel_size_um == (size.z, size.y, size.x)
    assert source.spec.activity_name == "5-FAM/pH 9.0"


REAL_TIMELAPSES = ("arcadia__example-timelapse.nd2", "lim_JOBS__synthetic-objects-timelapse.nd2")


@pytest.mark.parametrize("name", REAL_TIMELAPSES)
def test_the_frames_of_real_timelapses_grown_by_another_process_are_what_nd2_reads(
    test_data, tmp_path, grow, name
):
    with nd2.ND2File(test_data / "nd2" / name) as file:
        expected = [file.read_frame(number).tobytes() for number in range(len(file.asarray()))]
    target = tmp_path / "growing.nd2"
    target.touch()
    tail, found = Nd2Tail(target), {}
    grow(test_data / "nd2" / name, target, largest=400)
    until_s = time.monotonic() + PATIENCE_S
    while not tail.is_finished and time.monotonic() < until_s:
        chunk = tail.next_chunk()
        if chunk is not None and chunk.frame is not None:
            found[chunk.frame] = tail.payload(chunk)[8:]
    tail.close()
    assert [found[number] for number in sorted(found)] == expected


def test_a_real_recording_cut_in_its_middle_says_that_it_needs_the_size(test_data, tmp_path):
    content = (test_data / "nd2" / "pims_nd2__cluster.nd2").read_bytes()
    path = tmp_path / "cut.nd2"
    path.write_bytes(content[: len(content) // 2])
    with live(path) as source, pytest.raises(RecordingError, match="frame_size_px") as caught:
        list(source)
    assert "4712 bytes for 2 channels" in str(caught.value)
    with live(path, frame_size_px=(30, 38)) as source, pytest.raises(RecordingError, match="30 x"):
        list(source)


def test_the_size_that_a_recording_confirmed_serves_the_next_one(test_data, tmp_path, grow):
    path = test_data / "nd2" / "pims_nd2__cluster.nd2"
    expected = nd2.imread(path).swapaxes(1, 2)
    for name, size in (("a.nd2", (38, 31)), ("b.nd2", None)):
        grow(path, tmp_path / name)
        with live(tmp_path / name, frame_size_px=size) as source:
            counts = stacked(source)
        if size is not None:  # as many bytes, but the wrong shape
            assert counts.shape != expected.shape
            assert any("WRONG" in note and "31 and 38" in note for note in source.notes)
    np.testing.assert_array_equal(counts, expected)
    assert not any("WRONG" in note for note in source.notes)


def test_a_real_recording_cut_in_its_middle_keeps_its_whole_volumes(test_data, tmp_path):
    path = test_data / "nd2" / "pims_nd2__cluster.nd2"
    content = path.read_bytes()
    cut = tmp_path / "cut.nd2"
    cut.write_bytes(content[: content.index(b"ImageDataSeq|25!")])
    with live(cut, frame_size_px=(31, 38), idle_timeout_s=0.1) as source:
        volumes = list(source)
    np.testing.assert_array_equal(stacked(volumes), nd2.imread(path).swapaxes(1, 2)[:2])
    assert any("last 5 slices" in note for note in source.notes)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("shape", [(6, 7), (64, 65)])
def test_a_file_is_followed_frame_by_frame(tmp_path, dtype, is_compressed, shape):
    counts = random_counts(n_volumes=3, n_y=shape[0], n_x=shape[1], dtype=dtype)
    path = tmp_path / "a.nd2"
    with live(path) as source, writer_of(path, counts, is_compressed=is_compressed) as writer:
        append(writer, counts)
        writer.close()
        np.testing.assert_array_equal(stacked(source), counts)
        expected = [[slice_time_s(t, z) for z in range(4)] for t in range(3)]
    with live(path) as source:
        np.testing.assert_allclose([v.slice_times_s for v in source], expected)
        assert source.spec.period_s == PERIOD_S


def test_a_volume_is_there_when_its_last_slice_is(tmp_path):
    counts = random_counts(n_volumes=3)
    path = tmp_path / "a.nd2"
    writer = writer_of(path, counts)
    source = live(path)
    volumes = iter(source)
    for t in range(3):
        append(writer, counts[t : t + 1])
        writer.skip_frames(0)
        volume = next(volumes)
        assert volume.index == t
        np.testing.assert_array_equal(volume.marker, counts[t, 1])
    writer.abandon()
    source.close()


def test_a_timestream_is_cut_into_volumes_and_the_flyback_left_out(tmp_path):
    counts = random_counts(n_volumes=4, n_z=5)
    path = tmp_path / "a.nd2"
    with writer_of(path, counts, order="T") as writer:
        append(writer, counts)
    with live(path, n_z=5, z_first=5, z_discard=2) as source:
        volumes = list(source)
    np.testing.assert_array_equal(stacked(volumes), counts[1:, :, 2:])
    assert source.spec.grid.to_stored_px(np.zeros(3)).tolist() == [2, 0, 0]


def test_missing_slices_are_zero_and_listed_and_missing_volumes_are_gaps(tmp_path):
    counts = random_counts(n_volumes=4)
    path = tmp_path / "a.nd2"
    with writer_of(path, counts) as writer:
        append(writer, counts, lacks=(1, 4, 5, 6, 7, 11))
    with live(path) as source:
        volumes = list(source)
    assert [(volume.index, volume.missing_z) for volume in volumes] == [
        (0, (1,)),
        (2, (3,)),
        (3, ()),
    ]
    expected = counts[[0, 2, 3]]
    expected[0, :, 1] = expected[1, :, 3] = 0
    np.testing.assert_array_equal(stacked(volumes), expected)
    assert np.isfinite([volume.slice_times_s for volume in volumes]).all()


def even_time_s(t, z):
    """Return times of a camera that never pauses, with a flyback of two slices."""
    return t * (4 + 2) * 0.1 + z * 0.1


@pytest.mark.parametrize("dropped", [(13, 2), (17, 0), (18, 3)])
def test_a_frame_that_the_camera_dropped_shifts_no_slice(tmp_path, dropped):
    t_dropped, z_dropped = dropped
    counts = random_counts(n_volumes=24)
    path = tmp_path / "a.nd2"
    with writer_of(path, counts, order="T") as writer:
        for t in range(24):
            for z in range(4):
                if (t, z) != dropped:  # its number is given to the next frame
                    writer.append_frame(counts[t, :, z], even_time_s(t, z))
    told = []
    with live(path, n_z=4) as source:
        volumes = []
        for volume in source:
            volumes.append(volume)
            assert list(source.notes[: len(told)]) == told  # a session asks for what is new
            told = list(source.notes)
    counts[t_dropped, :, z_dropped] = 0
    assert [volume.index for volume in volumes] == list(range(24))
    np.testing.assert_array_equal(stacked(volumes), counts)
    assert volumes[t_dropped].missing_z == (z_dropped,)
    assert any(note.startswith("Frames were dropped") for note in told)
    assert any(note.startswith("1 frames were dropped") for note in source.notes)


def test_late_time_stamps_shift_no_slice(tmp_path):
    counts = random_counts(n_volumes=24)
    rng = np.random.default_rng(0)
    path = tmp_path / "a.nd2"
    with writer_of(path, counts, order="T") as writer:
        latest_s = 0.0
        for t in range(24):
            for z in range(4):
                delay_s = 0.08 if rng.random() < 0.1 else 0.01 * rng.random()
                latest_s = max(latest_s, even_time_s(t, z) + delay_s)
                writer.append_frame(counts[t, :, z], latest_s)
    with live(path, n_z=4) as source:
        np.testing.assert_array_equal(stacked(source), counts)
    assert not any("dropped" in note for note in source.notes)  # nor too irregular to tell


@pytest.mark.parametrize("time_s", [lambda _t, _z: 7.0, lambda t, _z: -1.0 * t])
def test_times_that_cannot_be_true_are_replaced(tmp_path, time_s):
    counts = random_counts(n_volumes=4)
    path = tmp_path / "a.nd2"
    with writer_of(path, counts) as writer:
        append(writer, counts, time_s=time_s)
    with live(path) as source:
        starts_s = [volume.timestamp_s for volume in source]
    np.testing.assert_allclose(np.diff(starts_s), PERIOD_S)
    assert any("no times that can be true" in note for note in source.notes)


def test_a_damaged_frame_number_is_put_right(tmp_path):
    counts = random_counts(n_volumes=4)
    path = write_nd2(tmp_path / "a.nd2", counts)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"ImageDataSeq|5!", b"ImageDataSeq|7!", 1))
    with live(path) as source:
        np.testing.assert_array_equal(stacked(source), counts)
    assert any("damaged number" in note for note in source.notes)


def test_a_damaged_compressed_frame_is_a_missing_slice(tmp_path):
    counts = random_counts(n_y=64, n_x=64)
    path = write_nd2(tmp_path / "a.nd2", counts, is_compressed=True)
    content = bytearray(path.read_bytes())
    at = content.index(b"ImageDataSeq|5!") + 4080 + 40
    content[at : at + 200] = bytes(200)
    path.write_bytes(content)
    with live(path) as source:
        missing = [volume.missing_z for volume in source]
    assert missing == [(), (1,), ()]


def test_a_finished_file_is_not_followed_unless_asked_for(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts())
    with pytest.raises(RecordingError, match="finished already"):
        live(path, takes_existing=False)


@pytest.mark.parametrize("takes_existing", [False, True])
def test_a_pattern_is_the_next_file_that_appears_or_else_the_newest(tmp_path, takes_existing):
    counts = random_counts(n_volumes=4)
    for number in (2, 1):
        path = write_nd2(tmp_path / f"worm{number}.nd2", counts[number : number + 1])
        os.utime(path, (number, number))
    source = live(tmp_path / "worm*.nd2", takes_existing=takes_existing)
    (tmp_path / "no worm.nd2").touch()
    if not takes_existing:
        write_nd2(tmp_path / "worm0.nd2", counts[3:])
    with source:
        np.testing.assert_array_equal(
            stacked(source), counts[2:3] if takes_existing else counts[3:]
        )


def test_slices_outermost_cannot_be_followed(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(), order="ZT")
    with live(path) as source, pytest.raises(RecordingError, match="replay it"):
        list(source)


def test_a_timestream_needs_the_number_of_slices(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(), order="T")
    with live(path) as source, pytest.raises(RecordingError, match="number of slices"):
        list(source)


def test_a_file_that_is_deleted_is_an_error_after_what_was_there(tmp_path):
    counts = random_counts()
    path = tmp_path / "a.nd2"
    writer = writer_of(path, counts)
    append(writer, counts[:2])
    with live(path) as source:
        volumes = iter(source)
        assert [next(volumes).index, next(volumes).index] == [0, 1]
        path.unlink()
        with pytest.raises(RecordingError, match="deleted or moved"):
            next(volumes)
    writer.abandon()


def test_closing_ends_a_waiting_iteration_at_once(tmp_path):
    counts = random_counts()
    path = tmp_path / "a.nd2"
    writer = writer_of(path, counts)
    append(writer, counts[:1])
    source = live(path)
    first, took_s = threading.Event(), []

    def read():
        for _ in source:
            first.set()
        took_s.append(time.monotonic())

    thread = threading.Thread(target=read)
    thread.start()
    assert first.wait(PATIENCE_S)
    began_s = time.monotonic()
    source.close()
    thread.join(PATIENCE_S)
    writer.abandon()
    assert took_s[0] - began_s < 0.5


def test_memory_is_used_again_only_when_nobody_holds_the_volume(tmp_path):
    counts = random_counts(n_volumes=12)
    path = write_nd2(tmp_path / "a.nd2", counts)
    with live(path) as source:
        kept, places = [], set()
        for volume in source:
            places.add(volume.marker.ctypes.data)
            if volume.index < 3:
                kept.append(volume)
        assert len(places) < 12
        np.testing.assert_array_equal(stacked(kept), counts[:3])


def test_no_damage_of_a_file_hangs_the_source_or_raises_what_is_not_ours(tmp_path):
    content = write_nd2(tmp_path / "whole.nd2", random_counts()).read_bytes()
    rng = np.random.default_rng(int(os.environ.get("ACLL_FUZZ_SEED", "11")))
    starts = np.arange(0, len(content), ALIGNMENT)
    until_s = time.monotonic() + float(os.environ.get("ACLL_FUZZ_S", "4"))
    n_read = n_refused = 0
    tracemalloc.start()
    while time.monotonic() < until_s:
        damaged = damaged_copy(content, starts, rng)
        path = tmp_path / "damaged.nd2"
        path.write_bytes(damaged)
        settings = LiveSettings(
            is_live=True,
            takes_existing=True,
            poll_ms=0.5,
            start_timeout_s=0.05,
            idle_timeout_s=0.05,
        )
        with GrowingNd2Source(path, SourceSettings(live=settings)) as source:
            try:
                indices = [volume.index for volume in source]
                assert indices == sorted(set(indices))
                n_read += 1
            except RecordingError as error:
                assert "damaged.nd2" in str(error)  # noqa: PT017
                n_refused += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_read
    assert n_refused
    assert peak < 50 * 2**20
