"""What is said of second passes, on names and traces of which all is known."""

from dataclasses import replace

import numpy as np
import pytest
from measure_identity import Recording
from measure_refine import fitted_on_others, parser
from refined_traces import trace_rows
from tests.identity.test_evidence_filter import N, Worm

N_VOLUMES = 60


def overconfident(seed):
    """Return an animal whose names are right in 60 % and say 90 %."""
    rng, worm = np.random.default_rng(seed), Worm(seed=seed)
    volume = worm.volume(0)
    is_right = rng.random(N) < 0.6
    true = np.arange(1, N + 1)
    given = np.where(is_right, true, np.roll(true, 1)).astype(np.int32)
    chance = np.full(N, 0.9, np.float32)
    found = replace(volume.detections, neuron=given, probability=chance)
    labeled = [replace(volume, detections=found)]
    return Recording(f"made up {seed}", labeled, [true], [N]), labeled


def test_probabilities_are_fitted_on_other_animals_only():
    done = [overconfident(seed) for seed in range(4)]
    names = fitted_on_others(done)
    assert names.probability == pytest.approx(0.6, abs=0.1)
    mine = [names.probability[start] for start in range(0, 4 * N, N)]
    others = [
        names.is_right[np.r_[0:start, start + N : 4 * N]].mean() for start in range(0, 4 * N, N)
    ]
    assert mine == pytest.approx(others, abs=1e-3)
    assert len(np.unique(names.neuron)) == 4 * N


def saved(names_of_second_half):
    """Return traces of two neurons; in the second half each is under a given row."""
    truth = 1 + np.random.default_rng(2).random((2, N_VOLUMES)).astype(np.float32)
    ratio, half = truth.copy(), N_VOLUMES // 2
    ratio[:, half:] = truth[names_of_second_half, half:]
    is_right = np.ones(truth.shape, np.bool_)
    is_right[:, half:] = np.array(names_of_second_half)[:, None] == np.arange(2)[:, None]
    zeros = np.zeros(truth.shape, np.float32)
    return {
        "truth": truth,
        "ratio oracle": truth,
        "ratio steady": truth,
        "sd steady": zeros + 0.1,
        "right steady": np.ones(truth.shape, np.bool_),
        "ratio swapped": ratio,
        "sd swapped": zeros + 0.1,
        "right swapped": is_right,
    }


def test_traces_of_names_that_change_places_are_told_from_steady_ones():
    rows = {row["name"]: row for row in trace_rows([saved([1, 0])], ("steady", "swapped"), 0)}
    assert rows["steady, all names"]["median_r"] == pytest.approx(1.0)
    assert rows["swapped, all names"]["median_r"] < 0.8
    assert rows["swapped, all names"]["coverage"] == pytest.approx(100)
    assert rows["swapped, right names"]["coverage"] == pytest.approx(50)


def test_a_recording_comes_from_one_place(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["--cache", "a", "--recorded", "b"])
    assert "not allowed with" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser().parse_args([])
