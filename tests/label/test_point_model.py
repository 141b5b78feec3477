import json
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_acll.core import LabelSettings, ModelError
from napari_acll.label import (
    Atlas,
    Fingerprint,
    PointLabeler,
    PointModel,
    PointModelCard,
    available_models,
    fingerprint_difference,
    load_labeler,
)

CARD = PointModelCard(
    names=("AVAL", "AVAR", "RIML"),
    detector_width=4,
    identifier_width=16,
    identifier_layers=1,
    identifier_heads=2,
)


def small_model(card=CARD):
    torch.manual_seed(0)
    n = len(card.names)
    mean = np.random.default_rng(0).normal(0, 10, (n, 3))
    return PointModel.create(card, Atlas(mean, np.ones((n, 3))))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "small.safetensors"
    small_model().save(path)
    return path


def test_a_saved_model_comes_back(saved):
    original, loaded = small_model(), PointModel.load(saved)
    assert loaded.card == CARD
    assert loaded.neurons.names == CARD.names
    np.testing.assert_allclose(loaded.atlas.mean_um, original.atlas.mean_um, rtol=1e-3)
    for part in ("detector", "identifier"):
        given = getattr(loaded, part).state_dict()
        for name, tensor in getattr(original, part).state_dict().items():
            torch.testing.assert_close(given[name], tensor, rtol=2e-3, atol=1e-4)


def test_a_model_file_is_found_by_its_path(saved):
    labeler = load_labeler(LabelSettings(model=str(saved), device="cpu"))
    assert isinstance(labeler, PointLabeler)
    described = labeler.describe()
    assert described["name"] == "small"
    assert len(str(described["sha256"])) == 64


def write_header(path, metadata):
    header = json.dumps({"__metadata__": metadata}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def missing(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def no_safetensors(path):
    path.write_bytes(b"PK\x03\x04 not a model at all")


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-2000])


def foreign(path):
    save_file({"weight": torch.zeros(3)}, path)


def other_format(path):
    write_header(path, {"napari_acll": json.dumps({"format": "napari-acll-points-99"})})


def damaged_card(path):
    write_header(path, {"napari_acll": "{not json"})


def unknown_key(path):
    card = json.loads(CARD.model_dump_json()) | {"surprise": 1}
    write_header(path, {"napari_acll": json.dumps(card)})


def other_size(path):
    model = small_model()
    card = CARD.model_copy(update={"detector_width": 8})
    PointModel(card, model.detector, model.identifier).save(path)


def not_finite(path):
    model = small_model()
    with torch.no_grad():
        model.detector.heads.bias[0] = float("nan")
    model.save(path)


@pytest.mark.parametrize(
    "spoil",
    [
        missing,
        empty,
        no_safetensors,
        cut_off,
        foreign,
        other_format,
        damaged_card,
        unknown_key,
        other_size,
        not_finite,
    ],
)
def test_a_file_that_is_no_good_model_is_an_error_in_one_sentence(saved, spoil):
    spoil(saved)
    with pytest.raises(ModelError) as caught:
        PointModel.load(saved)
    message = str(caught.value)
    assert str(saved) in message
    assert "\n" not in message


def test_weights_that_were_changed_behind_the_card_are_refused(saved):
    content = bytearray(saved.read_bytes())
    content[-3] ^= 1
    saved.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="hash"):
        PointModel.load(saved)


def test_a_card_is_read_without_torch(saved):
    code = (
        "import sys, pathlib; from napari_acll.label import read_card;"
        f" read_card(pathlib.Path({str(saved)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_models_in_the_data_folder_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    small_model().save(tmp_path / "models" / "our rig.safetensors")
    (tmp_path / "models" / "other.safetensors").write_bytes(b"nothing")
    listed = {info.name: info for info in available_models()}
    assert listed["our rig"].n_neurons == 3
    assert "other" not in listed
    labeler = load_labeler(LabelSettings(model="our rig", device="cpu"))
    assert labeler.describe()["name"] == "our rig"


def test_a_changed_answer_is_noticed_and_rounding_is_not():
    kept = Fingerprint(n_nuclei=100, n_named=3, mean_probability=0.8, names=("AVAL", "RIML"))
    assert fingerprint_difference(kept, kept.model_copy(update={"n_nuclei": 103})) == ""
    for change in ({"n_nuclei": 120}, {"mean_probability": 0.6}, {"names": ("AVAL", "AVAR")}):
        assert fingerprint_difference(kept, kept.model_copy(update=change))
