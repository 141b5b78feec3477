import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from tests.label.networks import volume_of
from tests.training.lab_files import NAMES, marker_volume, write_hdf5

from napari_acll.cli import run as acll
from napari_acll.core import LabelSettings, ModelError, NeuronTable, SettingsError
from napari_acll.label import UNet3DLabeler, load_labeler, load_unet3d
from napari_acll.simulate import Anatomy
from napari_acll.training import UNet3DTrainSettings, load_train_settings, train
from napari_acll.training._unet3d_augmentation import VoxelBatch, augment
from napari_acll.training._unet3d_network import VoxelClassifier, new_network
from napari_acll.training._unet3d_samples import SimulatedSamples, samples_of
from napari_acll.training._unet3d_training import train_unet3d

SMALL = {
    "kind": "unet3d",
    "seed": 1,
    "device": "cpu",
    "n_threads": 1,
    "f_maps": 4,
    "num_levels": 2,
    "num_groups": 2,
    "n_steps": 6,
    "validate_every": 2,
    "checkpoint_every": 2,
    "learning_rate": 0.01,
}


class KillError(Exception):
    """Stands for a kill in the middle of a training."""


@pytest.fixture(autouse=True)
def _same_threads():
    n_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(n_threads)


def lab_config(folder, **settings):
    """Settings for two labeled volumes, one of them to be tried on."""
    write_hdf5(folder / "a.h5")
    write_hdf5(folder / "b.h5", raw=marker_volume()[::-1].copy())
    data = {"train": [{"hdf5": "a.h5"}, {"hdf5": "b.h5"}], "validation": [{"hdf5": "a.h5"}]}
    path = folder / "lab.yaml"
    path.write_text(yaml.safe_dump(SMALL | {"data": data} | settings), encoding="utf-8")
    return path


def weights(path):
    return load_unet3d(path).state_dict()


def test_a_lab_trains_on_its_files_and_the_model_labels(tmp_path):
    losses = []
    path = train(
        lab_config(tmp_path, n_steps=30, validate_every=15),
        tmp_path / "mine.safetensors",
        on_progress=lambda progress: losses.append(progress.loss),
    )
    assert len(losses) == 30
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:6])
    labeler = load_labeler(LabelSettings(model=str(path), device="cpu"))
    assert isinstance(labeler, UNet3DLabeler)
    assert labeler.neurons == NeuronTable(NAMES)
    (labeled,) = labeler.label([volume_of(marker_volume())])
    assert labeled.is_labelable
    assert not (tmp_path / "mine.parts").exists()


def test_curves_and_pictures_lie_beside_the_model(tmp_path):
    train(lab_config(tmp_path), tmp_path / "mine.safetensors")
    lines = (tmp_path / "mine.report" / "curves.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("step,")
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "4", "6"]
    for name in ("curves.png", "prediction.png"):
        assert (tmp_path / "mine.report" / name).read_bytes().startswith(b"\x89PNG")


def test_a_resumed_training_ends_with_the_weights_of_an_unbroken_one(tmp_path):
    config = lab_config(tmp_path)
    whole = weights(train(config, tmp_path / "whole.safetensors"))

    def kill(progress):
        if progress.step == 5:
            raise KillError

    out = tmp_path / "broken.safetensors"
    with pytest.raises(KillError):
        train(config, out, on_progress=kill)
    torch.manual_seed(12345)  # a new process has other random numbers
    steps = []
    train(config, out, is_resumed=True, on_progress=lambda p: steps.append(p.step))
    assert steps == [5, 6]
    for name, tensor in weights(out).items():
        assert torch.equal(tensor, whole[name]), name
    state = torch.get_rng_state()
    assert not torch.equal(state, torch.manual_seed(12345).get_state())


def test_a_training_of_other_settings_is_not_resumed(tmp_path):
    def kill(progress):
        if progress.step == 3:
            raise KillError

    out = tmp_path / "mine.safetensors"
    with pytest.raises(KillError):
        train(lab_config(tmp_path), out, on_progress=kill)
    with pytest.raises(ModelError, match="another learning_rate"):
        train(lab_config(tmp_path, learning_rate=0.02), out, is_resumed=True)
    assert train(lab_config(tmp_path, n_steps=4), out, is_resumed=True).exists()


def test_a_damaged_state_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "mine.parts").mkdir()
    (tmp_path / "mine.parts" / "unet3d.state").write_bytes(b"no state")
    with pytest.raises(ModelError, match="without --resume"):
        train(lab_config(tmp_path), tmp_path / "mine.safetensors", is_resumed=True)


def test_time_can_be_limited(tmp_path):
    steps = []
    path = train(
        lab_config(tmp_path, max_minutes=1e-9, n_steps=100),
        tmp_path / "mine.pytorch",
        on_progress=lambda progress: steps.append(progress.step),
    )
    assert steps == [1]
    assert weights(path)


def test_a_training_starts_from_another_model(tmp_path):
    first = train(lab_config(tmp_path), tmp_path / "first.pytorch")
    again = train(
        lab_config(tmp_path, n_steps=1, learning_rate=1e-12, data={"train": [{"hdf5": "a.h5"}]}),
        tmp_path / "second.safetensors",
        start=str(first),
    )
    for name, tensor in weights(again).items():
        torch.testing.assert_close(tensor, weights(first)[name], msg=name)


def test_the_bundled_model_is_no_start_of_another_kind(tmp_path):
    with pytest.raises(SettingsError, match="point model"):
        train(lab_config(tmp_path), tmp_path / "mine.safetensors", start="default")


def test_a_simulated_sample_depends_on_its_number_alone_and_knows_every_neuron():
    settings = UNet3DTrainSettings(kind="unet3d", volume_px=(40, 96, 200))
    samples = samples_of(settings)
    assert isinstance(samples, SimulatedSamples)
    sample, again, other = (samples.training(index) for index in (4, 4, 5))
    assert np.array_equal(sample.image, again.image)
    assert not np.array_equal(sample.image, other.image)
    assert samples.neurons == Anatomy.load().neurons
    assert sample.image.shape == sample.target.shape == (40, 96, 200)
    assert len(np.unique(sample.target)) > 100
    assert sample.target.max() <= len(samples.neurons)
    inside = sample.target > 0
    assert (sample.weight[inside] == settings.foreground_weight).all()
    assert sample.image[inside].mean() > sample.image[~inside].mean() + 20
    part = sample.part((16, 64, 300), np.random.default_rng(0))
    assert part.image.shape == (16, 64, 200)
    assert (part.target > 0).any()


def test_crops_and_simulated_worms_can_be_trained_on(tmp_path):
    config = tmp_path / "simulated.yaml"
    small = {"volume_px": [16, 32, 64], "crop_px": [8, 16, 32], "n_validation": 1}
    config.write_text(yaml.safe_dump(SMALL | small | {"n_steps": 2}), encoding="utf-8")
    labeler = load_labeler(
        LabelSettings(model=str(train(config, tmp_path / "m.safetensors")), device="cpu")
    )
    assert labeler.neurons == Anatomy.load().neurons


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: unet4d", "points, unet3d"),
        ("kind: unet3d\nf_map: 3", "f_map"),
        ("kind: unet3d\ndata: lab", "simulated"),
        ("kind: unet3d\ndata: {train: []}", "data.train"),
        ("kind: unet3d\ndata: {train: [{hdf5: a.h5, ids: b}]}", r"data.train.0.*does not belong"),
        ("kind: unet3d\nvolume_px: [2, 90, 90]", "at least 8 voxels"),
        ("kind: unet3d\nf_maps: 20", "num_groups"),
        ("data: {train: [{volume: a.nrrd}]}", "rois and ids"),
    ],
)
def test_wrong_settings_are_an_error_that_names_them(tmp_path, text, words):
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=words):
        load_train_settings(path)


def test_the_command_trains_and_says_what_is_next(tmp_path, capsys):
    config, out = str(lab_config(tmp_path)), str(tmp_path / "mine.pytorch")
    assert acll(["train", config, "--out", out, "--device", "cpu"]) == 0
    assert "acll info" in capsys.readouterr().out
    assert acll(["train", config, "--out", out]) == ModelError.exit_code
    assert acll(["train", config, "--out", str(tmp_path / "mine.onnx")]) == ModelError.exit_code
    other = str(tmp_path / "other.pytorch")
    assert acll(["train", config, "--out", other, "--device", "tpu"]) == SettingsError.exit_code
    assert acll(["train", config, "--out", other, "--from", out, "--resume"]) == 0


def test_a_point_model_needs_both_a_start_and_labeled_volumes(tmp_path, capsys):
    config = tmp_path / "points.yaml"
    config.write_text("seed: 1", encoding="utf-8")
    out = str(tmp_path / "mine.safetensors")
    code = acll(["train", str(config), "--out", out, "--from", "default"])
    assert code == SettingsError.exit_code
    assert "only --from" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="torch's launcher needs libuv on Windows")
def test_two_processes_train_as_one_with_the_mean_of_their_gradients(tmp_path):
    config = lab_config(tmp_path, n_steps=2, learning_rate=0.001, validate_every=9)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["-m", "napari_acll.cli", "train", str(config), "--out", "mine.safetensors"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launcher, *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Next: acll info") == 1
    expected = trained_by_hand(load_train_settings(config), n_ranks=2)
    for name, tensor in weights(tmp_path / "mine.safetensors").items():
        torch.testing.assert_close(tensor, expected[name], msg=name, rtol=1e-4, atol=1e-6)


def trained_by_hand(settings, *, n_ranks):
    """Adam on the mean loss of the volumes of all processes."""
    samples = samples_of(settings)
    network = new_network(settings, samples.neurons)
    classifier = VoxelClassifier(network, is_mixed=False, is_memory_spared=False).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    for step in range(settings.n_steps):
        optimizer.zero_grad()
        for number in range(step * n_ranks, (step + 1) * n_ranks):
            data = VoxelBatch.of(samples.training(number), torch.device("cpu"))
            data = augment(data, settings.augmentation, key=(settings.seed, 35, number))
            loss = classifier(data.image, data.target, data.weight, data.used) / n_ranks
            loss.backward()
        optimizer.step()
    return network.state_dict()


def test_volumes_can_be_prepared_in_other_processes(tmp_path):
    settings = load_train_settings(lab_config(tmp_path, n_steps=2))
    one = train_unet3d(settings, tmp_path / "one.safetensors")
    several = settings.model_copy(update={"n_workers": 1})
    two = train_unet3d(several, tmp_path / "two.safetensors")
    for name, tensor in weights(two).items():
        assert torch.equal(tensor, weights(one)[name]), name
