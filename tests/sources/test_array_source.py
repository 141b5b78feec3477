import numpy as np
import pytest
import zarr
from tests.sources.recordings import random_counts

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources import ArraySource

NGFF_AXES = [
    {"name": "t", "type": "time", "unit": "millisecond"},
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]


def open_array(path, **settings):
    return ArraySource.from_recording(str(path), SourceSettings(**settings))


def read_all(source):
    """Return counts (T, C, Z, Y, X), activity first."""
    with source:
        return np.stack([np.stack((volume.activity, volume.marker)) for volume in source])


def why(path, **settings):
    with pytest.raises(RecordingError) as caught:
        open_array(path, **settings)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    return str(caught.value)


def write_ome_zarr(path, counts, version):
    zarr_format = 2 if version == "0.4" else 3
    image = {
        "axes": NGFF_AXES,
        "datasets": [
            {
                "path": "full",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0, 1.0, 0.27, 0.18, 0.18]}
                ],
            }
        ],
        "coordinateTransformations": [{"type": "scale", "scale": [600.0, 1.0, 2.0, 1.0, 1.0]}],
    }
    described = {
        "multiscales": [image],
        "omero": {"channels": [{"label": "mNeptune"}, {"label": "GCaMP7f"}]},
    }
    attributes = described if version == "0.4" else {"ome": {"version": version, **described}}
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format, attributes=attributes)
    group.create_array("full", data=counts, chunks=(1, 1, *counts.shape[2:]))


@pytest.mark.parametrize("order", ["TCZYX", "XYZCT", "CTZXY", "ZYXTC"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_voxel_is_read_in_any_order_of_axes(tmp_path, order, dtype):
    counts = random_counts(dtype=dtype)
    np.save(tmp_path / "a.npy", counts.transpose(["TCZYX".index(axis) for axis in order]))
    source = open_array(tmp_path / "a.npy", axes=order)
    np.testing.assert_array_equal(read_all(source), counts)


def test_an_array_in_fortran_order_is_read(tmp_path):
    counts = random_counts()
    np.save(tmp_path / "a.npy", np.asfortranarray(counts))
    np.testing.assert_array_equal(read_all(open_array(tmp_path / "a.npy")), counts)


def test_without_a_time_axis_there_is_one_volume():
    counts = random_counts(n_volumes=1)
    source = ArraySource.from_array(counts[0], axes="CZYX")
    assert source.indices == (0,)
    np.testing.assert_array_equal(read_all(source), counts)


def test_an_order_that_nobody_gave_is_announced():
    with ArraySource.from_array(random_counts()) as source:
        assert any("TCZYX is assumed" in note for note in source.notes)
    with ArraySource.from_array(random_counts(), axes="TCZYX") as source:
        assert not any("is assumed" in note and "order" in note for note in source.notes)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_zarr_tells_axes_sizes_period_and_channels(tmp_path, version):
    counts = random_counts()
    write_ome_zarr(tmp_path / "a.zarr", counts, version)
    source = open_array(tmp_path / "a.zarr")
    assert source.spec.voxel_size_um == pytest.approx((0.54, 0.18, 0.18))
    assert source.spec.period_s == pytest.approx(0.6)
    assert (source.spec.marker_name, source.spec.activity_name) == ("mNeptune", "GCaMP7f")
    assert source.read(2).timestamp_s == pytest.approx(1.2)
    np.testing.assert_array_equal(read_all(source), counts[:, ::-1])


def test_a_plain_zarr_array_is_read_by_its_dimension_names(tmp_path):
    counts = random_counts()
    zarr.create_array(
        str(tmp_path / "a"),
        data=np.ascontiguousarray(counts.swapaxes(1, 2)),
        dimension_names=("time", "z", "channel", "y", "x"),
    )
    np.testing.assert_array_equal(read_all(open_array(tmp_path / "a")), counts)


def test_opening_reads_no_volume(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", random_counts())
    from napari_acll.sources import _array_files

    monkeypatch.setattr(
        _array_files.NpyArray, "__getitem__", lambda *_: pytest.fail("a volume was read")
    )
    open_array(tmp_path / "a.npy").close()


def test_only_the_volume_asked_for_is_read():
    asked = []

    class Spy:
        shape, dtype = (9, 2, 4, 6, 7), np.dtype(np.uint16)

        def __getitem__(self, key):
            asked.append(key)
            return np.zeros((4, 6, 7), np.uint16)

    with ArraySource.from_array(Spy(), axes="TCZYX") as source:
        source.read(7)
    assert [key[:2] for key in asked] == [(7, 1), (7, 0)]


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32, ">u2"])
def test_whole_counts_of_other_types_become_uint16(dtype):
    counts = random_counts() // 4
    source = ArraySource.from_array(counts.astype(dtype), axes="TCZYX")
    volume = source.read(1)
    assert volume.marker.dtype == np.uint16
    np.testing.assert_array_equal(volume.marker, counts[1, 1])


@pytest.mark.parametrize("value", [-1, 65536])
def test_values_that_are_no_counts_are_refused(value):
    counts = random_counts().astype(np.int32)
    counts[2, 1, 0, 0, 0] = value
    with ArraySource.from_array(counts, axes="TCZYX") as source:
        source.read(1)
        with pytest.raises(RecordingError, match=f"Volume 2 of .*{value}"):
            source.read(2)


def test_a_type_that_can_never_be_counts_is_refused():
    with pytest.raises(RecordingError, match="complex"):
        ArraySource.from_array(random_counts().astype(complex), axes="TCZYX")


def test_a_missing_file(tmp_path):
    assert "Cannot read" in why(tmp_path / "a.npy")


@pytest.mark.parametrize("kept", [0, 5, 90, 400])
def test_a_truncated_file(tmp_path, kept):
    np.save(tmp_path / "a.npy", random_counts())
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(kept)
    assert "truncated" in why(tmp_path / "a.npy")


def test_a_file_of_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object))
    assert "not a NumPy array" in why(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("shape", "axes", "reason"),
    [
        ((4, 6, 7), None, "one channel only"),
        ((85, 3), None, "not a series of volumes"),
        ((3, 1, 4, 6, 7), None, "1 channel"),
        ((3, 2, 1, 6, 7), None, "single slice"),
        ((0, 2, 4, 6, 7), None, "no volumes"),
        ((30, 4, 6, 7), None, "30 channels in the order CZYX"),
        ((3, 2, 4, 6, 7), "CZYX", "does not name one by one"),
        ((3, 4, 6, 7), "TZYX", "volumes need C, Z, Y and X"),
        ((3, 4, 4, 6, 7), None, "4 channels"),
    ],
)
def test_arrays_that_are_no_two_channel_volumes(tmp_path, shape, axes, reason):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint16))
    assert reason in why(tmp_path / "a.npy", axes=axes)


def test_a_zarr_group_without_an_image(tmp_path):
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    assert "without an OME-Zarr image" in why(tmp_path / "a.zarr")


def test_a_zarr_folder_with_damaged_metadata(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", random_counts(), "0.5")
    (tmp_path / "a.zarr" / "zarr.json").write_text("{")
    assert "cannot be read as a Zarr array" in why(tmp_path / "a.zarr")


def test_a_damaged_zarr_chunk_is_named(tmp_path):
    write_ome_zarr(tmp_path / "a.zarr", random_counts(), "0.5")
    chunk = tmp_path / "a.zarr" / "full" / "c" / "1" / "0" / "0" / "0" / "0"
    chunk.write_bytes(b"damaged")
    with open_array(tmp_path / "a.zarr") as source:
        source.read(0)
        with pytest.raises(RecordingError, match="Volume 1 of"):
            source.read(1)


def test_a_real_volume_with_axes_in_the_order_of_its_makers(test_data):
    path = test_data / "volumes" / "targettrack_ex2" / "frame_gt.npy"
    with open_array(path, axes="CXYZ") as source:
        volume = source.read(0)
    stored = np.load(path)
    np.testing.assert_array_equal(volume.activity, stored[0].T)
    np.testing.assert_array_equal(volume.marker, stored[1].T)


def test_a_real_label_map_is_no_recording(test_data):
    path = test_data / "volumes" / "targettrack_ex1" / "mask_gt.npy"
    assert "one channel only" in why(path)
