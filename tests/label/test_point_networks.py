import numpy as np
import torch
from torch import nn

from napari_acll.label import DetectorNetwork, IdentifierNetwork
from napari_acll.label._point_detector import folded_for_inference
from napari_acll.label._point_identifier import N_FEATURES
from napari_acll.label._point_maps import unfolded


def detector():
    torch.manual_seed(0)
    network = DetectorNetwork(width=4)
    network.train()
    network(torch.randn(2, 1, 16, 16, 16) * 2 + 1)  # moves the running statistics
    return network.eval()


def test_folding_the_normalization_changes_no_answer():
    network = detector()
    volume = torch.randn(1, 1, 24, 16, 32)
    folded = folded_for_inference(network)
    assert not any(isinstance(part, nn.BatchNorm3d) for part in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(folded(volume), network(volume), rtol=1e-4, atol=1e-5)


def test_maps_unfolded_at_once_are_those_of_the_network():
    network = detector()
    volume = torch.randn(1, 1, 40, 24, 16)
    with torch.no_grad():
        expected = network(volume)[0].permute(0, 3, 2, 1).numpy()
        heads = network.folded_maps(volume)[0].movedim(0, -1).contiguous().numpy()
    np.testing.assert_array_equal(unfolded(heads), expected)


def test_half_the_digits_change_logits_by_no_more_than_rounding():
    network, volume = detector(), torch.randn(1, 1, 24, 16, 32)
    rounded = folded_for_inference(network, torch.bfloat16)
    with torch.no_grad():
        exact = network(volume)
        error = rounded(volume.bfloat16()) - exact
    assert error.dtype == torch.float32
    assert 0 < error.abs().max() < 0.1 * exact.std()


def test_the_eight_voxels_below_one_stay_where_they_are():
    network = detector()
    with torch.no_grad():
        network.heads.weight.zero_()
        network.heads.bias.copy_(torch.arange(16.0))
        maps = network(torch.zeros(1, 1, 16, 16, 16))[0]
    for channel in range(2):
        block = maps[channel, :2, :2, :2].flatten()
        torch.testing.assert_close(block, torch.arange(8.0) + 8 * channel)


def identifier(n_names=7):
    torch.manual_seed(1)
    mean = torch.randn(n_names, 3) * 20
    network = IdentifierNetwork(mean, torch.ones(n_names, 3), width=16, n_layers=2, n_heads=2)
    nn.init.normal_(network.to_shift.weight, std=0.1)
    return network.eval()


def inputs(n, seed=2):
    generator = torch.Generator().manual_seed(seed)
    position = torch.randn(1, n, 3, generator=generator) * 15
    return position, torch.randn(1, n, N_FEATURES, generator=generator)


def test_names_follow_the_nuclei_when_their_order_changes():
    network = identifier()
    position, features = inputs(9)
    order = torch.from_numpy(np.random.default_rng(0).permutation(9))
    is_nucleus = torch.ones(1, 9, dtype=torch.bool)
    with torch.no_grad():
        logits, _ = network(position, features, is_nucleus)
        moved, _ = network(position[:, order], features[:, order], is_nucleus)
    torch.testing.assert_close(moved, logits[:, order], rtol=1e-4, atol=1e-4)


def test_rows_that_only_fill_up_change_no_answer():
    network = identifier()
    position, features = inputs(6)
    filled_position = torch.cat([position, torch.full((1, 3, 3), 99.0)], 1)
    filled_features = torch.cat([features, torch.full((1, 3, N_FEATURES), 9.0)], 1)
    is_nucleus = torch.tensor([[True] * 6 + [False] * 3])
    with torch.no_grad():
        alone, _ = network(position, features, is_nucleus[:, :6])
        filled, _ = network(filled_position, filled_features, is_nucleus)
    torch.testing.assert_close(filled[:, :6], alone, rtol=1e-4, atol=1e-4)


def test_an_untrained_network_prefers_the_neuron_that_lies_nearest():
    network = identifier()
    nn.init.zeros_(network.to_shift.weight)
    nn.init.zeros_(network.to_look.weight)
    nn.init.zeros_(network.to_look.bias)
    position = network.atlas_mean_um[None] + 0.1
    features = torch.zeros(1, 7, N_FEATURES)
    with torch.no_grad():
        logits, _ = network(position, features, torch.ones(1, 7, dtype=torch.bool))
    assert logits[0].argmax(-1).tolist() == list(range(1, 8))
