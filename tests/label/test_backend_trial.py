"""Which backend a trial takes, from answers and times that are made up."""

import itertools

import pytest
import torch

from napari_acll.core import Backend
from napari_acll.label import _backend_trial as trials
from napari_acll.label._backend_trial import Trial, backends_to_try, best_of, fastest_alike

CPU = torch.device("cpu")
ALL = tuple(backend for backend in Backend if backend is not Backend.AUTO)


def made(answers, fell_back=""):
    """Trials whose answers are numbers, or errors to raise."""

    def make(backend):
        def answer():
            given = answers.get(backend, 1.0)
            if isinstance(given, Exception):
                raise given
            return given

        return Trial(answer, lambda: None, lambda: fell_back if backend.is_graph else "")

    return make


def chosen(monkeypatch, took_ms, answers=(), fell_back=""):
    asked = []

    def times(runs, _device):
        asked.append(set(runs))
        return {backend: took_ms.get(backend, 10.0) for backend in runs}

    monkeypatch.setattr(trials, "times_ms", times)
    choice = fastest_alike(
        made(dict(answers), fell_back),
        ALL,
        same=lambda first, second: 1 - abs(first - second),
        of_what="nuclei",
        device=CPU,
    )
    return choice, asked[0]


def test_the_fastest_is_taken_and_every_time_is_told(monkeypatch):
    choice, _ = chosen(monkeypatch, {Backend.TORCH_FP16_GRAPH: 1.0, Backend.TORCH_BF16: 2.0})
    assert choice.backend is Backend.TORCH_FP16_GRAPH
    assert choice.dtype is torch.float16
    assert choice.is_graph
    assert all(f" with {backend}" in choice.why for backend in ALL)


def test_one_that_answers_otherwise_is_not_timed_and_it_is_said(monkeypatch):
    fast = {Backend.TORCH_FP16: 1.0, Backend.TORCH_BF16: 2.0}
    choice, timed = chosen(monkeypatch, fast, {Backend.TORCH_FP16: 0.9})
    assert choice.backend is Backend.TORCH_BF16
    assert Backend.TORCH_FP16 not in timed
    assert "torch-fp16 agrees on only 90.0% of the nuclei" in choice.why


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("no kernel\nat all"), "fails here (no kernel)"),
        (torch.OutOfMemoryError("CUDA out of memory."), "needs more memory than there is"),
    ],
)
def test_one_that_fails_is_left_out_with_the_reason(monkeypatch, error, says):
    choice, timed = chosen(monkeypatch, {}, {Backend.TORCH_BF16: error})
    assert Backend.TORCH_BF16 not in timed
    assert f"torch-bf16 {says}" in choice.why
    assert choice.backend is Backend.TORCH


def test_a_graph_that_could_not_be_recorded_is_not_taken(monkeypatch):
    fast = {backend: 1.0 for backend in ALL if backend.is_graph}
    choice, _ = chosen(monkeypatch, fast, fell_back="It could not be recorded.")
    assert choice.backend is Backend.TORCH
    assert "torch-graph fails here (It could not be recorded)" in choice.why


def test_single_precision_that_fails_is_an_error(monkeypatch):
    with pytest.raises(RuntimeError, match="broken"):
        chosen(monkeypatch, {}, {Backend.TORCH: RuntimeError("broken")})


@pytest.mark.parametrize(
    ("took_ms", "best"),
    [
        ({}, Backend.TORCH),
        ({Backend.TORCH_BF16: 8.1}, Backend.TORCH),  # not worth another rounding
        ({Backend.TORCH_BF16: 7.9}, Backend.TORCH_BF16),
        ({Backend.TORCH_GRAPH: 9.0}, Backend.TORCH_GRAPH),  # rounds as its steps do
        ({Backend.TORCH_GRAPH: 9.8}, Backend.TORCH),
        ({Backend.TORCH_GRAPH: 7.0, Backend.TORCH_FP16_GRAPH: 6.0}, Backend.TORCH_GRAPH),
        ({Backend.TORCH_FP16: 4.0, Backend.TORCH_FP16_GRAPH: 3.95}, Backend.TORCH_FP16),
    ],
)
def test_what_is_taken_is_worth_it(took_ms, best):
    assert best_of({Backend.TORCH: 10.0, **took_ms}) is best


def test_times_are_the_least_of_runs_by_turns():
    order = []
    durations = itertools.count()
    runs = {
        backend: (lambda backend=backend: order.append((backend, next(durations))))
        for backend in (Backend.TORCH, Backend.TORCH_BF16)
    }
    took = trials.times_ms(runs, CPU)
    assert set(took) == set(runs)
    assert [backend for backend, _ in order[:3]] == [
        Backend.TORCH,
        Backend.TORCH_BF16,
        Backend.TORCH,
    ]


def test_graphs_and_half_precision_are_for_gpus(monkeypatch):
    assert backends_to_try(CPU) == (Backend.TORCH, Backend.TORCH_BF16)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert set(backends_to_try(torch.device("cuda", 0))) == set(ALL)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert Backend.TORCH_BF16 not in backends_to_try(torch.device("cuda", 0))
