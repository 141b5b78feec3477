"""Memory that is used again."""

import numpy as np
from tests.sources.recordings import random_counts, write_nd2

from napari_acll.core import SourceSettings
from napari_acll.sources import Nd2Source
from napari_acll.sources._buffer_pool import VolumeMemory

UINT16 = np.dtype(np.uint16)


def place_of(array):
    return array.ctypes.data


def test_memory_is_used_again_when_nobody_holds_it():
    memory = VolumeMemory()
    first = memory.take((3, 4), UINT16)
    second = memory.take((3, 4), UINT16)
    assert place_of(first) != place_of(second)
    place = place_of(first)
    del first
    assert place_of(memory.take((3, 4), UINT16)) == place


def test_another_shape_or_type_gets_its_own():
    memory = VolumeMemory()
    assert memory.take((3, 4), UINT16).shape == (3, 4)
    assert memory.take((5, 2), UINT16).shape == (5, 2)
    assert memory.take((5, 2), np.dtype(np.uint8)).dtype == np.uint8


def test_a_missing_slice_is_zero_where_another_volume_was_before(tmp_path):
    counts = random_counts(n_volumes=3)
    path = write_nd2(tmp_path / "worm.nd2", counts, lacks=(5,))
    with Nd2Source(path, SourceSettings()) as source:
        places = {place_of(source.read(index).marker) for index in (0, 2, 0, 2)}
        assert len(places) == 1
        volume = source.read(1)
    assert volume.missing_z == (1,)
    assert not volume.marker[1].any()
    assert not volume.activity[1].any()
    np.testing.assert_array_equal(volume.marker[2:], counts[1, 1, 2:])
