import numpy as np
import pytest

from napari_acll.session._running_durations import RunningDurations


def test_quantiles_are_those_of_all_durations_to_one_percent():
    durations_s = np.random.default_rng(1).lognormal(-2, 1.0, 5000)
    running = RunningDurations()
    for duration_s in durations_s:
        running.add(duration_s)
    summary = running.summary()
    p50_s, p99_s = np.quantile(durations_s, [0.5, 0.99], method="inverted_cdf")
    assert summary.n == 5000
    assert summary.p50_s == pytest.approx(p50_s, rel=0.0101)
    assert summary.p99_s == pytest.approx(p99_s, rel=0.0101)
    assert summary.max_s == durations_s.max()


def test_nothing_measured_has_no_quantiles():
    running = RunningDurations()
    running.add(float("nan"))
    assert running.summary().n == 0
    assert np.isnan(running.summary().p99_s)


@pytest.mark.parametrize("duration_s", [0.0, -1e-9, 1e9])
def test_what_is_shorter_or_longer_than_anything_is_counted_all_the_same(duration_s):
    running = RunningDurations()
    running.add(duration_s)
    assert running.summary().n == 1
    assert running.summary().max_s == duration_s


def test_no_quantile_is_above_the_maximum():
    running = RunningDurations()
    running.add(0.5)
    assert running.summary().p99_s <= running.summary().max_s
