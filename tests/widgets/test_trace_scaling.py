import numpy as np

from napari_acll.widgets._trace_scaling import (
    TraceScaling,
    common_ranges,
    robust_ranges,
    z_score_ranges,
)
from napari_acll.widgets._trace_view import TraceValues


def test_ranges_are_the_percentiles_of_what_was_seen():
    rng = np.random.default_rng(3)
    ratio = rng.gamma(2, 1, (5, 200)).astype(np.float32)
    ratio[:, ::7] = np.nan
    low, high = robust_ranges(ratio)
    expected = np.nanpercentile(ratio, [2, 98], axis=1)
    assert np.allclose(low, expected[0], atol=0.1)
    assert np.allclose(high, expected[1], rtol=0.1)


def test_noise_is_not_blown_up_to_a_signal():
    rng = np.random.default_rng(4)
    quiet = (1 + 0.01 * rng.standard_normal((1, 100))).astype(np.float32)
    scaling = TraceScaling()
    scaling.update(quiet)
    assert np.ptp(scaling.normalized(quiet)) < 0.2


def test_a_neuron_that_was_never_seen_stays_absent():
    scaling = TraceScaling()
    scaling.update(np.full((2, 4), np.nan, np.float32))
    assert np.isnan(scaling.normalized(np.full((2, 4), np.nan, np.float32))).all()


def test_ranges_are_renewed_as_the_recording_grows_but_ever_more_rarely():
    ratio = np.ones((3, 1000), np.float32)
    scaling = TraceScaling()
    for n_timepoints in range(1, 1001):
        scaling.update(ratio[:, :n_timepoints])
    assert 5 < scaling.generation < 50


def test_a_z_score_is_counted_in_standard_deviations_from_the_mean():
    rng = np.random.default_rng(5)
    ratio = rng.normal(3, 0.2, (4, 500)).astype(np.float32)
    ratio[:, ::9] = np.nan
    scaling = TraceScaling(TraceValues.Z_SCORE)
    scaling.update(ratio)
    # a row spans -2 to +4 standard deviations
    z_score = scaling.normalized(ratio) * 6 - 2
    assert np.allclose(np.nanmean(z_score, axis=1), 0, atol=1e-3)
    assert np.allclose(np.nanstd(z_score, axis=1, ddof=1), 1, atol=1e-3)


def test_a_neuron_that_never_changes_has_no_z_score_range():
    low, high = z_score_ranges(np.full((1, 9), 2, np.float32))
    assert (low[0], high[0]) == (0, 1)


def test_a_common_range_lets_heights_be_compared():
    rng = np.random.default_rng(6)
    values = rng.uniform(0.5, 1.5, (10, 300)).astype(np.float32)
    values[3] = np.nan
    low, high = common_ranges(values)
    assert np.ptp(low) == np.ptp(high) == 0
    assert 0.45 < low[0] < 0.6
    assert 1.4 < high[0] < 1.55


def test_the_height_of_a_row_is_told():
    scaling = TraceScaling(TraceValues.OVER_BASELINE)
    scaling.update(np.linspace(1, 3, 101, dtype=np.float32)[None])
    assert scaling.sentence() == "row: 1.04 to 2.96"
    assert TraceScaling(TraceValues.Z_SCORE).sentence() == "row: -2 to +4 sd"
    assert TraceScaling().sentence() == "row: own range"
