import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.label.networks import (
    random_counts,
    save_checkpoint,
    sharpened,
    small_network,
    volume_of,
)

from napari_acll.core import LabelSettings, ModelError, NeuronTable
from napari_acll.label import UNet3DLabeler, load_unet3d
from napari_acll.label._devices import choose_device
from napari_acll.testing import LabelerContract


def small_labeler(**changes):
    network = small_network(**changes)
    neurons = NeuronTable.numbered(network.config.out_channels - 1)
    return UNet3DLabeler(network, neurons, device="cpu")


class TestSmallNetwork(LabelerContract):
    def make_labeler(self):
        return small_labeler()

    def make_volume(self, index):
        return volume_of(random_counts((9, 21, 30), index), index)


class TestReferenceCheckpoint(LabelerContract):
    def make_labeler(self):
        folder = os.environ.get("ACLL_TEST_DATA")
        if not folder:
            pytest.skip("ACLL_TEST_DATA is not set: no checkpoint of the reference")
        network = load_unet3d(Path(folder) / "checkpoint" / "best_checkpoint.pytorch")
        return UNet3DLabeler(sharpened(network), NeuronTable.numbered(12), device="cpu")

    def make_volume(self, index):
        return volume_of(random_counts((16, 24, 32), index), index)


def test_the_network_sees_the_marker_above_its_background():
    # Without a normalization in the first layer the offset matters.
    labeler = small_labeler(layer_order="cr")
    volume = volume_of(random_counts((9, 21, 30)))
    seen = []
    labeler._network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    labeler._network.encoders[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    labeler.label([volume])
    expected = volume.marker.astype(np.float32) - np.median(volume.marker)
    np.testing.assert_array_equal(seen[0][0, 0].numpy(), expected)


def test_a_constant_volume_is_not_labelable():
    volume = volume_of(np.full((9, 21, 30), 120, np.uint16))
    answer = small_labeler().label([volume])[0]
    assert not answer.is_labelable
    assert "empty" in answer.why_not


def test_the_dtype_of_the_counts_does_not_matter():
    volume = volume_of((random_counts((9, 21, 30)) // 8).astype(np.uint16))
    wide, narrow = small_labeler().label(
        [volume, replace(volume, marker=volume.marker.astype(np.uint8))]
    )
    assert len(wide.detections) > 0
    np.testing.assert_array_equal(wide.instances, narrow.instances)


def test_a_volume_too_small_for_the_network_is_refused_before_the_recording_starts():
    with pytest.raises(ModelError, match=r"at least 8 x 8 x 8 .* has 4 x 21 x 30"):
        small_labeler(num_levels=4).warm_up(volume_of(random_counts((4, 21, 30))).spec, 1)


def test_memory_that_does_not_suffice_is_told_before_the_recording_starts(monkeypatch):
    labeler = small_labeler()

    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 GiB.\nMore")

    monkeypatch.setattr(labeler, "_label_voxels", fail)
    with pytest.raises(ModelError, match="CUDA out of memory") as caught:
        labeler.warm_up(volume_of(random_counts((9, 21, 30))).spec, 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_channels": 2}, "takes 2 channels"),
        ({"out_channels": 1}, "one class"),
        ({"is_segmentation": False}, "predicts values"),
    ],
)
def test_a_network_that_cannot_label_a_live_recording_is_refused(changes, message):
    with pytest.raises(ModelError, match=message):
        small_labeler(**changes)


def test_names_must_be_as_many_as_classes():
    with pytest.raises(ModelError, match="has 3 names, the network has 6 classes"):
        UNet3DLabeler(small_network(), NeuronTable.numbered(3), device="cpu")


def test_settings_lead_to_the_named_and_described_network(tmp_path):
    checkpoint = save_checkpoint(tmp_path, small_network())
    (tmp_path / "names.txt").write_text("AVAL\nAVAR\nRIML\nRIMR\nAIBL\nAIBR")
    settings = LabelSettings(model=str(checkpoint), device="cpu", min_probability=0.6)
    labeler = UNet3DLabeler.from_settings(settings)
    described = labeler.describe()
    assert labeler.neurons.name(1) == "AVAL"
    assert described["min_probability"] == 0.6
    assert described["kind"] == "unet3d"
    assert len(str(described["sha256"])) == 64
    assert described["architecture"]["f_maps"] == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_told_with_the_way_out(device):
    with pytest.raises(ModelError, match="--device cpu"):
        choose_device(device)
    assert choose_device("auto") == torch.device("cpu")


def test_a_gpu_number_beyond_the_last_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == torch.device("cuda:0")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ModelError, match="cuda:0 to cuda:1"):
        choose_device("cuda:2")


@pytest.mark.gpu
def test_a_gpu_gives_the_labels_of_the_cpu():
    volume = volume_of(random_counts((9, 21, 30)))
    cpu = small_labeler().label([volume])[0]
    network = small_network()
    gpu = UNet3DLabeler(network, NeuronTable.numbered(6), device="cuda:0").label([volume])[0]
    assert (cpu.instances == gpu.instances).mean() > 0.999
