"""Networks layer by layer in blocks: the same as on the whole volume."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.label.networks import NEWEST, random_counts, small_network
from tests.label.test_voxel_labels import LargestTensor

from napari_acll.label import load_unet3d
from napari_acll.label._unet3d import NetworkVersion
from napari_acll.label._unet3d_boxes import as_slices, boxes
from napari_acll.label._unet3d_layerwise import BlockPlan, LayerwiseNetwork, can_run_in_blocks
from napari_acll.label._unet3d_maps import (
    ConvolvedMap,
    StoredMap,
    block_within,
    channel_moments,
)
from napari_acll.label._voxel_labels import label_voxels

OLDER = NetworkVersion(
    has_layer_entry=True, has_sized_deconvolution=True, has_deconvolution_bias=True
)
ODD = (9, 14, 17)
"""Divides by none of the poolings."""
CPU = torch.device("cpu")
BLOCKS = BlockPlan(most_values=40_000)
ROUNDING = 2e-5


def features_in_blocks(network, x, plan=BLOCKS):
    """All features, put together, and the number of blocks that they were read in."""
    layerwise = LayerwiseNetwork(network, plan)
    last = layerwise.features(x)
    tiles = list(boxes(last.shape, layerwise.block_of(last)))
    together = torch.full((last.n_channels, *last.shape), torch.nan)
    for box in tiles:
        together[(slice(None), *as_slices(box))] = last.read(box)
    return together, len(tiles)


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({"num_levels": 3}, NEWEST),
        ({"layer_order": "cgr"}, NEWEST),
        ({"layer_order": "cbl", "num_levels": 3}, NEWEST),
        ({"layer_order": "crg"}, NEWEST),
        ({"layer_order": "gce", "conv_kernel_size": 5, "conv_padding": 2}, NEWEST),
        ({"layer_order": "cl", "upsample": "nearest"}, NEWEST),
        ({"upsample": "deconv", "num_levels": 3}, NEWEST),
        ({"upsample": "deconv", "num_levels": 3}, OLDER),
        ({"name": "ResidualUNet3D", "num_levels": 3}, NEWEST),
        ({"name": "ResidualUNet3D", "num_levels": 3}, OLDER),
    ],
)
def test_blocks_give_the_features_of_the_whole_volume(changes, version, monkeypatch):
    boxes_read = []
    read = ConvolvedMap.read
    monkeypatch.setattr(
        ConvolvedMap, "read", lambda layer, box: boxes_read.append(box) or read(layer, box)
    )
    network = small_network(version, **changes)
    x = torch.from_numpy(random_counts(ODD).astype(np.float32))[None, None] - 100
    with torch.inference_mode():
        whole = network.features(x)[0]
        n_read = []
        for most in (10**9, 15_000):
            in_blocks, _ = features_in_blocks(network, x, BlockPlan(most_values=most))
            largest = float(whole.abs().max())
            torch.testing.assert_close(in_blocks, whole, rtol=0, atol=ROUNDING * largest)
            n_read.append(len(boxes_read))
            boxes_read.clear()
        assert n_read[1] > 2 * n_read[0]  # these were several blocks for a layer


def test_blocks_of_the_reference_checkpoint_have_no_seam():
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("ACLL_TEST_DATA is not set: no checkpoint of the reference")
    network = load_unet3d(Path(folder) / "checkpoint" / "best_checkpoint.pytorch")
    with np.load(Path(folder) / "checkpoint" / "io.npz") as arrays:
        x = torch.from_numpy(arrays["input"]).float()
        expected = arrays["softmax"][0]
    with torch.inference_mode():
        in_blocks, n_blocks = features_in_blocks(network, x, BlockPlan(most_values=400_000))
        probabilities = network.activation(network.final_conv(in_blocks), dim=0).numpy()
    assert n_blocks > 3
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_labels_in_blocks_are_those_of_the_whole_volume():
    network = small_network(num_levels=3)
    x = network.as_input(random_counts((17, 30, 41)))
    whole, in_blocks = (
        label_voxels(network, x, min_probability=0.75, plan=plan) for plan in (None, BLOCKS)
    )
    assert len(np.unique(whole.class_map)) > 3
    assert (whole.class_map != in_blocks.class_map).mean() < 1e-3
    assert whole.class_map.any()
    np.testing.assert_allclose(
        in_blocks.probability_sum, whole.probability_sum, rtol=1e-3, atol=1.5
    )


def test_blocks_normalized_by_themselves_would_not_do():
    # why layers are run in blocks, not the network: its normalization is of the whole volume
    network = small_network(num_levels=3)
    counts = random_counts((16, 32, 64))
    counts[..., 32:] //= 4  # half of the volume is dark
    x = network.as_input(counts)
    with torch.inference_mode():
        whole = network.features(x)[0]
        half = network.features(x[..., 32:])[0]
    inner = (whole[..., 48:] - half[..., 16:]).abs().max() / whole.abs().max()
    assert inner > 1000 * ROUNDING


def test_no_tensor_is_as_large_as_a_map_of_all_classes_or_a_joined_map():
    network = small_network(num_levels=3, out_channels=97)
    x = network.as_input(random_counts((16, 32, 64)))
    n_voxels = x[0, 0].numel()
    with LargestTensor() as watch:
        label_voxels(network, x, min_probability=0.75, plan=BLOCKS)
    finest_map = network.config.widths[0] * n_voxels
    assert watch.n_elements <= finest_map
    with LargestTensor() as watch:
        label_voxels(network, x, min_probability=0.75)
    assert watch.n_elements > finest_map  # it sees what a whole volume needs


def test_maps_kept_beside_the_device_give_the_same():
    network = small_network(num_levels=3)
    x = network.as_input(random_counts(ODD))
    with torch.inference_mode():
        here, _ = features_in_blocks(network, x, BLOCKS)
        beside = BlockPlan(most_values=BLOCKS.most_values, keeps_on_device=False)
        there, _ = features_in_blocks(network, x, beside)
    torch.testing.assert_close(here, there, rtol=0, atol=0)


def test_interpolation_between_voxels_is_run_whole():
    assert not can_run_in_blocks(small_network(upsample="trilinear").config)
    assert can_run_in_blocks(small_network().config)


def test_boxes_tile_a_shape_that_they_do_not_divide():
    count = np.zeros((7, 5, 3), int)
    for box in boxes((7, 5, 3), (3, 2, 3)):
        count[as_slices(box)] += 1
    assert (count == 1).all()


def test_moments_of_boxes_are_those_of_the_whole():
    values = torch.randn(3, 7, 6, 5) * 3 + torch.tensor([1e3, 0.0, -5.0])[:, None, None, None]
    mean, variance = channel_moments(StoredMap(values, CPU), (2, 4, 5))
    exact = values.double().flatten(1)
    torch.testing.assert_close(mean, exact.mean(1), rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(variance, exact.var(1, correction=0), rtol=1e-5, atol=0)


def test_a_block_holds_no_more_than_it_may_and_one_voxel_at_least():
    network = small_network(num_levels=3)
    layerwise = LayerwiseNetwork(network, BLOCKS)
    with torch.inference_mode():
        last = layerwise.features(network.as_input(random_counts(ODD)))
    for most in (10_000, 30_000, 10**6):
        assert last.working_values(block_within(last, most)) <= most
    assert block_within(last, 1) == (1, 1, 1)
