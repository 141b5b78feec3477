import numpy as np
import pytest

from napari_acll.trace import RunningBaseline, running_baseline


def _ratio(n_neurons=4, n_timepoints=300):
    rng = np.random.default_rng(1)
    ratio = rng.gamma(3, 0.4, (n_neurons, n_timepoints)).astype(np.float32)
    ratio[rng.random(ratio.shape) < 0.2] = np.nan
    return ratio


def test_the_baseline_is_the_20th_percentile_of_the_window_that_ends_with_the_volume():
    ratio = _ratio()
    found = running_baseline(ratio, 120, 123, n_window=50)
    for column, stop in enumerate((121, 122, 123)):
        window = ratio[:, stop - 50 : stop]
        expected = np.nanpercentile(window, 20, axis=1, method="lower")
        assert np.allclose(found[:, column], expected)


def test_the_first_volumes_have_what_there_is():
    ratio = np.array([[2.0, 4.0, np.nan, 1.0]], np.float32)
    found = running_baseline(ratio, 0, 4, n_window=50)
    assert found.tolist() == [[2.0, 2.0, 2.0, 1.0]]


def test_nothing_that_comes_later_changes_what_was_shown():
    ratio = _ratio()
    early = RunningBaseline(0.6).update(ratio[:, :200], first=0).copy()
    later = RunningBaseline(0.6).update(ratio, first=0)
    assert np.array_equal(later[:, :200], early, equal_nan=True)


def test_growing_gives_what_is_worked_out_at_once():
    ratio = _ratio(n_timepoints=700)
    grown = RunningBaseline(0.6)
    for stop in range(1, 701, 3):
        values = grown.update(ratio[:, :stop], first=max(0, stop - 3))
    at_once = RunningBaseline(0.6).update(ratio[:, :stop], first=0)
    assert np.array_equal(values, at_once, equal_nan=True)


def test_a_constant_neuron_is_1_and_the_record_is_not_touched():
    ratio = np.full((2, 150), 0.7, np.float32)
    before = ratio.copy()
    values = RunningBaseline(0.6).update(ratio, first=0)
    assert np.allclose(values, 1)
    assert np.array_equal(ratio, before)


def test_a_slow_bleaching_is_taken_out_and_a_transient_stays():
    time_s = np.arange(1000) * 0.6
    ratio = np.exp(-time_s / 2000)[None].astype(np.float32)
    ratio[:, 700:710] *= 2
    values = RunningBaseline(0.6).update(ratio, first=0)
    assert np.ptp(values[0, 300:690]) < 0.05
    assert values[0, 705] == pytest.approx(2 * values[0, 690], rel=0.01)


@pytest.mark.parametrize("rest", [0.0, -0.5])
def test_over_nothing_there_is_no_value(rest):
    ratio = np.full((1, 30), rest, np.float32)
    assert np.isnan(RunningBaseline(0.6).update(ratio, first=0)).all()


def test_a_recording_without_neurons_is_no_error():
    assert RunningBaseline(0.6).update(np.zeros((0, 5), np.float32), first=0).shape == (0, 5)


def test_the_window_is_a_minute():
    assert RunningBaseline(0.6).n_window == 100
    assert RunningBaseline(20.0).n_window == 10
