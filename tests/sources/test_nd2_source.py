import sys
from pathlib import Path

import nd2
import numpy as np
import pytest
from tests.sources.recordings import (
    GCAMP,
    PERIOD_S,
    SIZE_UM,
    SLICE_S,
    TAGRFP,
    random_counts,
    write_nd2,
)

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources import Nd2Source


def open_nd2(path, **settings):
    return Nd2Source.from_recording(str(path), SourceSettings(**settings))


def read_all(source):
    """Return counts (T, C, Z, Y, X), activity first."""
    with source:
        return np.stack([np.stack((volume.activity, volume.marker)) for volume in source])


def expected_times(n_volumes, n_z):
    return PERIOD_S * np.arange(n_volumes)[:, None] + SLICE_S * np.arange(n_z)


@pytest.mark.parametrize("order", ["TZ", "ZT"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_every_voxel_is_read_in_either_loop_order(tmp_path, order, dtype, is_compressed):
    counts = random_counts(dtype=dtype)
    path = write_nd2(tmp_path / "a.nd2", counts, order=order, is_compressed=is_compressed)
    np.testing.assert_array_equal(read_all(open_nd2(path)), counts)


def test_a_list_of_phases_is_a_time_loop(tmp_path):
    counts = random_counts()
    path = write_nd2(tmp_path / "a.nd2", counts, is_equidistant=False)
    np.testing.assert_array_equal(read_all(open_nd2(path)), counts)


def test_a_z_stack_is_one_volume(tmp_path):
    counts = random_counts(n_volumes=1)
    path = write_nd2(tmp_path / "a.nd2", counts, order="Z")
    source = open_nd2(path)
    assert source.spec.n_volumes == 1
    np.testing.assert_array_equal(read_all(source), counts)


def test_a_timestream_is_cut_into_volumes(tmp_path):
    counts = random_counts(n_volumes=3, n_z=5)
    path = write_nd2(tmp_path / "a.nd2", counts, order="T")
    np.testing.assert_array_equal(read_all(open_nd2(path, n_z=5)), counts)


def test_first_and_discarded_slices_of_a_timestream_are_left_out(tmp_path):
    counts = random_counts(n_volumes=3, n_z=5)
    path = write_nd2(tmp_path / "a.nd2", counts, order="T")
    source = open_nd2(path, n_z=5, z_first=3, z_discard=2)
    frames = counts.swapaxes(1, 2).reshape(15, 2, 6, 7)
    expected = np.stack([frames[5:8], frames[10:13]]).swapaxes(1, 2)
    assert source.spec.grid.to_stored_px(np.zeros(3)).tolist() == [2, 0, 0]
    assert any("last 2 frames" in note for note in source.notes)
    np.testing.assert_array_equal(read_all(source), expected)


def test_times_and_voxel_size_come_from_the_file(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts())
    with open_nd2(path) as source:
        times_s = np.stack([volume.slice_times_s for volume in source])
        starts_s = [volume.timestamp_s for volume in source]
        spec = source.spec
    np.testing.assert_allclose(times_s, expected_times(3, 4))
    np.testing.assert_allclose(starts_s, [0, PERIOD_S, 2 * PERIOD_S])
    assert spec.period_s == pytest.approx(PERIOD_S)
    # the format keeps one lateral size
    assert spec.voxel_size_um == pytest.approx((SIZE_UM[0], SIZE_UM[2], SIZE_UM[2]))


def test_the_settings_override_period_and_voxel_size(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts())
    with open_nd2(path, period_s=8.0, voxel_size_um=(1.0, 2.0, 3.0)) as source:
        times_s = source.read(2).slice_times_s
        assert source.spec.voxel_size_um == (1.0, 2.0, 3.0)
    np.testing.assert_allclose(times_s, 16 + 2 * np.arange(4))


@pytest.mark.parametrize("bad", ["constant", "jumping back", "not finite"])
def test_times_that_cannot_be_true_are_spread_over_the_planned_period(tmp_path, bad):
    times_s = {
        "constant": np.zeros(12),
        "jumping back": np.r_[0:6, 0:6] * 1.0,
        "not finite": np.full(12, np.inf),
    }[bad]
    path = write_nd2(tmp_path / "a.nd2", random_counts(), times_s=times_s)
    with open_nd2(path) as source:
        found_s = np.stack([volume.slice_times_s for volume in source])
        assert any("times" in note for note in source.notes)
    expected = PERIOD_S * (np.arange(3)[:, None] + np.arange(4) / 4)
    np.testing.assert_allclose(found_s, expected)


def test_slices_that_share_the_time_of_their_volume_are_spread(tmp_path):
    times_s = np.repeat([1.0, 1.5, 2.0], 4)
    path = write_nd2(tmp_path / "a.nd2", random_counts(), times_s=times_s)
    with open_nd2(path) as source:
        found_s = np.stack([volume.slice_times_s for volume in source])
    np.testing.assert_allclose(found_s, times_s.reshape(3, 4) + PERIOD_S * np.arange(4) / 4)


def test_a_recording_without_a_list_of_times_has_those_of_its_frames(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts())
    # in the map, so that no reader finds the list
    content = path.read_bytes()
    at = content.rindex(b"CustomData|AcqTimesCache!")
    path.write_bytes(content[:at] + b"CustomData|AcqTimesXache!" + content[at + 25 :])
    with open_nd2(path) as source:
        times_s = np.stack([volume.slice_times_s for volume in source])
        assert source.spec.period_s == pytest.approx(PERIOD_S)
    np.testing.assert_allclose(times_s, expected_times(3, 4))


def test_only_the_volumes_of_an_aborted_recording_exist(tmp_path):
    counts = random_counts(n_volumes=3)
    path = write_nd2(tmp_path / "a.nd2", counts, loops={"T": 1600, "Z": 4})
    source = open_nd2(path)
    assert source.indices == (0, 1, 2)
    assert source.spec.n_volumes == 3
    assert any("3 of 1600" in note for note in source.notes)
    np.testing.assert_array_equal(read_all(source), counts)


def test_a_volume_that_was_broken_off_is_left_out(tmp_path):
    counts = random_counts(n_volumes=3)
    path = write_nd2(tmp_path / "a.nd2", counts, lacks=(10, 11))
    source = open_nd2(path)
    assert source.indices == (0, 1)
    assert any("ends within a volume" in note for note in source.notes)
    np.testing.assert_array_equal(read_all(source), counts[:2])


def test_a_file_of_one_stack_is_a_volume_whatever_slices_it_lacks(tmp_path):
    counts = random_counts(n_volumes=1)
    path = write_nd2(tmp_path / "a.nd2", counts, order="Z", lacks=(2, 3))
    volume = open_nd2(path).read(0)
    assert volume.missing_z == (2, 3)
    np.testing.assert_array_equal(volume.marker[:2], counts[0, 1, :2])


def test_a_missing_slice_is_zero_and_listed_and_a_missing_volume_is_a_gap(tmp_path):
    counts = random_counts(n_volumes=4)
    path = write_nd2(tmp_path / "a.nd2", counts, lacks=(2, 4, 5, 6, 7))
    with open_nd2(path) as source:
        assert source.indices == (0, 2, 3)
        assert source.spec.n_volumes == 4
        volume = source.read(0)
        times_s = volume.slice_times_s
        with pytest.raises(IndexError):
            source.read(1)
    assert volume.missing_z == (2,)
    assert not volume.marker[2].any()
    np.testing.assert_array_equal(volume.marker[3], counts[0, 1, 3])
    np.testing.assert_allclose(times_s, expected_times(1, 4)[0])


def test_more_frames_than_planned_are_more_volumes(tmp_path):
    counts = random_counts(n_volumes=3)
    path = write_nd2(tmp_path / "a.nd2", counts, loops={"T": 2, "Z": 4})
    np.testing.assert_array_equal(read_all(open_nd2(path)), counts)


def test_channels_can_be_chosen_among_many(tmp_path):
    counts = random_counts(n_channels=3)
    channels = (TAGRFP, GCAMP, TAGRFP)
    path = write_nd2(tmp_path / "a.nd2", counts, channels=channels)
    found = read_all(open_nd2(path, activity_channel=1, marker_channel=2))
    np.testing.assert_array_equal(found, counts[:, [1, 2]])


def test_marker_first_is_recognized_and_announced(tmp_path):
    counts = random_counts()
    path = write_nd2(tmp_path / "a.nd2", counts, channels=(TAGRFP, GCAMP))
    source = open_nd2(path)
    assert "Activity is channel 1 (GCaMP, 525 nm)" in source.notes[0]
    np.testing.assert_array_equal(read_all(source), counts[:, ::-1])


def test_a_file_that_shrinks_while_it_is_read_is_an_error_not_a_crash(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts())
    with open_nd2(path) as source:
        with path.open("r+b") as file:
            file.truncate(8192)
        with pytest.raises(RecordingError, match=r"Frame \d+ of .* is damaged"):
            source.read(2)


def is_open(path):
    links = Path("/proc/self/fd").iterdir()
    return str(path) in {str(link.readlink()) for link in links if link.is_symlink()}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_no_file_stays_open_after_closing_or_after_an_error(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(), order="T")
    source = open_nd2(path, n_z=4)
    assert is_open(path)
    source.close()
    assert not is_open(path)
    with pytest.raises(RecordingError) as caught:
        open_nd2(path)
    assert caught.value.__traceback__ is not None  # which keeps all of its objects alive
    assert not is_open(path)


def test_reading_after_closing_is_an_error_of_ours(tmp_path):
    source = open_nd2(write_nd2(tmp_path / "a.nd2", random_counts()))
    source.close()
    with pytest.raises(RecordingError, match="was closed"):
        source.read(0)


def test_opening_reads_no_frames(tmp_path, monkeypatch):
    from napari_acll.sources import _nd2_chunks

    path = write_nd2(tmp_path / "a.nd2", random_counts())
    monkeypatch.setattr(
        _nd2_chunks.Nd2Chunks, "read_frame_into", lambda *_: pytest.fail("a frame was read")
    )
    open_nd2(path).close()


def real_files(test_data):
    return sorted((test_data / "nd2").glob("*.nd2"))


def test_the_real_two_channel_recording_equals_what_nd2_reads(test_data):
    path = test_data / "nd2" / "pims_nd2__cluster.nd2"
    with nd2.ND2File(path) as file:
        expected = file.asarray()  # T Z C Y X
        size = file.voxel_size()
        stamps = [file.frame_metadata(number).channels[0].time for number in range(30)]
    times_s = np.array([stamp.relativeTimeMs for stamp in stamps]).reshape(3, 10) / 1000
    source = open_nd2(path)
    assert source.spec.voxel_size_um == (size.z, size.y, size.x)
    assert source.spec.activity_name == "5-FAM/pH 9.0"
    np.testing.assert_allclose([v.slice_times_s for v in source], times_s)
    np.testing.assert_array_equal(read_all(source), expected.swapaxes(1, 2))


REAL_FAULTS = {
    "arcadia__example-multichannel.nd2": "single slice",
    "arcadia__example-timelapse.nd2": "1 channel",
    "arcadia__example-zstack.nd2": "1 channel",
    "lim_JOBS__synthetic-objects-timelapse.nd2": "1 channel",
    "ndevio__ND2_dims_rgb.nd2": "RGB",
}


@pytest.mark.parametrize("name", REAL_FAULTS)
def test_every_other_real_file_says_what_it_lacks(test_data, name):
    with pytest.raises(RecordingError, match=REAL_FAULTS[name]) as caught:
        open_nd2(test_data / "nd2" / name)
    assert name in str(caught.value)


def test_all_real_files_are_tested(test_data):
    tested = {*REAL_FAULTS, "pims_nd2__cluster.nd2"}
    assert {path.name for path in real_files(test_data)} == tested
