"""The fit of the forecast, on made-up animals of which everything is known."""

import numpy as np
import pytest
from forecast_fitting import FEATURES, LEVEL, fit
from forecast_measures import record_of_names
from forecast_outcomes import FEWEST_LEFT, Outcome, is_hardly_labeled, outcome
from forecast_recordings import UNKNOWN, Traces
from forecast_scores import calibration, drawn, row_of, summary
from measure_forecast_limit import _chance, _chance_for
from scipy.stats import spearmanr

from napari_acll.core import NeuronTable, TraceSample, VolumeStatus
from napari_acll.quality import FIRST_AT, ForecastModel

N_NEURONS, N_VOLUMES = 60, 60
NEURONS = NeuronTable.numbered(N_NEURONS)


def made_up(rng, *, step=1) -> Traces:
    """Return an animal whose names are right for good as often as they say.

    One volume in `step` can be labeled.
    """
    chance, coverage = rng.uniform(0.1, 0.99, N_NEURONS), rng.uniform(0.2, 1.0, N_NEURONS)
    noise = np.exp(rng.uniform(-3, -1, N_NEURONS))
    is_right = rng.random(N_NEURONS) < chance
    samples, truth = [], []
    for index in range(N_VOLUMES * step):
        if index % step:
            unfit = VolumeStatus.UNLABELABLE
            samples.append(TraceSample.absent(index, 0.6 * index, N_NEURONS, unfit))
            truth.append(np.full(N_NEURONS, UNKNOWN))
            continue
        sample = TraceSample.absent(index, 0.6 * index, N_NEURONS, VolumeStatus.TRACED)
        is_there = rng.random(N_NEURONS) < coverage
        sample.confidence[:] = np.where(is_there, chance, np.nan)
        ratio = 1 + noise * rng.standard_normal(N_NEURONS)
        sample.ratio[:] = np.where(is_there, ratio, np.nan)
        samples.append(sample)
        truth.append(np.where(is_there, is_right, UNKNOWN))
    return Traces("made up", samples, np.zeros(len(samples)), np.array(truth, np.int8))


def outcomes(rng, n_animals) -> list[Outcome]:
    found = [outcome(made_up(rng), NEURONS, FIRST_AT) for _ in range(n_animals)]
    assert None not in found
    return found


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
    # an accuracy that is 0 or 1 needs an interval from 0 to 1; a dozen neurons of an animal were
    # there often enough to tell their noise, so that its worst animal is a matter of chance
    most = LEVEL + 0.18 if part == "coverage" else 1.0
    assert LEVEL < scores[1][part]["held"] <= most
    assert scores[1][part]["held_least"] > LEVEL - 0.08


def test_the_forecast_is_as_good_as_it_can_be(scores):
    expected, _ = scores[2]
    # names are right or wrong for good: nothing that tells their chances ranks them better
    best = drawn(expected.astype(np.float64))
    assert scores[1]["accuracy"]["correlation"] == pytest.approx(best, abs=0.08)
    assert scores[1]["coverage"]["correlation"] > 0.85
    assert scores[1]["noise"]["correlation"] > 0.85


def test_volumes_that_cannot_be_labeled_put_the_forecast_off():
    every_second = made_up(np.random.default_rng(7), step=2)
    found = outcome(every_second, NEURONS, FIRST_AT)
    animal = found.quality.animal()
    assert (animal.n_labeled, animal.newest_index) == (FIRST_AT, 2 * (FIRST_AT - 1))
    is_late = [sample.index > animal.newest_index for sample in every_second.samples]
    rest = every_second.is_right[is_late]
    n = (rest >= 0).sum(axis=0)
    enough = n >= 5
    share = (rest == 1).sum(axis=0)[enough] / n[enough]
    np.testing.assert_allclose(found.accuracy[enough], share)


def test_of_an_animal_that_can_hardly_be_labeled_there_is_no_outcome_but_a_warning():
    third = made_up(np.random.default_rng(8), step=3)
    n_enough = 3 * (FIRST_AT + FEWEST_LEFT - 1) + 1
    cut = Traces("cut", third.samples[: n_enough - 1], third.novelty, third.is_right)
    assert outcome(cut, NEURONS, FIRST_AT) is None
    whole = Traces("whole", third.samples[:n_enough], third.novelty, third.is_right)
    assert outcome(whole, NEURONS, FIRST_AT) is not None
    assert is_hardly_labeled(third, NEURONS)
    assert not is_hardly_labeled(made_up(np.random.default_rng(8), step=2), NEURONS)


def test_an_animal_without_a_later_cut_is_fitted_on_as_well():
    rng = np.random.default_rng(9)
    animals = [[one] for one in outcomes(rng, 4)]
    later = [outcome(made_up(rng), NEURONS, FIRST_AT + 10) for _ in range(2)]
    content = fit([*animals[:2], [*animals[2], later[0]], [*animals[3], later[1]]])
    assert np.isfinite(content["accuracy"]["weights"]).all()


def test_what_is_expected_is_set_beside_what_came_bin_by_bin():
    found = calibration(np.array([0.05, 0.5, 0.58, 0.95]), np.array([0.0, 1.0, 0.0, 1.0]))
    np.testing.assert_allclose(found, [(0.05, 0, 1), (0.54, 0.5, 2), (0.95, 1, 1)])


def test_the_record_of_a_name_is_that_of_other_animals():
    error = np.array([0.4, -0.2, 0.6, 0.1])
    of_names, of_rows = record_of_names(error, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 2]), 3)
    np.testing.assert_allclose(of_names, [1.0 / 6, -0.1 / 6, 0])
    np.testing.assert_allclose(of_rows, [0.6 / 5, 0.1 / 5, 0.4 / 5, -0.2 / 5])


def test_a_rank_correlation_with_right_or_wrong_is_a_chance_to_be_ranked_right():
    rng = np.random.default_rng(10)
    is_right = rng.random(4000) < 0.4
    expected = rng.normal(size=4000) + is_right
    correlation = float(spearmanr(expected, is_right).statistic)
    assert _chance_for(correlation, is_right) == pytest.approx(
        _chance(expected, is_right), abs=1e-3
    )
