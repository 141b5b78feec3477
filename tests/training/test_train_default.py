from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_acll.core import LabelSettings, ModelError, SettingsError
from napari_acll.label import PointLabeler, PointModel
from napari_acll.training import (
    DetectorTraining,
    IdentifierTraining,
    TrainSettings,
    load_train_settings,
    train,
    train_default,
)

RECIPES = Path(__file__).parents[2] / "recipes"
TINY = TrainSettings(
    seed=5,
    n_threads=1,
    n_processes=1,
    checkpoint_every=10,
    detector=DetectorTraining(
        width=4,
        n_steps=36,
        batch_size=4,
        crop_px=(24, 32, 40),
        crops_per_volume=12,
        learning_rate=1e-2,
    ),
    identifier=IdentifierTraining(
        width=16,
        n_layers=1,
        n_heads=2,
        n_steps=100,
        batch_size=6,
        learning_rate=5e-3,
        n_volumes=1,
        n_final_steps=2,
    ),
    n_validation_volumes=1,
    n_calibration_volumes=1,
    n_evaluation_volumes=1,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model trained for a moment, and what was reported while it was."""
    folder = tmp_path_factory.mktemp("tiny")
    config = folder / "tiny.yaml"
    config.write_text(TINY.model_dump_json(), encoding="utf-8")
    reports = []
    threads = torch.get_num_threads()
    path = train(config, folder / "tiny.safetensors", on_progress=reports.append)
    torch.set_num_threads(threads)
    return path, reports


@pytest.mark.parametrize("phase", ["detector", "identifier"])
def test_training_lowers_the_loss(trained, phase):
    losses = [report.loss for report in trained[1] if report.phase == phase]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])


def test_every_phase_is_reported_to_its_end(trained):
    last = {report.phase: report for report in trained[1]}
    assert {"detector", "identifier", "calibration"} <= set(last)
    assert all(report.step == report.n_steps for report in last.values())
    elapsed = [report.elapsed_s for report in trained[1]]
    assert elapsed == sorted(elapsed)


def test_the_file_says_how_it_was_made_and_can_be_used(trained):
    model = PointModel.load(trained[0])
    assert TrainSettings.model_validate(model.card.training["settings"]) == TINY
    assert 0 <= model.card.scores["simulated"]["right"] <= 1
    assert "virtual animals" in model.card.calibration.fitted_on
    labeler = PointLabeler(model, settings=LabelSettings(device="cpu"))
    assert len(labeler.neurons) == len(model.card.names) > 150


def test_a_model_card_in_words_lies_beside_the_file(trained):
    text = trained[0].with_suffix(".md").read_text(encoding="utf-8")
    assert "simulated" in text
    assert f"{PointModel.load(trained[0]).card.scores['simulated']['right']:.1%}" in text


def test_the_recipe_of_the_bundled_model_can_be_read():
    settings = load_train_settings(RECIPES / "train_default.yaml")
    assert settings.detector.n_steps > 100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sed: 3", "sed"),
        ("detector: {n_steps: many}", "detector.n_steps"),
        ("seed: [", "no YAML"),
        ("- 1", "correct the file"),
    ],
)
def test_wrong_settings_are_an_error_that_names_them(tmp_path, text, words):
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=words):
        load_train_settings(path)


def test_missing_settings_are_an_error(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_train_settings(tmp_path / "absent.yaml")


class KillError(Exception):
    """Stands for a kill in the middle of a training."""


def test_a_training_that_was_killed_twice_ends_with_the_same_weights(trained, tmp_path):
    out = tmp_path / "again.safetensors"
    for phase, step in (("detector", 25), ("identifier", 33)):

        def kill(report, phase=phase, step=step):
            if (report.phase, report.step) == (phase, step):
                raise KillError

        with pytest.raises(KillError):
            train_default(TINY, out, on_progress=kill, is_resumed=phase != "detector")
    reports = []
    train_default(TINY, out, on_progress=reports.append, is_resumed=True)
    assert min(report.step for report in reports if report.phase == "identifier") == 31
    assert not [report for report in reports if report.phase == "detector"]
    whole, again = load_file(trained[0]), load_file(out)
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert not out.with_suffix(".parts").exists()


def test_a_state_of_other_settings_is_not_resumed(tmp_path):
    out = tmp_path / "other.safetensors"
    parts = out.with_suffix(".parts")
    parts.mkdir()
    text = TINY.model_copy(update={"seed": 6}).model_dump_json()
    (parts / "settings.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="without --resume"):
        train_default(TINY, out, is_resumed=True)
