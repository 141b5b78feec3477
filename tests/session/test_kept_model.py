import os

import pytest

from napari_acll.core import LabelSettings, ModelError
from napari_acll.session import KeptModel
from napari_acll.testing import FakeLabeler


@pytest.fixture
def loaded(monkeypatch):
    """Models that were loaded, by the settings for which they were."""
    found = []

    def load(settings):
        if settings.model == "gone":
            raise ModelError("There is no such model.")
        found.append(settings)
        return FakeLabeler()

    monkeypatch.setattr("napari_acll.label.load_labeler", load)
    return found


def test_the_same_settings_get_the_same_model(loaded):
    kept = KeptModel()
    assert kept.labeler(LabelSettings()) is kept.labeler(LabelSettings())
    assert len(loaded) == 1


def test_other_settings_get_another_model(loaded):
    kept = KeptModel()
    first = kept.labeler(LabelSettings())
    assert kept.labeler(LabelSettings(device="cpu")) is not first
    assert len(loaded) == 2


def test_a_file_that_was_written_anew_is_another_model(loaded, tmp_path):
    path = tmp_path / "model.pytorch"
    path.write_bytes(b"one")
    kept, settings = KeptModel(), LabelSettings(model=str(path))
    first = kept.labeler(settings)

    os.utime(path, ns=(1, 1))
    assert kept.labeler(settings) is not first
    assert len(loaded) == 2


def test_after_a_model_that_cannot_be_loaded_the_next_one_can(loaded):
    kept = KeptModel()
    kept.labeler(LabelSettings())
    with pytest.raises(ModelError, match="no such model"):
        kept.labeler(LabelSettings(model="gone"))
    kept.labeler(LabelSettings())
    assert len(loaded) == 2
