"""What is written is read back by other libraries, or by the sources."""

import nd2
import numpy as np
import pytest
import zarr
from tests.sources import recordings
from tests.sources.recordings import PERIOD_S, random_counts

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.simulate import write_array, write_nd2, write_nd2_folder
from napari_acll.sources import ArraySource, Nd2Source, open_source


def recording(n_volumes=3):
    return ArraySource.from_array(
        random_counts(n_volumes),
        axes="TCZYX",
        period_s=PERIOD_S,
        voxel_size_um=(0.54, 0.18, 0.18),
    )


def recording_with_losses(folder):
    path = folder / "with losses.nd2"
    if not path.exists():
        recordings.write_nd2(path, random_counts(4), lacks=(2, 4, 5, 6, 7))
    return Nd2Source.from_recording(str(path), SourceSettings())


def assert_same_volumes(found, expected):
    with found, expected:
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.index == theirs.index
            assert ours.missing_z == theirs.missing_z
            np.testing.assert_array_equal(ours.marker, theirs.marker)
            np.testing.assert_array_equal(ours.activity, theirs.activity)
            np.testing.assert_allclose(ours.slice_times_s, theirs.slice_times_s)


def test_an_nd2_file_holds_the_volumes(tmp_path):
    path = write_nd2(recording(), tmp_path / "a.nd2", 3)
    with nd2.ND2File(path) as file:
        assert dict(file.sizes) == {"T": 3, "Z": 4, "C": 2, "Y": 6, "X": 7}
        assert [entry.channel.name for entry in file.metadata.channels] == ["GCaMP", "TagRFP"]
        np.testing.assert_array_equal(file.asarray().swapaxes(1, 2), random_counts())
    assert_same_volumes(open_source(str(path), SourceSettings()), recording())


def test_a_folder_and_a_file_of_one_recording_are_the_same(tmp_path):
    path = write_nd2(recording(), tmp_path / "a.nd2", 3)
    folder = write_nd2_folder(recording(), tmp_path / "worm", 3)
    assert sorted(file.name for file in folder.iterdir()) == [
        "worm_t0001.nd2",
        "worm_t0002.nd2",
        "worm_t0003.nd2",
    ]
    with (
        open_source(str(path), SourceSettings()) as of_file,
        open_source(str(folder), SourceSettings()) as of_folder,
    ):
        assert of_folder.spec.grid == of_file.spec.grid
        for one, other in zip(of_file, of_folder, strict=True):
            np.testing.assert_array_equal(one.marker, other.marker)
            np.testing.assert_array_equal(one.activity, other.activity)
            assert one.slice_times_s.tolist() == other.slice_times_s.tolist()


@pytest.mark.parametrize("name", ["a.npy", "a.ome.zarr"])
def test_an_array_holds_the_volumes(tmp_path, name):
    path = write_array(recording(), tmp_path / name, 3)
    values = np.load(path) if name == "a.npy" else zarr.open_group(str(path), mode="r")["0"][:]
    np.testing.assert_array_equal(values, random_counts())
    settings = SourceSettings(axes="TCZYX", period_s=PERIOD_S)
    assert_same_volumes(open_source(str(path), settings), recording())


def test_an_ome_zarr_keeps_sizes_and_times(tmp_path):
    original = recordings.write_nd2(tmp_path / "a.nd2", random_counts())
    expected = Nd2Source.from_recording(str(original), SourceSettings())
    write_array(expected, tmp_path / "a.ome.zarr", 3)
    found = ArraySource.from_recording(str(tmp_path / "a.ome.zarr"), SourceSettings())
    assert found.spec.voxel_size_um == pytest.approx(expected.spec.voxel_size_um)
    assert found.spec.period_s == pytest.approx(PERIOD_S)
    assert_same_volumes(found, expected)


def test_lost_volumes_and_slices_stay_lost(tmp_path):
    with recording_with_losses(tmp_path) as source:
        path = write_nd2(source, tmp_path / "a.nd2", 4)
        folder = write_nd2_folder(source, tmp_path / "worm", 4)
    for written in (path, folder):
        found = open_source(str(written), SourceSettings())
        assert list(found.indices) == [0, 2, 3]
        assert_same_volumes(found, recording_with_losses(tmp_path))


def test_only_the_volumes_asked_for_are_written_and_reported(tmp_path):
    reported = []
    path = write_nd2(recording(5), tmp_path / "a.nd2", 2, progress=reported.append)
    assert reported == [1, 2]
    with open_source(str(path), SourceSettings()) as source:
        assert list(source.indices) == [0, 1]


def test_fewer_volumes_than_asked_for_are_all_there_are(tmp_path):
    for path in (
        write_nd2(recording(), tmp_path / "a.nd2", 99),
        write_array(recording(), tmp_path / "a.npy", 99),
    ):
        with open_source(str(path), SourceSettings(axes="TCZYX")) as source:
            assert list(source.indices) == [0, 1, 2]


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_nd2, "a.nd2"), (write_nd2_folder, "a"), (write_array, "a.npy"), (write_array, "a")],
)
def test_nothing_is_overwritten(tmp_path, write, name):
    write(recording(), tmp_path / name, 1)
    with pytest.raises(RecordingError, match="exists already"):
        write(recording(), tmp_path / name, 3)
    with open_source(str(tmp_path / name), SourceSettings(axes="TCZYX")) as source:
        assert list(source.indices) == [0]


def test_an_array_cannot_express_a_lost_volume(tmp_path):
    with (
        recording_with_losses(tmp_path) as source,
        pytest.raises(RecordingError, match="Volume 1 is missing"),
    ):
        write_array(source, tmp_path / "a.npy", 4)


def test_a_folder_that_does_not_exist_is_a_clear_error(tmp_path):
    for write in (write_nd2, write_array):
        with pytest.raises(RecordingError, match="Cannot"):
            write(recording(), tmp_path / "none" / "a.npy", 1)
