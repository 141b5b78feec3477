"""The room that a session takes, against sessions that were written."""

import numpy as np
import pytest
from tests.export.conftest import make_header

from napari_acll.core import StageTimings, TraceSample, VolumeStatus
from napari_acll.export import ZarrSessionWriter, bytes_per_volume, folder_bytes, free_bytes
from napari_acll.export._layout import DETECTION_ARRAYS, SAMPLE_ARRAYS
from napari_acll.testing import fake_labeled, fake_spec, fake_volume

N_NEURONS = 4
N_VOLUMES = 1024
"""Fills the chunks: 16 of 64 timepoints, and one of 4096 detections, four in each volume."""


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
        np.dtype(spec.dtype).itemsize * (3 if "zyx" in spec.axes else 1)
        for spec in SAMPLE_ARRAYS
        if "neuron" in spec.axes
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


def test_a_session_without_label_maps_takes_the_room_that_was_told(folder):
    writer = ZarrSessionWriter.create(folder, make_header(save_labels=False))
    timings = StageTimings(read_s=0, preprocess_s=0, wait_s=0, label_s=0, trace_s=0, total_s=0)
    labeled = fake_labeled(fake_volume(0))
    assert len(labeled.detections) == N_NEURONS
    for index in range(N_VOLUMES):
        sample = TraceSample.absent(index, 0.5 * index, N_NEURONS, VolumeStatus.TRACED)
        writer.write(sample, labeled, timings)
    writer.close(state="finished")
    told = bytes_per_volume(fake_spec().shape, n_neurons=N_NEURONS, has_labels=False)
    assert folder_bytes(folder) / N_VOLUMES == pytest.approx(told, rel=0.15)
