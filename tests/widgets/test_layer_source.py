"""Two layers are read as the counts that they hold."""

import dask
import dask.array
import numpy as np
import pytest
from napari.layers import Image

from napari_acll.core import RandomAccessSource, RecordingError
from napari_acll.widgets._layer_source import LayerPairSource

SHAPE = (2, 3, 8, 9)
SCALE = (0.6, 1.5, 0.4, 0.5)


def layer(data, name, **options):
    options = {"scale": SCALE[-data.ndim :], **options}
    return Image(data, name=name, **options)


def numbers(dtype=np.uint16, shape=SHAPE):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def test_four_axes_are_volumes_in_um():
    source = LayerPairSource(layer(numbers(), "a"), layer(numbers() + 1, "b"))
    assert isinstance(source, RandomAccessSource)
    assert source.spec.shape == SHAPE[1:]
    assert source.spec.voxel_size_um == SCALE[1:]
    assert (source.spec.marker_name, source.spec.activity_name) == ("a", "b")
    second = list(source)[1]
    assert second.index == 1
    assert np.array_equal(second.marker, numbers()[1])
    assert np.array_equal(second.activity, numbers()[1] + 1)
    with pytest.raises(IndexError):
        source.read(2)


def test_three_axes_are_one_volume():
    source = LayerPairSource(layer(numbers()[0], "a"), layer(numbers()[1], "b"))
    assert list(source.indices) == [0]
    assert np.array_equal(source.read(0).activity, numbers()[1])


def test_lazy_layers_are_read_when_they_are_asked_for():
    lazy = dask.array.from_array(numbers(), chunks=(1, *SHAPE[1:]))
    with dask.config.set(scheduler="synchronous"):  # dask would keep its threads
        source = LayerPairSource(layer(lazy, "a"), layer(lazy + 1, "b"))
        assert np.array_equal(source.read(1).marker, numbers()[1])


@pytest.mark.parametrize(
    ("dtype", "wanted"), [(np.uint8, np.uint8), (np.int16, np.uint16), (np.int64, np.uint16)]
)
def test_whole_numbers_of_other_types_become_counts(dtype, wanted):
    data = numbers(dtype) % 100
    source = LayerPairSource(layer(data, "a"), layer(data, "b"))
    assert source.read(0).marker.dtype == wanted
    assert np.array_equal(source.read(0).marker, data[0])


def test_large_whole_numbers_need_more_bits_and_too_large_ones_are_refused():
    data = numbers(np.int64)
    data[0, 0, 0, 0] = 70_000
    data[1, 0, 0, 0] = 2**33
    source = LayerPairSource(layer(data, "a"), layer(data, "b"))
    assert source.read(0).marker.dtype == np.uint32
    with pytest.raises(RecordingError, match="too large"):
        source.read(1)


def test_a_picture_in_color_is_refused():
    color = Image(np.zeros((3, 8, 9, 3), np.uint8), rgb=True, name="a", scale=SCALE[1:])
    with pytest.raises(RecordingError, match="in color"):
        LayerPairSource(color, layer(numbers(), "b"))
