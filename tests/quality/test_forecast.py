import json

import numpy as np
import pytest

from napari_acll.core import NeuronTable, TraceSample, VolumeStatus
from napari_acll.quality import FIRST_AT, Expected, Forecast, ForecastModel, TraceQuality, Verdict
from napari_acll.quality._forecast_model import Curve, verdicts

N_NEURONS = 40
NEURONS = NeuronTable.numbered(N_NEURONS)
FILTERS = ("none", "evidence")


def quality_after(n_volumes, confidence, coverage=1.0):
    """Return the measures of neurons with these confidences that are there so often."""
    quality, rng = TraceQuality(NEURONS, (0.5, 0.5, 0.5)), np.random.default_rng(0)
    place_px = rng.uniform(0, 100, (N_NEURONS, 3))
    for index in range(n_volumes):
        sample = TraceSample.absent(index, 0.6 * index, N_NEURONS, VolumeStatus.TRACED)
        is_there = (index + 0.5) % FIRST_AT < FIRST_AT * np.broadcast_to(coverage, N_NEURONS)
        sample.confidence[:] = np.where(is_there, confidence, np.nan)
        sample.ratio[:] = np.where(is_there, 1 + 0.05 * rng.standard_normal(N_NEURONS), np.nan)
        sample.marker[:] = np.where(is_there, 100 + rng.standard_normal(N_NEURONS), np.nan)
        sample.n_voxels[:] = np.where(is_there, rng.integers(60, 100, N_NEURONS), 0)
        moved_px = place_px + rng.normal(0, 1, place_px.shape)
        sample.centroid_px[:] = np.where(is_there[:, None], moved_px, np.nan)
        quality.add(sample, novelty=0.1)
    return quality


def forecast_of(quality, identity_filter="none"):
    return ForecastModel.load(identity_filter).forecast(quality)


@pytest.fixture(scope="module")
def ordinary():
    return forecast_of(quality_after(FIRST_AT, np.linspace(0.3, 0.99, N_NEURONS)))


def test_it_comes_with_the_thirtieth_labeled_volume():
    assert forecast_of(quality_after(FIRST_AT - 1, 0.9)) is None
    found = forecast_of(quality_after(FIRST_AT, 0.9))
    assert (found.n_labeled, found.at_index) == (FIRST_AT, FIRST_AT - 1)


@pytest.mark.parametrize("identity_filter", FILTERS)
def test_surer_names_are_expected_to_be_right_more_often(identity_filter):
    quality = quality_after(FIRST_AT, np.linspace(0.3, 0.99, N_NEURONS))
    found = forecast_of(quality, identity_filter).accuracy.value
    assert np.corrcoef(np.arange(N_NEURONS), found)[0, 1] > 0.9
    assert found[-1] > 0.8 > 0.5 > found[0]


@pytest.mark.parametrize("identity_filter", FILTERS)
def test_neurons_that_were_there_more_often_are_expected_more_often(identity_filter):
    quality = quality_after(FIRST_AT, 0.8, coverage=np.linspace(0.2, 1, N_NEURONS))
    found = forecast_of(quality, identity_filter).coverage.value
    assert (np.diff(found[::4]) > 0).all()


def test_the_interval_holds_what_is_expected(ordinary):
    for part in (ordinary.accuracy, ordinary.coverage, ordinary.noise):
        assert (part.low <= part.value).all()
        assert (part.value <= part.high).all()
    assert (ordinary.accuracy.high <= 1).all()
    assert (ordinary.accuracy.low >= 0).all()


def test_of_a_neuron_that_was_hardly_ever_named_nothing_is_said():
    coverage = np.full(N_NEURONS, 1.0)
    coverage[0] = 2 / FIRST_AT
    found = forecast_of(quality_after(FIRST_AT, 0.9, coverage))
    assert np.isnan(found.accuracy.value[0])
    assert found.verdict[0] == Verdict.UNKNOWN
    assert found.reason(0) == ""
    assert (found.verdict[1:] != Verdict.UNKNOWN).all()


def test_an_animal_without_sure_names_is_bad_and_one_with_many_is_not():
    bad = forecast_of(quality_after(FIRST_AT, 0.4)).animal
    good = forecast_of(quality_after(FIRST_AT, 0.98)).animal
    assert bad.is_bad
    assert "hardly recognized" in bad.why
    assert not good.is_bad
    assert good.why == ""
    assert good.names_right > bad.names_right


def test_verdicts_follow_their_rule():
    def expected(*values):
        array = np.array(values, np.float32)
        return Expected(value=array, low=array, high=array)

    found = verdicts(
        expected(0.95, 0.95, 0.95, 0.95, 0.8, 0.4, 0.95, np.nan),
        expected(0.9, 0.4, 0.9, 0.9, 0.9, 0.9, 0.05, np.nan),
        expected(0.1, 0.1, 0.4, np.nan, 0.1, 0.1, 0.1, np.nan),
    )
    words = [Verdict(verdict).words for verdict in found]
    assert words == [
        "usable",
        "doubtful",
        "doubtful",
        "usable",
        "doubtful",
        "do not use",
        "do not use",
        "",
    ]


def test_between_its_knots_a_curve_is_straight_and_it_holds_the_value():
    curve = Curve(at=np.array([0.0, 1.0]), low=np.array([0.0, 0.6]), high=np.array([0.4, 0.8]))
    low, high = curve.expected(np.array([0.5, 1.0]))
    np.testing.assert_allclose(low, [0.3, 0.6])
    np.testing.assert_allclose(high, [0.6, 1.0])


def test_it_survives_being_written_and_read(ordinary):
    again = Forecast.from_json(json.loads(json.dumps(ordinary.to_json())), NEURONS)
    for name in ("accuracy", "coverage", "noise"):
        for end in ("value", "low", "high"):
            before, after = (getattr(getattr(one, name), end) for one in (ordinary, again))
            np.testing.assert_allclose(after, before, atol=1e-4)
    np.testing.assert_array_equal(again.verdict, ordinary.verdict)
    assert again.animal.n_usable == ordinary.animal.n_usable
    assert again.sentence() == ordinary.sentence()


def test_its_reason_tells_what_is_expected_and_what_that_rests_on(ordinary):
    text = ordinary.reason(N_NEURONS - 1)
    assert f"{ordinary.accuracy.value[-1]:.0%}" in text
    assert "first 30 labeled volumes" in text
    assert "simulation only" in text


def test_there_is_none_for_a_filter_that_nobody_fitted_it_for():
    assert ForecastModel.load("somebody_elses") is None
