"""In which numbers the detector computes, and how that is chosen."""

import json
from functools import cache

import numpy as np
import pytest
import torch
from tests.label.test_fixed_shapes import record_here

from napari_acll.core import Backend, LabelSettings
from napari_acll.label import PointLabeler, PointModel, load_labeler
from napari_acll.label import _backend_choice as choices
from napari_acll.label import _point_backend as backends
from napari_acll.label._backend_choice import BackendChoice
from napari_acll.label._fingerprint import atlas_volume
from napari_acll.label._point_backend import (
    backend_key,
    choose_backend,
    measure_backends,
    share_of_same_nuclei,
)
from napari_acll.label._point_finder import FoundNuclei
from napari_acll.label._point_labeler import DEFAULT_MODEL_FILE

CPU = torch.device("cpu")
BF16 = BackendChoice(Backend.TORCH_BF16, "it was faster.")


@cache
def model() -> PointModel:
    return PointModel.load(DEFAULT_MODEL_FILE)


@pytest.fixture
def fresh(monkeypatch):
    """No choice was made before."""
    monkeypatch.setattr(choices, "_chosen", {})
    return monkeypatch


def nuclei(position_px) -> FoundNuclei:
    position = np.asarray(position_px, np.float32).reshape(-1, 3)
    n = len(position)
    return FoundNuclei(
        position_px=position,
        height=np.ones(n, np.float32),
        instances=np.zeros((1, 1, 1), np.uint16),
        n_voxels=np.ones(n, np.int32),
        brightness=np.ones(n, np.float32),
        voxel_size_um=(1.0, 1.0, 1.0),
    )


def test_what_a_trial_chooses_finds_the_nuclei_of_single_precision():
    choice = measure_backends(model(), CPU)
    assert choice.backend in choices.DTYPES
    assert choice.why.endswith(".")
    volume = atlas_volume(model())
    found = [
        PointLabeler(model(), settings=LabelSettings(device="cpu"), backend=backend).nuclei(volume)
        for backend in (None, choice)
    ]
    assert len(found[0][0]) > 150
    assert share_of_same_nuclei(found[0][0], found[1][0]) >= 0.98


def test_a_choice_is_measured_once_for_a_machine_and_a_model(fresh):
    fresh.setattr(backends, "measure_backends", lambda *_: BF16)
    assert choose_backend(model(), CPU, Backend.AUTO) == BF16
    fresh.setattr(choices, "_chosen", {})  # as in another process
    fresh.setattr(backends, "measure_backends", lambda *_: pytest.fail("measured again"))
    assert choose_backend(model(), CPU, Backend.AUTO) == BF16


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"KEY": "torch"}',
        '{"KEY": {"backend": "abacus", "why": ""}}',
        '{"KEY": {"backend": "auto", "why": ""}}',
    ],
)
def test_a_damaged_memory_of_choices_costs_a_trial_and_no_more(fresh, text):
    path = choices.choices_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("KEY", backend_key(model(), CPU)), encoding="utf-8")
    fresh.setattr(backends, "measure_backends", lambda *_: BF16)
    assert choose_backend(model(), CPU, Backend.AUTO) == BF16
    (kept,) = [e for e in json.loads(path.read_text(encoding="utf-8")).values() if e["why"]]
    assert kept["backend"] == "torch-bf16"


def test_a_trial_that_fails_leaves_single_precision_and_says_why(fresh):
    def fail(*_):
        raise RuntimeError("bf16 is not for this processor")

    fresh.setattr(backends, "measure_backends", fail)
    choice = choose_backend(model(), CPU, Backend.AUTO)
    assert choice.backend is Backend.TORCH
    assert "not for this processor" in choice.why


def test_a_backend_that_was_asked_for_is_not_measured(fresh):
    fresh.setattr(backends, "measure_backends", lambda *_: pytest.fail("measured"))
    assert choose_backend(model(), CPU, Backend.TORCH_BF16).backend is Backend.TORCH_BF16


@pytest.mark.parametrize(
    ("wanted", "there"),
    [("torch-fp16-graph", "torch"), ("torch-fp16", "torch"), ("torch-bf16-graph", "torch-bf16")],
)
def test_what_only_a_gpu_does_well_is_not_done_on_a_cpu(wanted, there):
    choice = choose_backend(model(), CPU, Backend(wanted))
    assert choice.backend is Backend(there)
    assert f"{wanted}, as the settings say, is for GPUs only" in choice.why
    on_card = choose_backend(model(), torch.device("cuda", 0), Backend(wanted))
    assert on_card.backend is Backend(wanted)


def test_a_choice_holds_for_one_machine_and_one_model(fresh):
    key = backend_key(model(), CPU)
    assert model().sha256 in key
    assert torch.__version__ in key
    fresh.setattr(torch, "get_num_threads", lambda: 99)
    assert backend_key(model(), CPU) != key


def test_recorded_steps_find_the_nuclei_of_whole_images_or_fall_back_with_a_word():
    volume = atlas_volume(model())
    plain = PointLabeler(model(), settings=LabelSettings(device="cpu"))
    graph = BackendChoice(Backend.TORCH_GRAPH, "as asked")
    asked = PointLabeler(model(), settings=LabelSettings(device="cpu"), backend=graph)
    asked.finder._runner._record = record_here
    first, second = plain.nuclei(volume)[0], asked.nuclei(volume)[0]
    assert share_of_same_nuclei(first, second) >= 0.98
    assert not asked.notes
    failing = PointLabeler(model(), settings=LabelSettings(device="cpu"), backend=graph)
    third = failing.nuclei(volume)[0]
    assert share_of_same_nuclei(first, third) >= 0.98
    assert "CUDA graphs need a GPU" in failing.notes[0]


def test_the_labeler_says_what_it_computes_with():
    settings = LabelSettings(device="cpu", backend=Backend.TORCH_BF16)
    described = load_labeler(settings).describe()
    assert described["backend"] == "torch-bf16"
    assert "settings" in str(described["why_backend"])


def test_the_share_of_same_nuclei_counts_those_that_only_one_found():
    three = nuclei([[0, 0, 0], [5, 0, 0], [9, 9, 9]])
    assert share_of_same_nuclei(three, three) == 1.0
    assert share_of_same_nuclei(three, nuclei([[0, 0, 0.4], [5, 0, 0.6]])) == pytest.approx(1 / 3)
    assert share_of_same_nuclei(three, nuclei([])) == 0.0
    assert share_of_same_nuclei(nuclei([]), nuclei([])) == 1.0
