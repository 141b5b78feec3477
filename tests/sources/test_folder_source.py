import h5py
import nrrd
import numpy as np
import pytest
import tifffile
from tests.sources.recordings import (
    FOLDER_WRITERS,
    GCAMP,
    PERIOD_S,
    SIZE_UM,
    SLICE_S,
    random_counts,
    write_nd2,
    write_nd2_files,
    write_npy_files,
    write_nrrd_files,
)

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources import FolderSource

KINDS = sorted(FOLDER_WRITERS)


def open_folder(folder, **settings):
    return FolderSource.from_recording(str(folder), SourceSettings(**settings))


def read_all(source):
    """Return counts (T, C, Z, Y, X), activity first."""
    with source:
        return np.stack([np.stack((volume.activity, volume.marker)) for volume in source])


def why(folder, **settings):
    with pytest.raises(RecordingError) as caught:
        open_folder(folder, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_voxel_of_every_kind_is_read_and_gaps_are_lost_volumes(tmp_path, kind, dtype):
    counts = random_counts(n_volumes=4, dtype=dtype)
    FOLDER_WRITERS[kind](tmp_path, counts, (7, 8, 11, 12))
    source = open_folder(tmp_path)
    assert source.indices == (0, 1, 4, 5)
    assert source.spec.n_volumes == 6
    assert any("2 volumes are missing" in note and "2, 3" in note for note in source.notes)
    np.testing.assert_array_equal(read_all(source), counts)


def test_numbers_count_and_not_the_alphabet(tmp_path):
    counts = random_counts(n_volumes=3)
    for number, volume in zip((9, 10, 100), counts, strict=True):
        np.save(tmp_path / f"w_t{number}.npy", volume)
    source = open_folder(tmp_path)
    assert source.indices == (0, 1, 91)
    np.testing.assert_array_equal(read_all(source), counts)


def test_the_number_may_stand_last_in_the_name(tmp_path):
    counts = random_counts(n_volumes=2)
    np.save(tmp_path / "2022-07-26 volume 2.npy", counts[1])
    np.save(tmp_path / "2022-07-26 volume 1.npy", counts[0])
    np.testing.assert_array_equal(read_all(open_folder(tmp_path)), counts)


def test_files_without_numbers_come_in_the_order_of_their_names(tmp_path):
    counts = random_counts(n_volumes=2)
    np.save(tmp_path / "b.npy", counts[1])
    np.save(tmp_path / "a.npy", counts[0])
    source = open_folder(tmp_path)
    assert any("order of their names, a first" in note for note in source.notes)
    np.testing.assert_array_equal(read_all(source), counts)


def test_foreign_files_are_left_out_and_noted(tmp_path):
    counts = random_counts(n_volumes=2)
    write_nd2_files(tmp_path, counts, (1, 2))
    (tmp_path / "notes.txt").write_text("day 1")
    (tmp_path / "mean 3.nd2").write_bytes(b"not one of the volumes: no _t in its name")
    (tmp_path / "projections").mkdir()
    (tmp_path / ".hidden_t0001.nd2").touch()
    (tmp_path / "worm_t0003.nd2.part").touch()
    source = open_folder(tmp_path)
    assert any(note.startswith("4 files are not volumes") for note in source.notes)
    np.testing.assert_array_equal(read_all(source), counts)


def test_nd2_files_are_timed_by_their_absolute_start(tmp_path):
    write_nd2_files(tmp_path, random_counts(n_volumes=3), (1, 2, 4))
    with open_folder(tmp_path) as source:
        times_s = np.stack([volume.slice_times_s for volume in source])
        assert source.spec.period_s == pytest.approx(PERIOD_S, abs=1e-4)
        assert source.spec.voxel_size_um == pytest.approx((SIZE_UM[0], SIZE_UM[2], SIZE_UM[2]))
    expected = PERIOD_S * np.array([[0], [1], [3]]) + SLICE_S * np.arange(4)
    np.testing.assert_allclose(times_s, expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["nrrd", "h5", "tif", "npy"])
def test_files_without_times_are_timed_by_the_period(tmp_path, kind):
    FOLDER_WRITERS[kind](tmp_path, random_counts(n_volumes=2), (1, 3))
    with open_folder(tmp_path, period_s=2.0) as source:
        times_s = np.stack([volume.slice_times_s for volume in source])
    np.testing.assert_allclose(times_s, [[0, 0.5, 1, 1.5], [4, 4.5, 5, 5.5]])


def test_timestream_files_take_the_number_of_slices_from_the_settings(tmp_path):
    counts = random_counts(n_volumes=2, n_z=5)
    for number, volume in enumerate(counts):
        write_nd2(tmp_path / f"w_t{number}.nd2", volume[None], order="T")
    source = open_folder(tmp_path, n_z=5, z_discard=2)
    assert source.spec.grid.start_px == (2, 0, 0)
    np.testing.assert_array_equal(read_all(source), counts[:, :, 2:])


def test_voxel_sizes_come_from_the_files_that_tell_them(tmp_path):
    for kind in KINDS:
        (tmp_path / kind).mkdir()
    counts = random_counts(n_volumes=1)
    FOLDER_WRITERS["tif"](tmp_path / "tif", counts, (1,))
    for channel in (0, 1):
        nrrd.write(
            str(tmp_path / "nrrd" / f"w_t1_ch{channel + 1}.nrrd"),
            np.ascontiguousarray(counts[0, channel].T),
            header={"spacings": list(SIZE_UM[::-1])},
        )
    FOLDER_WRITERS["h5"](tmp_path / "h5", counts, (1,))
    with h5py.File(tmp_path / "h5" / "worm_t0001.h5", "r+") as file:
        file["raw"].attrs["element_size_um"] = SIZE_UM
    for kind in ("tif", "nrrd", "h5"):
        with open_folder(tmp_path / kind) as source:
            assert source.spec.voxel_size_um == pytest.approx(SIZE_UM), kind
    FOLDER_WRITERS["npy"](tmp_path / "npy", counts, (1,))
    with open_folder(tmp_path / "npy") as source:
        assert any("does not tell its voxel size" in note for note in source.notes)


def test_nrrd_channel_1_is_the_activity_unless_chosen(tmp_path):
    counts = random_counts(n_volumes=2)
    write_nrrd_files(tmp_path, counts, (1, 2))
    np.testing.assert_array_equal(read_all(open_folder(tmp_path)), counts)
    swapped = read_all(open_folder(tmp_path, marker_channel=0))
    np.testing.assert_array_equal(swapped, counts[:, ::-1])


def test_compressed_nrrd_files_are_read(tmp_path):
    counts = random_counts(n_volumes=1)
    for channel in (0, 1):
        values = np.ascontiguousarray(counts[0, channel].T)
        path = tmp_path / f"w_t0001_ch{channel + 1}.nrrd"
        nrrd.write(str(path), values, header={"encoding": "gzip"})
    np.testing.assert_array_equal(read_all(open_folder(tmp_path)), counts)


def test_h5_with_both_channels_in_one_dataset_is_read(tmp_path):
    counts = random_counts(n_volumes=1)
    with h5py.File(tmp_path / "a1.h5", "w") as file:
        file["raw"] = counts[0]
    np.testing.assert_array_equal(read_all(open_folder(tmp_path)), counts)


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX"])
def test_tif_axes_come_from_the_file(tmp_path, axes):
    counts = random_counts(n_volumes=1)
    values = counts[0] if axes == "CZYX" else counts[0].swapaxes(0, 1)
    tifffile.imwrite(tmp_path / "w_t1.tif", values, metadata={"axes": axes}, ome=True)
    np.testing.assert_array_equal(read_all(open_folder(tmp_path)), counts)


def test_imagej_tif_files_are_read(tmp_path):
    counts = random_counts(n_volumes=1)
    tifffile.imwrite(
        tmp_path / "w_t1.tif",
        counts[0].swapaxes(0, 1),
        imagej=True,
        metadata={"axes": "ZCYX", "spacing": 0.54},
    )
    with open_folder(tmp_path) as source:
        assert source.spec.voxel_size_um[0] == 0.54
        np.testing.assert_array_equal(source.read(0).activity, counts[0, 0])


def test_npy_files_take_the_axes_of_the_settings(tmp_path):
    counts = random_counts(n_volumes=2)
    write_npy_files(tmp_path, counts.transpose(0, 1, 4, 3, 2), (1, 2))
    np.testing.assert_array_equal(read_all(open_folder(tmp_path, axes="CXYZ")), counts)


@pytest.mark.parametrize("kind", KINDS)
def test_an_incomplete_last_file_is_not_there_yet(tmp_path, kind):
    counts = random_counts(n_volumes=3, n_y=64, n_x=64)
    FOLDER_WRITERS[kind](tmp_path, counts, (1, 2, 3))
    last = max(tmp_path.iterdir())
    with last.open("r+b") as file:
        file.truncate(last.stat().st_size // 2)
    source = open_folder(tmp_path)
    assert source.indices == (0, 1)
    assert any("last volume is left out" in note and last.name in note for note in source.notes)
    np.testing.assert_array_equal(read_all(source), counts[:2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_amid_the_recording_is_named_when_it_is_reached(tmp_path, kind):
    counts = random_counts(n_volumes=3, n_y=64, n_x=64)
    FOLDER_WRITERS[kind](tmp_path, counts, (1, 2, 3))
    damaged = next(path for path in sorted(tmp_path.iterdir()) if "_t0002" in path.name)
    with damaged.open("r+b") as file:
        file.truncate(damaged.stat().st_size // 2)
    with open_folder(tmp_path) as source:
        volumes = iter(source)
        next(volumes)
        with pytest.raises(RecordingError, match=damaged.stem):
            next(volumes)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_first_file_is_an_error(tmp_path, kind):
    FOLDER_WRITERS[kind](tmp_path, random_counts(n_volumes=2), (1, 2))
    for path in tmp_path.iterdir():
        if "_t0001" in path.name:
            path.write_bytes(b"")
    assert "_t0001" in why(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_overwritten_in_a_file_is_one_sentence(tmp_path, kind, seed):
    FOLDER_WRITERS[kind](tmp_path, random_counts(n_volumes=1), (1,))
    path = min(tmp_path.iterdir())
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for position in rng.integers(0, min(len(content), 400), 20):
        content[position] = rng.integers(0, 256)
    path.write_bytes(content)
    try:  # damage may hit what is not needed; whatever is raised is ours
        open_folder(tmp_path).close()
    except RecordingError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_a_volume_without_the_file_of_one_channel_is_lost(tmp_path):
    counts = random_counts(n_volumes=4)
    write_nrrd_files(tmp_path, counts, (1, 2, 3, 4))
    (tmp_path / "2022-07-26-38_t0002_ch1.nrrd").unlink()
    (tmp_path / "2022-07-26-38_t0004_ch2.nrrd").unlink()
    source = open_folder(tmp_path)
    assert any("2 volumes lack the file of a channel" in note for note in source.notes)
    np.testing.assert_array_equal(read_all(source), counts[[0, 2]])


def test_two_files_with_one_number_are_both_named(tmp_path):
    write_npy_files(tmp_path, random_counts(n_volumes=2), (1, 2))
    np.save(tmp_path / "other_t2.npy", random_counts(n_volumes=1)[0])
    message = why(tmp_path)
    assert "other_t2.npy" in message
    assert "worm_t0002.npy" in message


def test_several_kinds_in_a_folder_are_an_error(tmp_path):
    write_npy_files(tmp_path, random_counts(n_volumes=1), (1,))
    write_nd2_files(tmp_path, random_counts(n_volumes=1), (2,))
    message = why(tmp_path)
    assert "worm_t0001.npy" in message
    assert "worm_t0002.nd2" in message


def test_a_missing_folder(tmp_path):
    assert "Cannot list" in why(tmp_path / "none")


def test_an_empty_folder(tmp_path):
    assert "holds no volumes" in why(tmp_path)


def test_nrrd_files_of_one_channel_only(tmp_path):
    write_nrrd_files(tmp_path, random_counts(n_channels=1), (1, 2, 3))
    assert "1 channel" in why(tmp_path)


def test_nrrd_pairs_that_are_nowhere_complete(tmp_path):
    write_nrrd_files(tmp_path, random_counts(n_volumes=2), (1, 2))
    (tmp_path / "2022-07-26-38_t0001_ch1.nrrd").unlink()
    (tmp_path / "2022-07-26-38_t0002_ch2.nrrd").unlink()
    assert "no volume with the files of both channels" in why(tmp_path)


def test_h5_without_the_activity_channel(tmp_path):
    with h5py.File(tmp_path / "w_t1.h5", "w") as file:
        file["raw"] = random_counts()[0, 0]
    assert "'raw_green' is missing" in why(tmp_path)


def test_h5_of_another_layout(tmp_path):
    with h5py.File(tmp_path / "w_t1.h5", "w") as file:
        file["data"] = random_counts()[0]
    assert "no dataset 'raw'; it has data" in why(tmp_path)


def test_a_color_tif(tmp_path):
    tifffile.imwrite(tmp_path / "w_t1.tif", np.zeros((4, 6, 7, 3), np.uint8), photometric="rgb")
    assert "RGB" in why(tmp_path)


def test_a_tif_with_one_channel(tmp_path):
    values = random_counts()[0, 0]
    tifffile.imwrite(tmp_path / "w_t1.tif", values, metadata={"axes": "ZYX"}, ome=True)
    assert "two channels" in why(tmp_path)


def test_a_file_with_several_volumes(tmp_path):
    write_nd2(tmp_path / "w_t1.nd2", random_counts())
    assert "holds 3 volumes" in why(tmp_path)


def test_a_file_with_one_channel(tmp_path):
    write_nd2(tmp_path / "w_t1.nd2", random_counts(1, 1), order="Z", channels=(GCAMP,))
    assert "1 channel" in why(tmp_path)


@pytest.mark.parametrize("change", ["shape", "type"])
def test_a_volume_unlike_the_first_is_named(tmp_path, change):
    write_npy_files(tmp_path, random_counts(n_volumes=3), (1, 2, 3))
    other = random_counts(n_y=9) if change == "shape" else random_counts(dtype=np.uint8)
    np.save(tmp_path / "worm_t0002.npy", other[0])
    with open_folder(tmp_path) as source, pytest.raises(RecordingError, match=r"worm_t0002\.npy"):
        source.read(1)


@pytest.mark.parametrize(
    ("value", "reason"), [(-1.0, "values from"), (0.5, "fractions"), (np.nan, "values from")]
)
def test_floating_point_files_must_hold_whole_counts(tmp_path, value, reason):
    counts = random_counts(n_volumes=1)[0].astype(np.float32)
    np.save(tmp_path / "w_t1.npy", counts)
    with open_folder(tmp_path) as source:
        np.testing.assert_array_equal(source.read(0).marker, counts[1])
        assert source.read(0).marker.dtype == np.uint16
    counts[1, 0, 0, 0] = value
    np.save(tmp_path / "w_t1.npy", counts)
    assert reason in why(tmp_path)


@pytest.mark.parametrize("example", ["targettrack_ex2", "targettrack_ex3"])
def test_the_real_moving_volumes_are_read(test_data, example):
    folder = test_data / "volumes" / example
    source = open_folder(folder, axes="CXYZ")
    expected = [np.load(folder / f"frame_{name}.npy") for name in ("gt", "tar")]
    assert source.spec.shape == (16, 160, 256)
    found = read_all(source)
    np.testing.assert_array_equal(found, np.stack(expected).transpose(0, 1, 4, 3, 2))
