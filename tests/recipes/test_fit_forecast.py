"""The fit of the forecast, on made-up animals of which everything is known."""

import numpy as np
import pytest
from forecast_fitting import FEATURES, LEVEL, fit
from forecast_outcomes import Outcome, outcome
from forecast_recordings import UNKNOWN, Traces
from forecast_scores import row_of, summary
from scipy.stats import spearmanr

from napari_acll.core import NeuronTable, TraceSample, VolumeStatus
from napari_acll.quality import FIRST_AT, ForecastModel

N_NEURONS, N_VOLUMES = 60, 60
NEURONS = NeuronTable.numbered(N_NEURONS)


def made_up(rng) -> Traces:
    """Return an animal whose names are right for good as often as they say."""
    chance, coverage = rng.uniform(0.1, 0.99, N_NEURONS), rng.uniform(0.2, 1.0, N_NEURONS)
    noise = np.exp(rng.uniform(-3, -1, N_NEURONS))
    is_right = rng.random(N_NEURONS) < chance
    samples, truth = [], []
    for index in range(N_VOLUMES):
        sample = TraceSample.absent(index, 0.6 * index, N_NEURONS, VolumeStatus.TRACED)
        is_there = rng.random(N_NEURONS) < coverage
        sample.confidence[:] = np.where(is_there, chance, np.nan)
        ratio = 1 + noise * rng.standard_normal(N_NEURONS)
        sample.ratio[:] = np.where(is_there, ratio, np.nan)
        samples.append(sample)
        truth.append(np.where(is_there, is_right, UNKNOWN))
    return Traces("made up", samples, np.zeros(N_VOLUMES), np.array(truth, np.int8))


def outcomes(rng, n_animals) -> list[Outcome]:
    return [outcome(made_up(rng), NEURONS, FIRST_AT) for _ in range(n_animals)]


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(5)
    learned_from = outcomes(rng, 12)
    content = fit([[one] for one in learned_from])
    model = ForecastModel.from_json({**content, "level": LEVEL, "fitted_on": "nothing real"})
    rows = [row_of(one, model) for one in outcomes(rng, 12)]
    return model, summary(rows), np.concatenate([row.pair("accuracy") for row in rows], axis=1)


def test_names_that_are_right_as_often_as_they_say_weigh_by_their_confidence(scores):
    model, *_ = scores
    weight = dict(zip(model.features, model.accuracy.weights, strict=True))
    assert model.features == FEATURES
    assert weight["confidence"] > 5 * max(
        abs(value) for name, value in weight.items() if "confidence" not in name
    )


@pytest.mark.parametrize("part", ["accuracy", "coverage", "noise"])
def test_intervals_hold_what_they_say_on_animals_that_were_not_fitted_on(scores, part):
    # 12 animals of 60 neurons: the standard error is about 0.02; an accuracy that is 0 or 1 needs
    # an interval from 0 to 1, which holds more than was asked for
    most = 1.0 if part == "accuracy" else LEVEL + 0.15
    assert LEVEL - 0.05 < scores[1][part]["held"] <= most


def test_the_forecast_is_as_good_as_it_can_be(scores):
    expected, _ = scores[2]
    # names are right or wrong for good: nothing that tells their chances ranks them better
    drawn = np.random.default_rng(6).random(len(expected)) < expected
    best = float(spearmanr(expected, drawn).statistic)
    assert scores[1]["accuracy"]["correlation"] == pytest.approx(best, abs=0.08)
    assert scores[1]["coverage"]["correlation"] > 0.85
    assert scores[1]["noise"]["correlation"] > 0.85
