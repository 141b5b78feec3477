import pytest
import torch

from napari_acll.training import _unet3d_loss
from napari_acll.training._unet3d_loss import voxel_loss

SHAPE = (3, 4, 5)
N_FEATURES, N_CLASSES = 4, 7
USED = (0, 2, 3, 5)


def scene(seed=0, dtype=torch.float64, steep=1.0):
    """Features, last layer, targets of which a third is without a name, and weights."""
    draw = torch.Generator().manual_seed(seed)
    features = torch.randn(N_FEATURES, *SHAPE, generator=draw, dtype=dtype)
    weight = steep * torch.randn(N_CLASSES, N_FEATURES, generator=draw, dtype=dtype)
    bias = torch.randn(N_CLASSES, generator=draw, dtype=dtype)
    target = torch.tensor(USED)[torch.randint(0, len(USED), SHAPE, generator=draw)]
    target[torch.rand(SHAPE, generator=draw) < 0.3] = N_CLASSES
    voxel_weight = torch.rand(SHAPE, generator=draw, dtype=dtype) * 20
    used = torch.zeros(N_CLASSES, dtype=torch.bool)
    used[list(USED)] = True
    for tensor in (features, weight, bias):
        tensor.requires_grad_()
    return features, weight, bias, target, voxel_weight, used


def one_hot_loss(features, weight, bias, target, voxel_weight, used):
    """The rule written with a signed one-hot target, as it is defined."""
    logits = torch.einsum("kf,fzyx->kzyx", weight, features) + bias[:, None, None, None]
    probability = logits.softmax(0)
    signed = torch.zeros_like(probability)
    for number in range(N_CLASSES):
        signed[number][target == number] = 1
        if used[number]:
            signed[number][target == N_CLASSES] = -1
    is_it = -voxel_weight * torch.log(probability) * (signed == 1)
    is_not = -voxel_weight * torch.log(1 - probability) * (signed == -1)
    return (is_it + is_not).sum() / target.numel()


@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradient_are_those_of_a_signed_one_hot_target(seed, monkeypatch):
    monkeypatch.setattr(_unet3d_loss, "_BLOCK_BYTES_CPU", 4 * N_CLASSES * 11)  # ragged blocks
    ours, theirs = scene(seed), scene(seed)
    loss, expected = voxel_loss(*ours), one_hot_loss(*theirs)
    torch.testing.assert_close(loss, expected)
    (3 * loss).backward()
    (3 * expected).backward()
    for mine, its in zip(ours[:3], theirs[:3], strict=True):
        torch.testing.assert_close(mine.grad, its.grad)


def test_without_unlabeled_voxels_it_is_the_weighted_cross_entropy_of_torch():
    features, weight, bias, target, voxel_weight, used = scene(4)
    target = target.clamp(max=N_CLASSES - 1)
    logits = torch.einsum("kf,fzyx->kzyx", weight, features) + bias[:, None, None, None]
    entropy = torch.nn.functional.cross_entropy(logits[None], target[None], reduction="none")
    expected = (entropy[0] * voxel_weight).mean()
    torch.testing.assert_close(
        voxel_loss(features, weight, bias, target, voxel_weight, used), expected
    )


def test_a_voxel_without_a_name_that_is_surely_a_used_class_still_has_a_finite_gradient():
    features, weight, bias, target, voxel_weight, used = scene(5, torch.float32, steep=1e4)
    loss = voxel_loss(features, weight, bias, target, voxel_weight, used)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(t.grad).all() for t in (features, weight, bias))


def test_a_class_that_may_repeat_is_not_held_against_a_voxel_without_a_name():
    features, weight, bias, _, voxel_weight, used = scene(6)
    target = torch.full(SHAPE, N_CLASSES)
    with torch.no_grad():
        bias[2] += 8.0
    loss = voxel_loss(features, weight, bias, target, voxel_weight, used)
    used[2] = False
    assert voxel_loss(features, weight, bias, target, voxel_weight, used) < 0.1 * loss


def test_no_tensor_of_all_classes_and_voxels_is_made(monkeypatch):
    n_voxels = 4000
    monkeypatch.setattr(_unet3d_loss, "_BLOCK_BYTES_CPU", 4 * N_CLASSES * 100)
    largest = 0
    block_loss = _unet3d_loss._block_loss

    def watched(logits, *rest):
        nonlocal largest
        largest = max(largest, logits.numel())
        return block_loss(logits, *rest)

    monkeypatch.setattr(_unet3d_loss, "_block_loss", watched)
    features = torch.zeros(N_FEATURES, 1, 1, n_voxels, requires_grad=True)
    weight, bias = torch.zeros(N_CLASSES, N_FEATURES), torch.zeros(N_CLASSES)
    target, ones = torch.zeros(1, 1, n_voxels, dtype=torch.long), torch.ones(1, 1, n_voxels)
    voxel_loss(
        features, weight, bias, target, ones, torch.ones(N_CLASSES, dtype=torch.bool)
    ).backward()
    assert largest == N_CLASSES * 100
