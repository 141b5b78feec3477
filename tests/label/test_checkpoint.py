import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from tests.label.networks import SMALL, random_counts, save_checkpoint, small_network

from napari_acll.core import ModelError
from napari_acll.label import load_unet3d
from napari_acll.label._unet3d import NetworkVersion

VOLUME = random_counts((5, 7, 9))


class MakesAFile:
    """Unpickling it runs code."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return (Path.touch, (self._path,))


class RunsACommand:
    def __reduce__(self):
        return (os.system, ("echo owned > owned.txt",))


def same_network(a, b):
    return np.array_equal(a.probabilities(VOLUME), b.probabilities(VOLUME))


@pytest.mark.parametrize("key", ["model_state_dict", "model_state", None])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_form_of_checkpoint_gives_the_same_network(tmp_path, key, prefix):
    network = small_network()
    state = {prefix + name: weight for name, weight in network.state_dict().items()}
    torch.save(state if key is None else {key: state, "num_epochs": 3}, tmp_path / "a.pt")
    assert same_network(load_unet3d(tmp_path / "a.pt", SMALL), network)


def test_safetensors_give_the_same_network(tmp_path):
    network = small_network()
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    assert same_network(load_unet3d(tmp_path / "a.safetensors", SMALL), network)


def test_a_best_score_that_is_a_numpy_number_does_not_hinder(tmp_path):
    network = small_network()
    state = {"model_state_dict": network.state_dict(), "best_eval_score": np.float64(0.5)}
    torch.save(state, tmp_path / "a.pt")
    assert same_network(load_unet3d(tmp_path / "a.pt", SMALL), network)


@pytest.mark.parametrize(
    "version",
    [
        NetworkVersion(),
        NetworkVersion(has_layer_entry=True, has_sized_deconvolution=True),
        NetworkVersion(has_sized_deconvolution=True),
        NetworkVersion(has_deconvolution_bias=True),
    ],
)
def test_the_version_of_a_residual_network_is_seen_in_its_weights(tmp_path, version):
    network = small_network(version, name="ResidualUNet3D")
    checkpoint = save_checkpoint(tmp_path, network)
    assert NetworkVersion.of_weights(network.state_dict()) == version
    assert same_network(load_unet3d(checkpoint), network)


def test_running_statistics_of_batch_normalization_are_loaded(tmp_path):
    network = small_network(layer_order="cbr")
    norm = network.encoders[0].basic_module.SingleConv1.batchnorm
    norm.running_mean += 3
    state = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    torch.save(state, tmp_path / "old_torch.pt")
    loaded = load_unet3d(tmp_path / "old_torch.pt", SMALL | {"layer_order": "cbr"})
    assert same_network(loaded, network)


def test_the_configuration_is_found_beside_the_checkpoint(tmp_path):
    checkpoint = save_checkpoint(tmp_path, small_network())
    (tmp_path / "other.yml").write_text("model: {name: UNet2D}")
    assert load_unet3d(checkpoint).config.out_channels == 7
    (tmp_path / "best_checkpoint.yaml").write_text(yaml.safe_dump(SMALL))
    (tmp_path / "config.yaml").write_text("nothing of use")
    assert load_unet3d(checkpoint).config.out_channels == 7


def test_without_a_configuration_the_message_says_what_to_give(tmp_path):
    checkpoint = save_checkpoint(tmp_path, small_network())
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(ModelError, match=r"no YAML file; give the configuration"):
        load_unet3d(checkpoint)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(SMALL))
    with pytest.raises(ModelError, match="2 YAML files and none is called config"):
        load_unet3d(checkpoint)


@pytest.mark.parametrize("culprit", [MakesAFile, RunsACommand])
@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_code_in_a_checkpoint_never_runs(tmp_path, monkeypatch, culprit, writer):
    monkeypatch.chdir(tmp_path)
    trap = tmp_path / "trap.txt"
    state = {
        "model_state_dict": small_network().state_dict(),
        "best": culprit(trap) if culprit is MakesAFile else culprit(),
    }
    path = tmp_path / "evil.pytorch"
    if writer == "torch":
        torch.save(state, path)
    else:
        path.write_bytes(pickle.dumps({"best": state["best"]}))
    with pytest.raises(ModelError, match=r"evil\.pytorch (holds Python objects|is damaged)"):
        load_unet3d(path, SMALL)
    assert not trap.exists()
    assert not (tmp_path / "owned.txt").exists()


def test_the_trap_of_the_test_above_works(tmp_path):
    pickle.loads(pickle.dumps(MakesAFile(tmp_path / "trap.txt")))  # noqa: S301
    assert (tmp_path / "trap.txt").exists()


@pytest.mark.parametrize("suffix", [".pytorch", ".safetensors"])
def test_a_damaged_checkpoint_is_one_clear_sentence(tmp_path, suffix):
    network = small_network()
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".safetensors":
        save_file(network.state_dict(), whole)
    else:
        torch.save(network.state_dict(), whole)
    content = whole.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [b"", b"not a checkpoint", b"\x80\x02}", rng.bytes(3000), content[:-40]]
    damaged += [content[:n] for n in (1, 7, 8, 9, 100, len(content) // 2)]
    for index, some in enumerate(damaged):
        path = tmp_path / f"damaged_{index}{suffix}"
        path.write_bytes(some)
        with pytest.raises(ModelError, match=r"damaged|holds") as caught:
            load_unet3d(path, SMALL)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [{}, [1, 2], torch.zeros(3), {"model_state_dict": {"a": 1}}, {"weights": "none"}]
)
def test_a_file_without_weights_is_named_as_such(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ModelError, match="holds no weights"):
        load_unet3d(tmp_path / "a.pt", SMALL)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.pt does not exist"):
        load_unet3d(tmp_path / "nowhere.pt", SMALL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_channels": 2}, "trained with in_channels 1, the configuration says 2"),
        ({"out_channels": 185}, "trained with out_channels 7, the configuration says 185"),
        ({"f_maps": 8}, r"of shape \(2, 1, 3, 3, 3\), its configuration means \(4, 1, 3, 3, 3\)"),
        ({"f_maps": 10**6, "num_groups": 1}, "of shape"),
        ({"num_levels": 3}, "it lacks"),
        ({"name": "ResidualUNet3D"}, "it lacks"),
        ({"layer_order": "cr"}, "it lacks '.*conv.bias'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_its_configuration_says_how(tmp_path, changes, message):
    checkpoint = save_checkpoint(tmp_path, small_network(), SMALL | changes)
    with pytest.raises(ModelError, match=message):
        load_unet3d(checkpoint)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = small_network()
    network.final_conv.bias[2] = float("nan")
    with pytest.raises(ModelError, match=r"'final_conv\.bias' that are not finite"):
        load_unet3d(save_checkpoint(tmp_path, network))


def test_weights_of_another_project_are_refused(tmp_path):
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "a.pt")
    with pytest.raises(ModelError, match="is not of the network in its configuration"):
        load_unet3d(tmp_path / "a.pt", SMALL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [1", "not valid YAML"),
        ("just text", "no 'model' section"),
        ("model: 3", "'model' that is no mapping"),
        ("model: {name: UNet3D, in_channels: 1}", "'out_channels' is missing"),
        ("!!python/object/apply:os.system ['echo']", "not valid YAML"),
    ],
)
def test_a_configuration_that_is_none_is_refused(tmp_path, text, message):
    checkpoint = save_checkpoint(tmp_path, small_network())
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ModelError, match=message):
        load_unet3d(checkpoint)


def test_half_precision_weights_are_run_in_single_precision(tmp_path):
    torch.save({k: v.half() for k, v in small_network().state_dict().items()}, tmp_path / "a.pt")
    network = load_unet3d(tmp_path / "a.pt", SMALL)
    assert network.final_conv.weight.dtype == torch.float32
    assert network.probabilities(VOLUME).dtype == np.float32


def test_an_unknown_slope_is_warned_about(tmp_path, caplog):
    checkpoint = save_checkpoint(tmp_path, small_network(layer_order="gcl"))
    load_unet3d(checkpoint)
    assert "leaky_relu_slope" in caplog.text
