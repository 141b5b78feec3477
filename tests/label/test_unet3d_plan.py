"""How much memory a network needs, and how it is run with less."""

import subprocess
import sys

import pytest
import torch
from tests.label.networks import random_counts, small_network, volume_of

from napari_acll.core import ModelError, NeuronTable
from napari_acll.label import UNet3DLabeler
from napari_acll.label import _unet3d_execution as execution
from napari_acll.label._unet3d_config import read_unet3d_config
from napari_acll.label._unet3d_layerwise import BlockPlan, LayerwiseNetwork
from napari_acll.label._unet3d_plan import (
    Memory,
    fastest_plan,
    kept_values,
    plan_blocks,
    whole_values,
)

ORIGINAL = {
    "name": "UNet3D",
    "in_channels": 1,
    "out_channels": 185,
    "f_maps": 128,
    "num_levels": 4,
    "num_groups": 16,
    "final_sigmoid": False,
}
SHAPE = (64, 120, 284)
GB = 10**9


@pytest.mark.parametrize(
    "changes",
    [
        {"num_levels": 2},
        {"num_levels": 4, "f_maps": 8},
        {"layer_order": "cgr"},
        {"name": "ResidualUNet3D", "num_levels": 3},
        {"upsample": "deconv", "num_levels": 3},
    ],
)
def test_what_is_kept_between_layers_is_not_more_than_planned(changes):
    network = small_network(**changes)
    shape = (16, 24, 40)
    layerwise = LayerwiseNetwork(network, BlockPlan(most_values=200_000))
    with torch.inference_mode():
        layerwise.features(network.as_input(random_counts(shape)))
    planned = kept_values(network.config, shape)
    assert 0.5 * planned < layerwise.most_kept_values <= planned


def test_the_originals_network_needs_so_much():
    config = read_unet3d_config(ORIGINAL)
    whole, kept = (4 * values(config, SHAPE) / GB for values in (whole_values, kept_values))
    assert 15 < whole < 16
    assert 2.3 < kept < 3.5


def test_it_runs_as_a_whole_where_that_fits_in_blocks_where_it_does_not():
    network = small_network(num_levels=3, f_maps=16)
    shape = (64, 96, 96)
    whole = 4 * whole_values(network.config, shape)
    kept = 4 * kept_values(network.config, shape)
    roomy = Memory(on_device=2 * whole + GB, on_host=2 * whole + GB)
    assert plan_blocks(network, shape, memory=roomy) is None
    tight = Memory(on_device=kept + 80 * 2**20, on_host=kept + 80 * 2**20)
    plan = plan_blocks(network, shape, memory=tight)
    assert plan is not None
    assert plan.keeps_on_device
    assert 4 * plan.most_values + kept <= tight.on_device
    with pytest.raises(ModelError, match=r"even in blocks.*max_memory_gb"):
        plan_blocks(network, shape, memory=Memory(on_device=2**26, on_host=2**26))


def test_a_network_that_cannot_be_run_in_blocks_says_so():
    network = small_network(upsample="trilinear")
    with pytest.raises(ModelError, match="upsample trilinear"):
        plan_blocks(network, SHAPE, memory=Memory(on_device=2**20, on_host=2**20))


def test_the_fastest_of_the_blocks_that_fit_is_taken():
    network = small_network(num_levels=3, f_maps=16)
    largest = BlockPlan(most_values=2**24)
    plan = fastest_plan(network, (32, 48, 48), largest)
    assert plan.most_values in {2**24, 2**22, 2**20}


def test_a_volume_larger_than_the_memory_that_is_given_is_labeled_in_blocks():
    network = small_network(num_levels=3, f_maps=8)
    neurons = NeuronTable.numbered(network.config.out_channels - 1)
    volume = volume_of(random_counts((24, 64, 80)))
    free, bounded = (
        UNet3DLabeler(network, neurons, device="cpu", max_memory_gb=most) for most in (None, 0.09)
    )
    expected, labeled = (labeler.label([volume])[0] for labeler in (free, bounded))
    assert not free.notes
    assert "in blocks of at most" in bounded.notes[0]
    assert len(expected.detections) > 2
    assert (labeled.instances != expected.instances).mean() < 1e-3


def test_when_memory_runs_out_it_goes_on_in_blocks_and_says_so(monkeypatch):
    network = small_network(num_levels=3)
    neurons = NeuronTable.numbered(network.config.out_channels - 1)
    labeler = UNet3DLabeler(network, neurons, device="cpu")
    volume = volume_of(random_counts((9, 21, 30)))
    expected = labeler.label([volume])[0]
    whole = execution.label_voxels

    def hungry(*args, plan, **kwargs):
        if plan is None or plan.most_values > 2**22:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return whole(*args, plan=plan, **kwargs)

    monkeypatch.setattr(execution, "label_voxels", hungry)
    labeled = labeler.label([volume])[0]
    assert (labeled.instances != expected.instances).mean() < 1e-3
    assert all(note.startswith("Memory ran out.") for note in labeler.notes)
    n_notes = len(labeler.notes)
    labeler.label([volume])
    assert len(labeler.notes) == n_notes >= 1


def test_when_memory_runs_out_no_more_is_taken_than_was_allowed(monkeypatch):
    network = small_network(num_levels=3, f_maps=8)
    neurons = NeuronTable.numbered(network.config.out_channels - 1)
    most = 0.2
    labeler = UNet3DLabeler(network, neurons, device="cpu", max_memory_gb=most)
    whole, plans = execution.label_voxels, []

    def hungry(*args, plan, **kwargs):
        plans.append(plan)
        if plan is None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return whole(*args, plan=plan, **kwargs)

    monkeypatch.setattr(execution, "label_voxels", hungry)
    labeler.label([volume_of(random_counts((24, 64, 80)))])
    first, second = plans
    assert first is None
    assert 4 * second.most_values < most * 1e9 / 2


PEAK = """
import sys, torch
from pathlib import Path
from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_config import read_unet3d_config
from napari_acll.label._unet3d_layerwise import BlockPlan
from napari_acll.label._voxel_labels import label_voxels
torch.set_num_threads(1)
def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
config = {"name": "UNet3D", "in_channels": 1, "out_channels": 50, "f_maps": 16,
          "num_levels": 3, "num_groups": 8, "final_sigmoid": False}
network = UNet3D(read_unet3d_config(config)).eval()
plan = BlockPlan(most_values=2**21) if sys.argv[1] == "blocks" else None
label_voxels(network, torch.randn(1, 1, 8, 16, 16), min_probability=0.75, plan=plan)
before = most()
label_voxels(network, torch.randn(1, 1, 32, 96, 160), min_probability=0.75, plan=plan)
print(most() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="where the system tells the peak of memory")
def test_the_memory_of_a_process_stays_within_what_was_planned():
    config = small_network(num_levels=3, f_maps=16, num_groups=8).config
    shape = (32, 96, 160)
    took = {
        how: int(subprocess.check_output([sys.executable, "-c", PEAK, how], text=True))
        for how in ("blocks", "whole")
    }
    classes, fragments = 64 * 2**20, 64 * 2**20
    most = 4 * (kept_values(config, shape) + 2**21) + classes + fragments
    assert took["blocks"] <= most
    assert took["whole"] > 1.5 * took["blocks"]
