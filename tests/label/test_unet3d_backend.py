"""In which numbers a network that classifies voxels computes."""

import numpy as np
import pytest
import torch
from tests.label.networks import random_counts, save_checkpoint, small_network, volume_of

from napari_acll.core import Backend, LabelSettings, NeuronTable
from napari_acll.label import UNet3DLabeler, load_labeler
from napari_acll.label import _backend_choice as choices
from napari_acll.label import _unet3d_backend as backends
from napari_acll.label._backend_choice import BackendChoice
from napari_acll.label._unet3d_backend import (
    in_precision,
    measure_unet3d_backends,
    share_of_same_voxels,
)
from napari_acll.label._unet3d_layerwise import BlockPlan
from napari_acll.label._voxel_labels import label_voxels

CPU = torch.device("cpu")


def answer(probability, classes):
    return torch.tensor(probability).reshape(1, 1, -1), torch.tensor(classes).reshape(1, 1, -1)


def test_a_trial_says_what_it_found():
    choice = measure_unet3d_backends(small_network(), CPU, min_probability=0.75)
    assert choice.backend in (Backend.TORCH, Backend.TORCH_BF16)
    assert "torch-bf16" in choice.why


def test_bfloat16_labels_as_single_precision_does():
    network = small_network(num_levels=3)
    neurons = NeuronTable.numbered(network.config.out_channels - 1)
    volume = volume_of(random_counts((16, 32, 40)))
    rounded = BackendChoice(Backend.TORCH_BF16, "as asked")
    exact, other = (
        UNet3DLabeler(network, neurons, device="cpu", backend=backend).label([volume])[0]
        for backend in (None, rounded)
    )
    assert exact.instances.any()
    assert (exact.instances == other.instances).mean() > 0.97


def test_half_precision_leaves_the_network_that_it_came_from_alone():
    network = small_network()
    half = in_precision(network, torch.float16)
    assert next(network.encoders.parameters()).dtype is torch.float32
    assert next(half.encoders.parameters()).dtype is torch.float16
    assert half.final_conv.weight.dtype is torch.float32
    assert in_precision(network, torch.float32) is network


@pytest.mark.parametrize("plan", [None, BlockPlan(most_values=2**16)])
def test_counts_beyond_half_precision_leave_the_labels_of_the_others(plan):
    network = small_network(num_levels=3)
    counts = random_counts((16, 32, 40)).astype(np.float32)
    counts[3, 4, 5] = 2e5
    exact, half = (
        label_voxels(of, of.as_input(counts), min_probability=0.4, plan=plan).class_map
        for of in (network, in_precision(network, torch.float16))
    )
    assert exact.any()
    assert (exact == half).mean() > 0.9
    assert half.any()


def test_in_blocks_bfloat16_labels_as_it_does_on_the_whole():
    network = small_network(num_levels=3)
    neurons = NeuronTable.numbered(network.config.out_channels - 1)
    volume = volume_of(random_counts((24, 64, 80)))
    rounded = BackendChoice(Backend.TORCH_BF16, "as asked")
    whole, blocks = (
        UNet3DLabeler(network, neurons, device="cpu", backend=rounded, max_memory_gb=most)
        for most in (None, 0.076)
    )
    first, second = (labeler.label([volume])[0].instances for labeler in (whole, blocks))
    assert blocks.notes
    assert (first == second).mean() > 0.97


def test_agreement_is_counted_where_either_gives_a_class():
    n = 1000
    sure, some = np.full(n, 0.9), np.arange(n) % 4 + 1
    assert share_of_same_voxels(answer(sure, some), answer(sure, some), 0.75) == 1.0
    changed = np.where(np.arange(n) < 100, 0, some)
    assert abs(share_of_same_voxels(answer(sure, some), answer(sure, changed), 0.75) - 0.9) < 1e-6
    unsure = np.full(n, 0.3)
    assert share_of_same_voxels(answer(unsure, some), answer(unsure + 0.01, changed), 0.75) == 1.0
    assert share_of_same_voxels(answer(unsure, some), answer(sure * np.nan, some), 0.75) == 0.0


def test_the_choice_is_made_once_for_a_checkpoint_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr(choices, "_chosen", {})
    path = save_checkpoint(tmp_path, small_network())
    taken = BackendChoice(Backend.TORCH_BF16, "it was faster.")
    monkeypatch.setattr(backends, "measure_unet3d_backends", lambda *_, **__: taken)
    described = load_labeler(LabelSettings(model=str(path), device="cpu")).describe()
    assert (described["backend"], described["why_backend"]) == ("torch-bf16", "it was faster.")
    (key,) = choices._chosen
    assert str(described["sha256"]) in key
    assert key.endswith("16 x 32 x 32 voxels")


def test_a_graph_is_declined_with_a_word():
    network = small_network()
    neurons = NeuronTable.numbered(network.config.out_channels - 1)
    graph = BackendChoice(Backend.TORCH_GRAPH, "as asked")
    labeler = UNet3DLabeler(network, neurons, device="cpu", backend=graph)
    assert "not recorded as a CUDA graph" in labeler.notes[0]
