"""The room that a session takes, against sessions that were written."""

import numpy as np
import pytest

from napari_acll.export import bytes_per_volume, folder_bytes, free_bytes
from napari_acll.export._layout import DETECTION_ARRAYS, SAMPLE_ARRAYS


def test_a_folder_is_as_large_as_its_files(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(bytes(1000))
    (tmp_path / "inner" / "b").write_bytes(bytes(234))
    assert folder_bytes(tmp_path) == 1234
    assert folder_bytes(tmp_path / "gone") == 0


def test_what_is_free_is_asked_of_the_disk_on_which_a_folder_would_lie(tmp_path):
    assert free_bytes(tmp_path / "not" / "there" / "yet") > 0


def test_a_row_is_counted_column_by_column():
    per_neuron = sum(
        np.dtype(spec.dtype).itemsize * (3 if "zyx" in spec.axes else 1) for spec in SAMPLE_ARRAYS
    )
    more = bytes_per_volume((1, 1, 1), n_neurons=11, has_labels=False)
    less = bytes_per_volume((1, 1, 1), n_neurons=10, has_labels=False)
    per_detection = sum(spec.empty(1, 10).nbytes for spec in DETECTION_ARRAYS)
    assert more - less == per_neuron + per_detection


@pytest.mark.parametrize("n_neurons", [50, 200])
def test_label_maps_are_what_they_were_measured_to_be(n_neurons):
    """691 maps of 64 x 120 x 284 voxels took 17.75 MB."""
    shape = (64, 120, 284)
    with_labels = bytes_per_volume(shape, n_neurons=n_neurons, has_labels=True)
    without = bytes_per_volume(shape, n_neurons=n_neurons, has_labels=False)
    assert with_labels - without == pytest.approx(17.75e6 / 691, rel=0.1)
