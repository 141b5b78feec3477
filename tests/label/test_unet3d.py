import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.label.networks import SMALL, random_counts, small_network
from torch.nn import functional

from napari_acll.core import ModelError
from napari_acll.label import load_unet3d
from napari_acll.label._unet3d import NetworkVersion, UNet3D
from napari_acll.label._unet3d_config import read_unet3d_config

OLDER = NetworkVersion(has_layer_entry=True, has_sized_deconvolution=True)


@pytest.fixture(scope="module")
def reference() -> Path:
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("ACLL_TEST_DATA is not set: no checkpoint of the reference")
    return Path(folder) / "checkpoint"


def test_the_softmax_is_that_of_the_reference(reference):
    network = load_unet3d(reference / "best_checkpoint.pytorch", reference / "config.yaml")
    with np.load(reference / "io.npz") as arrays:
        volume, softmax = arrays["input"][0, 0].astype(np.float32), arrays["softmax"][0]
    found = network.probabilities(volume)
    assert found.shape == softmax.shape
    assert found.dtype == np.float32
    assert np.abs(found - softmax).max() < 1e-5
    assert not network.training


@pytest.mark.parametrize(
    ("f_maps", "n_parameters"), [(32, 4_087_339), (64, 16_330_651), (128, 65_285_755)]
)
def test_parameter_counts_are_the_published_ones(f_maps, n_parameters):
    config = {"name": "UNet3D", "in_channels": 1, "out_channels": 185, "f_maps": f_maps}
    with torch.device("meta"):
        network = UNet3D(read_unet3d_config(config | {"num_groups": 16}))
    assert sum(weight.numel() for weight in network.parameters()) == n_parameters


def test_a_plain_decoder_puts_the_encoder_first_and_repeats_the_nearest_voxel():
    network = small_network()
    x = network.as_input(random_counts((5, 7, 9)))
    encoded = network.encoders[0](x)
    below = network.encoders[1].basic_module(functional.max_pool3d(encoded, 2))
    nearest = [torch.arange(n) * m // n for n, m in zip((5, 7, 9), below.shape[2:], strict=True)]
    enlarged = below[:, :, nearest[0]][:, :, :, nearest[1]][:, :, :, :, nearest[2]]
    joined = network.decoders[0].basic_module(torch.cat((encoded, enlarged), 1))
    assert torch.equal(network.features(x), joined)


@pytest.mark.parametrize("version", [NetworkVersion(), OLDER])
def test_a_residual_network_is_what_its_paper_says(version):
    network = small_network(version, name="ResidualUNet3D", layer_order="gcr")
    x = network.as_input(random_counts((6, 8, 10)))
    weights = network.state_dict()

    def layer(name, x, *, last=False):
        norm, conv = f"{name}.groupnorm", f"{name}.conv.weight"
        groups = 2 if x.shape[1] >= 2 else 1
        x = functional.group_norm(x, groups, weights[f"{norm}.weight"], weights[f"{norm}.bias"])
        x = functional.conv3d(x, weights[conv], padding=1)
        return x if last else x.relu()

    def block(name, x):
        if version == OLDER:
            x = layer(f"{name}.conv1", x)
        elif f"{name}.conv1.weight" in weights:
            x = functional.conv3d(
                x, weights[f"{name}.conv1.weight"], weights[f"{name}.conv1.bias"]
            )
        return (x + layer(f"{name}.conv3", layer(f"{name}.conv2", x), last=True)).relu()

    def enlarge(x, size):
        name = "decoders.0.upsampling.upsample"
        if version == OLDER:
            return functional.conv_transpose3d(
                x,
                weights[f"{name}.weight"],
                weights[f"{name}.bias"],
                stride=2,
                padding=1,
                output_padding=[n - (2 * m - 1) for n, m in zip(size, x.shape[2:], strict=True)],
            )
        weight = weights[f"{name}.conv_transposed.weight"]
        return functional.interpolate(
            functional.conv_transpose3d(x, weight, stride=2, padding=1), size=size
        )

    encoded = block("encoders.0.basic_module", x)
    below = block("encoders.1.basic_module", functional.max_pool3d(encoded, 2))
    joined = encoded + enlarge(below, encoded.shape[2:])
    expected = block("decoders.0.basic_module", joined)
    torch.testing.assert_close(network.features(x), expected)


def test_the_first_residual_encoder_has_a_1x1x1_entry_and_the_decoder_none():
    names = set(small_network(name="ResidualUNet3D").state_dict())
    assert "encoders.0.basic_module.conv1.weight" in names
    assert "encoders.0.basic_module.conv3.groupnorm.weight" in names
    assert not any(name.startswith("decoders.0.basic_module.conv1") for name in names)
    assert "decoders.0.upsampling.upsample.conv_transposed.weight" in names
    assert "decoders.0.upsampling.upsample.conv_transposed.bias" not in names


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"layer_order": "cr"}, {"encoders.0.basic_module.SingleConv1.conv.bias"}),
        ({"layer_order": "cbl"}, {"encoders.0.basic_module.SingleConv1.batchnorm.running_var"}),
        ({"layer_order": "gcrd"}, {"encoders.0.basic_module.SingleConv2.groupnorm.weight"}),
        ({"upsample": "deconv"}, {"decoders.0.upsampling.upsample.conv_transposed.weight"}),
    ],
)
def test_weights_are_named_as_in_the_reference(changes, expected):
    assert expected <= set(small_network(**changes).state_dict())


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_order": "cgr"},
        {"layer_order": "crg"},
        {"layer_order": "bcr"},
        {"layer_order": "gcl"},
        {"layer_order": "gce"},
        {"layer_order": "gcrD"},
        {"layer_order": "cd"},
        {"f_maps": [4, 6, 10]},
        {"f_maps": 3, "num_groups": 24, "num_levels": 3},
        {"upsample": "deconv"},
        {"upsample": "trilinear"},
        {"upsample": None, "pool_kernel_size": 1},
        {"pool_kernel_size": [1, 2, 2]},
        {"conv_kernel_size": 5, "conv_padding": 2},
        {"conv_kernel_size": [1, 3, 3], "conv_padding": [0, 1, 1]},
        {"conv_upscale": 1},
        {"final_sigmoid": True},
        {"name": "ResidualUNet3D", "layer_order": "cge"},
        {"name": "ResidualUNet3D", "upsample": "deconv"},
        {"name": "ResidualUNet3D", "num_levels": 3, "layer_order": "gcl"},
    ],
)
def test_every_architecture_gives_probabilities_for_odd_sizes(changes):
    network = small_network(**changes)
    found = network.probabilities(random_counts((9, 11, 13)))
    assert found.shape == (7, 9, 11, 13)
    assert np.isfinite(found).all()
    assert 0 <= found.min() < found.max() <= 1
    if not network.config.final_sigmoid:
        np.testing.assert_allclose(found.sum(0), 1, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"pool_kernel_size": [1, 2, 2]}, {"conv_kernel_size": 3}])
def test_an_older_residual_network_also_takes_odd_sizes(changes):
    network = small_network(OLDER, name="ResidualUNet3D", num_levels=3, **changes)
    assert network.probabilities(random_counts((9, 11, 13))).shape == (7, 9, 11, 13)


def test_several_input_channels_are_given_as_one_array():
    network = small_network(in_channels=2)
    channels = np.stack([random_counts((5, 6, 7), seed) for seed in (0, 1)])
    assert network.probabilities(channels).shape == (7, 5, 6, 7)
    with pytest.raises(ValueError, match=r"2 channel\(s\)"):
        network.probabilities(channels[0])


def test_a_volume_that_pooling_would_use_up_is_refused():
    with pytest.raises(ValueError, match="at least"):
        small_network(num_levels=4).probabilities(random_counts((7, 20, 20)))


def test_leaky_slopes_are_those_of_the_version_unless_they_are_given():
    def slope(network):
        return network.encoders[0].basic_module.conv2.LeakyReLU.negative_slope

    changes = {"name": "ResidualUNet3D", "layer_order": "gcl"}
    assert slope(small_network(**changes)) == 0.01
    assert slope(small_network(OLDER, **changes)) == 0.1
    assert slope(small_network(OLDER, **changes, leaky_relu_slope=0.3)) == 0.3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"f_map": 16}, "'f_map' is not an entry"),
        ({"name": "UNet2D"}, "name is 'UNet2D'"),
        ({"layer_order": "gxr"}, "'x' is no layer"),
        ({"layer_order": "gr"}, "no convolution"),
        ({"layer_order": "rc"}, "begin with a nonlinearity"),
        ({"layer_order": "gcgr"}, "stands twice"),
        ({"out_channels": 0}, "out_channels"),
        ({"f_maps": [8]}, "at least two"),
        ({"pool_type": "avg"}, "pool_type"),
        ({"is3d": False}, "is3d"),
        ({"name": "ResidualUNet3D", "upsample": "nearest"}, "does not work"),
        ({"upsample": "deconv", "f_maps": [4, 6]}, "double"),
    ],
)
def test_a_configuration_that_means_another_network_is_refused_by_entry(changes, message):
    with pytest.raises(ModelError, match=message):
        read_unet3d_config(SMALL | changes)


def test_channels_that_cannot_be_divided_into_groups_are_refused():
    with pytest.raises(ModelError, match="6 channels cannot be divided into 4 groups"):
        small_network(f_maps=[6, 12], num_groups=4)


def test_defaults_are_those_of_the_reference():
    plain = read_unet3d_config({"name": "UNet3D", "in_channels": 1, "out_channels": 2})
    assert plain.widths == (64, 128, 256, 512)
    assert (plain.layer_order, plain.num_groups, plain.final_sigmoid) == ("gcr", 8, True)
    residual = read_unet3d_config({"name": "ResidualUNet3D", "in_channels": 1, "out_channels": 2})
    assert len(residual.widths) == 5
