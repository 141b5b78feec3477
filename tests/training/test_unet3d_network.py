import numpy as np
import pytest
import torch

from napari_acll.core import ModelError, NeuronTable
from napari_acll.label import load_unet3d
from napari_acll.training import AugmentationSettings, UNet3DTrainSettings
from napari_acll.training._unet3d_augmentation import VoxelBatch, _matrix, augment
from napari_acll.training._unet3d_network import VoxelClassifier, new_network, start_from
from napari_acll.training._unet3d_samples import VoxelSample
from napari_acll.training._unet3d_state import save_unet3d
from napari_acll.training._unet3d_validation import validate

NEURONS = NeuronTable(("AVAL", "AVAR", "RIBL"))
SMALL = UNet3DTrainSettings(kind="unet3d", f_maps=4, num_levels=3, num_groups=2)
STILL = AugmentationSettings(
    lies_on_other_side=0, turn=0, tilt=0, shift=0, scale=0, shear=0, bend=0, contrast=0, blur=0,
    noise=0,
)  # fmt: skip


def batch(shape=(8, 12, 20), seed=0) -> VoxelBatch:
    """Three bright boxes of which each is a neuron."""
    rng = np.random.default_rng(seed)
    target = np.zeros(shape, np.int16)
    for number in (1, 2, 3):
        corner = [int(rng.integers(1, n // 2)) for n in shape[:2]] + [number * 5 - 2]
        target[tuple(slice(a, a + 3) for a in corner)] = number
    image = (rng.normal(0, 5, shape) + 60 * target).astype(np.float32)
    sample = VoxelSample(
        image=image,
        target=target,
        weight=np.where(target > 0, 20.0, 1.0).astype(np.float32),
        used=np.ones(4, np.bool_),
    )
    return VoxelBatch.of(sample, torch.device("cpu"))


def gradients(classifier, data):
    classifier.zero_grad()
    classifier.train()
    classifier(data.image, data.target, data.weight, data.used).backward()
    return [parameter.grad.clone() for parameter in classifier.parameters()]


def test_the_features_are_those_of_the_network_that_labels():
    network = new_network(SMALL, NEURONS).eval()
    classifier = VoxelClassifier(network, is_mixed=False, is_memory_spared=False)
    x = torch.randn(1, 1, 9, 14, 21)
    torch.testing.assert_close(classifier.features(x), network.features(x))


def test_sparing_memory_does_not_change_the_gradient():
    network = new_network(SMALL, NEURONS)
    plain = gradients(VoxelClassifier(network, is_mixed=False, is_memory_spared=False), batch())
    spared = gradients(VoxelClassifier(network, is_mixed=False, is_memory_spared=True), batch())
    for mine, its in zip(spared, plain, strict=True):
        torch.testing.assert_close(mine, its)


def test_small_levels_stay_in_single_precision_on_a_cpu():
    network = new_network(SMALL, NEURONS)
    kinds = {}
    for level, encoder in enumerate(network.encoders):
        conv = encoder.basic_module.SingleConv2.conv
        conv.register_forward_hook(
            lambda _, __, out, level=level: kinds.update({level: out.dtype})
        )
    classifier = VoxelClassifier(network, is_mixed=True, is_memory_spared=False)
    made = gradients(classifier, batch((16, 16, 16)))  # 4096, 512 and 64 voxels
    assert kinds == {0: torch.bfloat16, 1: torch.bfloat16, 2: torch.float32}
    assert all(torch.isfinite(gradient).all() for gradient in made)


def test_a_new_network_starts_from_another_class_by_class():
    start, other = new_network(SMALL, NEURONS), NeuronTable(("RIBL", "ASEL", "AVAL"))
    network = new_network(SMALL.model_copy(update={"seed": 9}), other)
    own = network.final_conv.weight.detach().clone()
    start_from(network, start, NEURONS, other)
    given = start.final_conv.weight
    assert torch.equal(network.final_conv.weight[[0, 1, 3]], given[[0, 3, 1]])
    assert torch.equal(network.final_conv.weight[2], own[2])
    assert torch.equal(
        network.encoders[1].basic_module.SingleConv1.conv.weight,
        start.encoders[1].basic_module.SingleConv1.conv.weight,
    )


def test_a_start_of_another_size_is_an_error_that_says_which():
    start = new_network(SMALL.model_copy(update={"f_maps": 8}), NEURONS)
    with pytest.raises(ModelError, match="f_maps 8"):
        start_from(new_network(SMALL, NEURONS), start, NEURONS, NEURONS)


@pytest.mark.parametrize("suffix", [".safetensors", ".pytorch"])
def test_what_is_saved_gives_the_same_probabilities_when_it_is_loaded(tmp_path, suffix):
    network = new_network(SMALL, NEURONS).eval()
    save_unet3d(tmp_path / f"net{suffix}", network, NEURONS, {"n_steps": 3})
    again = load_unet3d(tmp_path / f"net{suffix}")
    volume = np.random.default_rng(0).normal(0, 10, (8, 12, 16))
    with torch.no_grad():
        assert np.array_equal(again.probabilities(volume), network.probabilities(volume))


def test_scores_are_one_where_the_network_says_the_truth_and_zero_where_it_is_blind():
    class Oracle(torch.nn.Module):
        """Says the class that the brightness shows, or nothing."""

        def __init__(self, sees):
            super().__init__()
            self.config = new_network(SMALL, NEURONS).config
            self.final_conv = torch.nn.Conv3d(4, 4, 1)
            with torch.no_grad():
                self.final_conv.weight.copy_(torch.eye(4)[..., None, None, None])
                self.final_conv.bias.zero_()
            self.sees = sees

        def features(self, x):
            brightness = torch.round(x / 60) * self.sees
            return torch.cat([20 * (brightness == number) for number in range(4)], dim=1).float()

        def in_layer_numbers(self, x):
            return x

        def activation(self, logits, *, dim):
            return logits.softmax(dim)

    class Judge(VoxelClassifier):
        def features(self, x):
            return self.network.features(x)

    for sees, expected in ((1, 1.0), (0, 0.0)):
        judge = Judge(Oracle(sees), is_mixed=False, is_memory_spared=False)
        scores = validate(judge, [batch(), batch(seed=1)])
        assert scores.right == scores.iou == expected
    assert scores.loss > 1


def test_labels_move_with_the_image():
    data = batch((16, 40, 60))
    moving = STILL.model_copy(
        update={"turn": 1, "shift": 1, "scale": 1, "shear": 1, "bend": 1, "bend_px": 3.0,
                "shift_px": (1.0, 4.0, 6.0)}
    )  # fmt: skip
    flat = VoxelBatch(data.target[None, None].float(), data.target, data.weight, data.used)
    for seed in range(5):
        moved = augment(flat, moving, key=(seed,))
        assert not torch.equal(moved.target, data.target)
        nearest = torch.round(moved.image[0, 0])
        assert (nearest == moved.target).float().mean() > 0.99
        assert set(moved.target.unique().tolist()) <= {0, 1, 2, 3}


def test_left_and_right_stay_true():
    every = AugmentationSettings()
    determinants = [
        np.linalg.det(_matrix(every, np.random.default_rng(seed))) for seed in range(200)
    ]
    assert min(determinants) > 0


def test_lying_on_the_other_side_is_half_a_turn_about_the_long_axis():
    data = batch()
    turned = augment(data, STILL.model_copy(update={"lies_on_other_side": 1}), key=(0,))
    assert torch.equal(turned.target, data.target.flip(0, 1))
    torch.testing.assert_close(turned.image, data.image.flip(2, 3), atol=1e-3, rtol=1e-3)


def test_nothing_happens_where_nothing_may_happen():
    data = batch()
    same = augment(data, STILL, key=(0,))
    assert torch.equal(same.target, data.target)
    torch.testing.assert_close(same.image, data.image, atol=1e-3, rtol=1e-3)


def test_a_key_decides_what_happens():
    data, every = batch(), AugmentationSettings()
    first, again, other = (augment(data, every, key=(5, n)) for n in (1, 1, 2))
    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, other.image)


def test_noise_and_blur_change_the_image_and_not_the_labels():
    data = batch()
    rough = STILL.model_copy(update={"contrast": 1, "blur": 1, "noise": 1})
    changed = augment(data, rough, key=(1,))
    assert torch.equal(changed.target, data.target)
    assert not torch.allclose(changed.image, data.image, atol=1.0)
