import os

import pytest
from tests.label.networks import save_checkpoint, small_network

from napari_acll.core import LabelSettings, ModelError
from napari_acll.label import _model_facts, load_labeler, model_facts


def test_the_card_of_the_bundled_model_says_what_the_loaded_model_says():
    settings = LabelSettings(device="cpu")
    facts = model_facts(settings)
    assert facts.n_neurons == len(load_labeler(settings).neurons) > 100
    assert facts.calibrated_on == "simulation only"


def test_a_checkpoint_is_loaded_once_for_as_long_as_its_file_stays(tmp_path, monkeypatch):
    loaded = []
    load = _model_facts.load_labeler

    def counted(settings):
        loaded.append(settings.model)
        return load(settings)

    monkeypatch.setattr(_model_facts, "load_labeler", counted)
    _model_facts._facts_once_loaded.cache_clear()
    path = save_checkpoint(tmp_path, small_network())
    settings = LabelSettings(model=str(path))
    first = model_facts(settings)
    assert first.n_neurons > 0
    assert first.calibrated_on == ""
    assert model_facts(settings) == first
    assert len(loaded) == 1
    os.utime(path, ns=(1, 1))
    assert model_facts(settings) == first
    assert len(loaded) == 2


def test_a_model_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        model_facts(LabelSettings(model=str(tmp_path / "gone.safetensors")))
