import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.label.networks import random_counts, sharpened, small_network
from torch.utils._python_dispatch import TorchDispatchMode

from napari_acll.label import _voxel_labels, load_unet3d
from napari_acll.label._voxel_labels import VoxelLabels, find_detections, label_voxels


def rule_of_the_original(probabilities, min_probability):
    """Mask, 3 x 3 x 3 box blur, maximum: as the original does it, background by default."""
    mask = probabilities > min_probability
    blurred = ndimage.uniform_filter(probabilities.astype(float), (0, 3, 3, 3), mode="constant")
    masked = blurred * mask
    return np.where(masked.max(0) > 0, masked.argmax(0), 0)


class LargestTensor(TorchDispatchMode):
    """Watches every result of every operation."""

    n_elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.n_elements = max(self.n_elements, tensor.numel())
        return result


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_voxel_labels, "_BLOCK_BYTES_CPU", 4 * 7 * 97)


@pytest.mark.parametrize("min_probability", [0.5, 0.75, 0.99])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.usefixtures("small_blocks")
def test_labels_are_those_of_the_original_rule_with_its_blur(min_probability, seed):
    network = small_network()
    volume = random_counts((9, 21, 30), seed)
    found = label_voxels(network, network.as_input(volume), min_probability=min_probability)
    expected = rule_of_the_original(network.probabilities(volume), min_probability)
    assert len(np.unique(expected)) > 3
    assert (expected == 0).mean() > 0.02
    np.testing.assert_array_equal(found.class_map, expected)


def test_labels_of_the_reference_checkpoint_are_those_of_the_rule():
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("ACLL_TEST_DATA is not set: no checkpoint of the reference")
    network = sharpened(load_unet3d(Path(folder) / "checkpoint" / "best_checkpoint.pytorch"))
    with np.load(Path(folder) / "checkpoint" / "io.npz") as arrays:
        volume = arrays["input"][0, 0]
    found = label_voxels(network, network.as_input(volume), min_probability=0.75)
    expected = rule_of_the_original(network.probabilities(volume), 0.75)
    assert len(np.unique(expected)) > 3
    np.testing.assert_array_equal(found.class_map, expected)


def test_with_a_sigmoid_the_most_probable_class_is_taken():
    network = small_network(final_sigmoid=True)
    volume = random_counts((9, 21, 30))
    found = label_voxels(network, network.as_input(volume), min_probability=0.75)
    probabilities = network.probabilities(volume)
    certain = probabilities.max(0) < 1  # where several are exactly 1, the order decides
    expected = np.where(probabilities.max(0) > 0.75, probabilities.argmax(0), 0)
    assert certain.mean() > 0.1
    np.testing.assert_array_equal(found.class_map[certain], expected[certain])


@pytest.mark.usefixtures("small_blocks")
def test_probabilities_and_centroids_are_means_over_the_voxels_of_a_class():
    network = small_network()
    volume = random_counts((9, 21, 30))
    labels = label_voxels(network, network.as_input(volume), min_probability=0.75)
    instances, found = find_detections(labels)
    probabilities = network.probabilities(volume)
    assert len(found) >= 3
    for row, neuron in enumerate(found.neuron):
        inside = labels.class_map == neuron
        mean = probabilities[:, inside].mean(1)
        np.testing.assert_array_equal(instances == row + 1, inside)
        assert found.n_voxels[row] == inside.sum()
        np.testing.assert_allclose(found.centroid_px[row], np.argwhere(inside).mean(0), rtol=1e-5)
        np.testing.assert_allclose(found.probability[row], mean[neuron], rtol=1e-4)
        np.testing.assert_array_equal(found.candidate_neuron[row], np.argsort(-mean)[:5])
        np.testing.assert_allclose(
            found.candidate_probability[row], np.sort(mean)[::-1][:5], rtol=1e-3, atol=1e-6
        )


def test_fewer_than_five_classes_are_filled_up():
    network = small_network(out_channels=3)
    volume = random_counts((5, 8, 9))
    _, found = find_detections(
        label_voxels(network, network.as_input(volume), min_probability=0.5)
    )
    assert len(found) > 0
    assert (found.candidate_neuron[:, 3:] == -1).all()
    assert np.isnan(found.candidate_probability[:, 3:]).all()
    assert (found.candidate_neuron[:, :3] >= 0).all()


def test_nothing_found_is_no_detection():
    shape = (2, 3, 4)
    labels = VoxelLabels(class_map=np.zeros(shape, np.uint16), probability_sum=np.zeros((7, 7)))
    instances, found = find_detections(labels)
    assert len(found) == 0
    assert found.centroid_px.shape == (0, 3)
    assert instances.shape == shape


def test_no_tensor_is_as_large_as_the_class_map(monkeypatch):
    monkeypatch.setattr(_voxel_labels, "_BLOCK_BYTES_CPU", 4 * 101 * 500)
    network = small_network(out_channels=101)
    volume = random_counts((9, 21, 30))
    x = network.as_input(volume)
    with LargestTensor() as fused:
        label_voxels(network, x, min_probability=0.75)
    with LargestTensor() as dense:
        network.probabilities(volume)
    assert dense.n_elements == 101 * volume.size
    assert fused.n_elements <= 16 * volume.size  # features of the network itself
