import numpy as np
import pytest
import torch

from napari_acll.label import DetectorNetwork, NucleusFinder
from napari_acll.simulate import Anatomy
from napari_acll.training._crops import CropSampler
from napari_acll.training._detector_training import detector_loss, train_detector
from napari_acll.training._loop import LoopPlan

ANATOMY = Anatomy.load()


def trained(shape_px, *, is_mixed_precision):
    torch.manual_seed(0)
    network = DetectorNetwork(width=4)
    sampler = CropSampler(ANATOMY, shape_px=shape_px, n_per_volume=2, seed=3, painted_share=1.0)
    losses = []
    train_detector(
        network,
        sampler,
        batch_size=2,
        plan=LoopPlan(n_steps=3, learning_rate=1e-2),
        on_step=lambda _, loss: losses.append(loss),
        is_mixed_precision=is_mixed_precision,
    )
    return network, losses


def test_the_foreground_loss_is_least_at_the_true_share_of_the_foreground():
    share = 0.3
    targets = torch.zeros(1, 2, 10, 10, 10)
    targets[0, 1].view(-1)[: int(share * 1000)] = 1
    candidates = np.arange(0.05, 0.96, 0.05)
    losses = []
    for probability in candidates:
        logits = torch.full_like(targets, -20.0)
        logits[:, 1] = float(np.log(probability / (1 - probability)))
        losses.append(float(detector_loss(logits, targets)))
    assert candidates[int(np.argmin(losses))] == pytest.approx(share)


def test_mixed_precision_gives_nearly_the_same_losses():
    single = trained((48, 56, 64), is_mixed_precision=False)[1]
    mixed = trained((48, 56, 64), is_mixed_precision=True)[1]
    assert mixed == pytest.approx(single, rel=0.05)
    assert mixed != single


def test_mixed_precision_is_refused_where_its_gradients_are_wrong():
    with pytest.raises(ValueError, match="larger crops"):
        trained((24, 32, 40), is_mixed_precision=True)


def test_a_trained_network_finds_nuclei_without_its_normalization():
    network, _ = trained((24, 32, 40), is_mixed_precision=False)
    assert not network.training
    finder = NucleusFinder(
        network,
        peak_threshold=0.1,
        foreground_threshold=0.5,
        max_radius_um=3.0,
        device=torch.device("cpu"),
    )
    image = np.random.default_rng(0).normal(0, 1, (24, 30, 41)).astype(np.float32)
    inside = torch.from_numpy(np.pad(image, ((0, 0), (0, 2), (0, 7))).transpose(2, 1, 0).copy())
    with torch.inference_mode():
        expected = network(inside[None, None])[0].permute(0, 3, 2, 1)[:, :24, :30, :41].numpy()
    np.testing.assert_allclose(np.stack(finder.logits(image)), expected, atol=1e-3)


def test_an_untrained_network_finds_hardly_anything_anywhere():
    torch.manual_seed(1)
    network = DetectorNetwork(width=16).eval()
    with torch.inference_mode():
        chance = network(torch.rand(1, 1, 32, 32, 32)).sigmoid()
    assert chance[:, 0].mean() < 0.03
    assert chance[:, 1].mean() < 0.06
