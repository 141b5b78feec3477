import dask
import numpy as np
import pytest

from napari_acll.core import RecordingError
from napari_acll.widgets import get_nd2_reader, open_simulated_worm


@pytest.fixture(autouse=True)
def _no_thread_pool():
    """Dask keeps its threads for the next computation; here none would come."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.mark.parametrize("path", ["worm.tif", ["a.nd2", "b.nd2"], "folder"])
def test_only_one_nd2_file_is_ours(path):
    assert get_nd2_reader(path) is None


@pytest.mark.parametrize("name", ["worm.nd2", "WORM.ND2"])
def test_an_nd2_file_of_any_case_is_ours(name):
    assert get_nd2_reader(name) is not None


def test_a_real_recording_opens_as_two_lazy_layers(test_data):
    import nd2

    path = test_data / "nd2" / "pims_nd2__cluster.nd2"
    with nd2.ND2File(path) as file:
        sizes, voxel = dict(file.sizes), file.voxel_size()
        counts = file.asarray()  # T Z C Y X
    layers = get_nd2_reader(str(path))(str(path))
    assert [kind for *_, kind in layers] == ["image", "image"]
    for data, attributes, _ in layers:
        assert data.shape == tuple(sizes[axis] for axis in "TZYX")
        assert np.allclose(attributes["scale"][1:], (voxel.z, voxel.y, voxel.x))
        assert attributes["contrast_limits"][0] < attributes["contrast_limits"][1]
    in_file = {channel: counts[2, :, channel] for channel in range(sizes["C"])}
    shown = [np.asarray(data[2]) for data, *_ in layers]
    assert any(np.array_equal(shown[0], volume) for volume in in_file.values())
    assert any(np.array_equal(shown[1], volume) for volume in in_file.values())
    assert not np.array_equal(*shown)


@pytest.mark.parametrize("name", ["ndevio__ND2_dims_rgb.nd2", "arcadia__example-zstack.nd2"])
def test_a_recording_that_is_not_two_channel_says_so(test_data, name):
    path = str(test_data / "nd2" / name)
    with pytest.raises(RecordingError) as caught:
        get_nd2_reader(path)(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_nd2_says_so(tmp_path):
    path = tmp_path / "bad.nd2"
    path.write_bytes(b"this is not a recording" * 100)
    with pytest.raises(RecordingError, match="bad"):
        get_nd2_reader(str(path))(str(path))


def test_a_recording_opens_in_the_viewer(make_napari_viewer_proxy, test_data):
    from napari.layers import Layer

    viewer = make_napari_viewer_proxy()
    path = str(test_data / "nd2" / "pims_nd2__cluster.nd2")
    for data in get_nd2_reader(path)(path):
        viewer.add_layer(Layer.create(*data))
    assert len(viewer.layers) == 2
    assert viewer.dims.ndim == 4


def test_the_sample_is_ten_volumes_that_need_no_file():
    layers = open_simulated_worm()
    assert [data.shape[0] for data, *_ in layers] == [10, 10]
    assert np.asarray(layers[0][0][3]).max() > 0
