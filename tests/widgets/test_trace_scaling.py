import numpy as np

from napari_acll.widgets._trace_scaling import TraceScaling, robust_ranges


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
