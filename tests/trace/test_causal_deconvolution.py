import sys

import numpy as np
import pytest

from napari_acll.core import PluginError
from napari_acll.trace import CausalDeconvolution, RunningBaseline, why_no_deconvolution

PERIOD_S = 0.6


@pytest.fixture(autouse=True)
def _asked_anew():
    why_no_deconvolution.cache_clear()
    yield
    why_no_deconvolution.cache_clear()


@pytest.fixture
def oasis():
    return pytest.importorskip("oasis")


def _ratio(n_neurons=4, n_timepoints=300):
    rng = np.random.default_rng(1)
    ratio = rng.gamma(3, 0.4, (n_neurons, n_timepoints)).astype(np.float32)
    ratio[rng.random(ratio.shape) < 0.2] = np.nan
    ratio[1:2, 100:180] = np.nan
    return ratio


def _indicated(drive, decay_s):
    """Return the light of an indicator that decays, by its recursion, shape as `drive`."""
    left = np.exp(-PERIOD_S / decay_s)
    light = np.empty_like(drive)
    light[:, 0] = drive[:, 0]
    for index in range(1, drive.shape[1]):
        light[:, index] = left * light[:, index - 1] + (1 - left) * drive[:, index]
    return light


def _steps():
    """Return a drive that rests at 1 and jumps to 3 for some volumes, more than once."""
    drive = np.ones((1, 120), np.float32)
    drive[:, 30:40] = drive[:, 70:73] = 3
    return drive


@pytest.mark.usefixtures("oasis")
def test_nothing_that_comes_later_changes_what_was_shown():
    ratio = _ratio()
    early = CausalDeconvolution(PERIOD_S).update(ratio[:, :200], first=0).copy()
    other = ratio.copy()
    other[:, 200:] = 50
    for future in (ratio, other):
        later = CausalDeconvolution(PERIOD_S).update(future, first=0)
        assert np.array_equal(later[:, :200], early, equal_nan=True)
    assert np.isfinite(early).any()


@pytest.mark.usefixtures("oasis")
@pytest.mark.parametrize("decay_s", [0.52, 3.0])
def test_growing_gives_what_is_worked_out_at_once(decay_s):
    ratio = _ratio(n_timepoints=400)
    grown = CausalDeconvolution(PERIOD_S, decay_s=decay_s)
    shown = []
    for stop in range(1, 401, 3):
        values = grown.update(ratio[:, :stop], first=max(0, stop - 3))
        shown.append(values[:, -1].copy())
    at_once = CausalDeconvolution(PERIOD_S, decay_s=decay_s).update(ratio, first=0)
    assert np.array_equal(values, at_once[:, :400], equal_nan=True)
    assert np.array_equal(np.stack(shown, axis=1), at_once[:, :400:3], equal_nan=True)


@pytest.mark.usefixtures("oasis")
@pytest.mark.parametrize("decay_s", [0.52, 1.5])
def test_a_drive_without_noise_is_found_again(decay_s):
    drive = _steps()
    values = CausalDeconvolution(PERIOD_S, decay_s=decay_s).update(
        _indicated(drive, decay_s), first=0
    )
    # the beginning of each window passes for one drive, which is forgotten within it
    assert np.allclose(values, drive, rtol=0.01)


@pytest.mark.usefixtures("oasis")
def test_the_decay_that_is_taken_out_is_the_one_that_was_given():
    drive = _steps()
    light = _indicated(drive, 3.0)
    right, wrong = (
        CausalDeconvolution(PERIOD_S, decay_s=decay_s).update(light, first=0)
        for decay_s in (3.0, 0.52)
    )
    assert np.abs(right - drive).max() < 0.05
    assert np.abs(wrong - drive).max() > 1


@pytest.mark.usefixtures("oasis")
def test_a_volume_is_deconvolved_as_oasis_deconvolves_what_ends_with_it():
    from oasis.functions import deconvolve

    ratio = _ratio(1, 60)
    ratio[:, 48:50] = 1.0, 1.4
    deconvolution = CausalDeconvolution(PERIOD_S)
    found = deconvolution.update(ratio, first=0)[0, 49]
    over_baseline = RunningBaseline(PERIOD_S).update(ratio, first=0)[0].astype(float)
    window = over_baseline[50 - deconvolution.n_window : 50]
    drives = deconvolve(window, tau_d=0.52, framerate=1 / PERIOD_S, sn=1.0, penalty=None).s
    assert found == pytest.approx(drives[-1] / (1 - np.exp(-PERIOD_S / 0.52)), rel=1e-5)


@pytest.mark.usefixtures("oasis")
def test_nan_stays_nan_and_the_record_is_not_touched():
    ratio = _ratio()
    before = ratio.copy()
    values = CausalDeconvolution(PERIOD_S).update(ratio, first=0)
    assert np.array_equal(np.isnan(values), np.isnan(before))
    assert np.nanmin(values) >= 0
    assert np.array_equal(ratio, before, equal_nan=True)


@pytest.mark.usefixtures("oasis")
@pytest.mark.parametrize("n_absent", [1, 3, 8, 40])
def test_a_steady_neuron_is_as_high_after_a_gap_as_before(n_absent):
    ratio = np.ones((1, 200), np.float32)
    ratio[0, 80:] = 2
    ratio[0, 100 : 100 + n_absent] = np.nan
    values = CausalDeconvolution(PERIOD_S).update(ratio, first=0)
    assert values[0, [90, 100 + n_absent, 150]] == pytest.approx(2, rel=0.01)


@pytest.mark.usefixtures("oasis")
def test_the_first_sample_and_one_that_comes_after_more_than_the_window_are_f_over_f0():
    ratio = np.full((1, 100), np.nan, np.float32)
    ratio[0, [3, 4, 80]] = 2, 4, 6
    values = CausalDeconvolution(PERIOD_S).update(ratio, first=0)
    assert values[0, 3] == 1
    assert values[0, 4] > 2
    assert values[0, 80] == 3


@pytest.mark.usefixtures("oasis")
def test_what_is_not_a_number_is_absent_and_disturbs_no_other_volume():
    ratio = np.full((1, 60), 2.0, np.float32)
    ratio[0, 40] = np.inf
    values = CausalDeconvolution(PERIOD_S).update(ratio, first=0)
    assert np.isnan(values[0, 40])
    assert np.allclose(np.delete(values[0], 40), 1, rtol=0.01)


@pytest.mark.usefixtures("oasis")
def test_the_window_is_ten_decays_and_at_least_eight_volumes():
    assert CausalDeconvolution(PERIOD_S).n_window == 9
    assert CausalDeconvolution(0.1).n_window == 52
    assert CausalDeconvolution(20.0).n_window == 8


@pytest.mark.usefixtures("oasis")
def test_nothing_before_the_window_counts():
    steady = np.ones((1, 120), np.float32)
    struck = steady.copy()
    struck[0, 100] = 1e6
    expected, found = (
        CausalDeconvolution(PERIOD_S).update(ratio, first=0)[0] for ratio in (steady, struck)
    )
    assert found[108] != expected[108]
    assert np.array_equal(found[109:], expected[109:])


@pytest.mark.usefixtures("oasis")
def test_a_recording_without_neurons_is_no_error():
    assert CausalDeconvolution(PERIOD_S).update(np.zeros((0, 5), np.float32), first=0).shape == (
        0,
        5,
    )


@pytest.mark.usefixtures("oasis")
@pytest.mark.parametrize(("period_s", "decay_s"), [(0.0, 0.52), (0.6, 0.0), (0.6, float("nan"))])
def test_times_that_are_none_are_refused(period_s, decay_s):
    with pytest.raises(ValueError, match="above 0 s"):
        CausalDeconvolution(period_s, decay_s=decay_s)


@pytest.mark.usefixtures("oasis")
def test_with_the_package_there_is_no_reason_against_it():
    assert why_no_deconvolution() == ""


def test_without_the_package_the_way_to_install_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "oasis", None)
    monkeypatch.setitem(sys.modules, "oasis.oasis_methods", None)
    with pytest.raises(PluginError, match=r'pip install "napari-acll\[deconvolution\]"'):
        CausalDeconvolution(PERIOD_S)
    assert "GPL-3" in why_no_deconvolution()
