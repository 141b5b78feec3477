import numpy as np
import pytest
from tests.trace.scenes import BACKGROUND, GAIN, READ_NOISE, SHAPE, VOXEL_UM, light_of, volume_of

from napari_acll.trace._camera_noise import CameraNoise
from napari_acll.trace._footprints import FOOTPRINT_SIGMA_UM, fit_footprints
from napari_acll.trace._impulses import Impulses
from napari_acll.trace._light_correction import LightCorrection
from napari_acll.trace._marker_memory import MarkerMemory
from napari_acll.trace._ratio_noise import RatioNoise

N = 40


def denominators(memory, marker, activity):
    """Feed a recording, (n, n_volumes); return the denominators."""
    result = []
    for index in range(marker.shape[1]):
        result.append(memory.denominator(marker[:, index]))
        memory.learn(marker[:, index], activity[:, index], follows=index > 0)
    return result


def test_a_marker_that_fluctuates_by_itself_is_steadied():
    rng = np.random.default_rng(0)
    marker = 100 * np.exp(0.1 * rng.standard_normal((N, 150)))
    activity = 50 * np.exp(0.02 * rng.standard_normal((N, 150)))
    below = denominators(MarkerMemory(N), marker, activity)
    late = np.stack([d.marker for d in below[60:]])
    assert np.log(late).std(axis=0).mean() < 0.04
    assert np.mean([d.own_weight.mean() for d in below[60:]]) < 0.25


def test_what_both_channels_share_is_divided_out():
    rng = np.random.default_rng(1)
    common = np.exp(0.1 * rng.standard_normal((N, 150)))
    noise = np.exp(0.02 * rng.standard_normal((2, N, 150)))
    marker, activity = 100 * common * noise[0], 50 * common * noise[1]
    below = denominators(MarkerMemory(N), marker, activity)
    ratio = np.stack([activity[:, k] / below[k].marker for k in range(60, 150)])
    assert np.log(ratio).std(axis=0).mean() < 0.04
    assert np.mean([d.own_weight.mean() for d in below[60:]]) > 0.85


def test_what_all_markers_do_at_once_is_divided_out_at_once():
    rng = np.random.default_rng(2)
    marker = 100 * np.exp(0.05 * rng.standard_normal((N, 60)))
    marker[:, 40:] *= 1.3
    activity = np.full((N, 60), 50.0)
    below = denominators(MarkerMemory(N), marker, activity)
    step = np.median(below[40].marker) / np.median(below[39].marker)
    assert step == pytest.approx(1.3, rel=0.03)
    assert not below[40].is_jump.any()


def test_another_nucleus_under_the_name_has_its_own_marker_and_a_mark():
    rng = np.random.default_rng(3)
    marker = 100 * np.exp(0.05 * rng.standard_normal((N, 60)))
    marker[7, 50:] *= 3
    below = denominators(MarkerMemory(N), marker, np.full((N, 60), 50.0))
    assert np.flatnonzero(below[50].is_jump).tolist() == [7]
    assert below[50].marker[7] == marker[7, 50]
    assert not below[59].is_jump[7]  # by then it is the usual one


def test_the_first_volume_has_the_plain_ratio():
    marker = np.linspace(50, 500, N)
    first = MarkerMemory(N).denominator(marker)
    np.testing.assert_array_equal(first.marker, marker)
    assert not first.is_jump.any()


def test_the_noise_of_a_camera_is_found_in_its_volumes():
    rng = np.random.default_rng(4)
    light = np.zeros(SHAPE)
    light[:, 20:] = 300.0
    center_px = np.argwhere(light[4:16:3, ::4, ::4] > 0) * [3, 4, 4] + [4, 0, 0]
    noise = CameraNoise()
    for index in range(6):
        volume = volume_of(light, light, index=index, rng=rng)
        noise.learn(volume.marker, center_px + 0.2, background=120.0, missing_z=())
    assert noise.dark_variance == pytest.approx(READ_NOISE**2 + GAIN * 20.0, rel=0.3)
    assert noise.counts_per_photon == pytest.approx(GAIN, rel=0.1)


def test_a_camera_that_was_not_seen_has_no_noise():
    assert CameraNoise().dark_variance == CameraNoise().counts_per_photon == 0.0
    assert (CameraNoise().of_height(np.array([10.0])) == 0).all()
    assert np.isnan(CameraNoise().relative(np.array([10.0]))).all()


def _apart(marker, activity, *, off_px=(0.0, 0.0, 0.0)):
    """Return how far apart the channels shine at the first of two nuclei, 1.5 um away."""
    center_px = np.array([[10.0, 20.0, 20.0], [10.0, 20.0, 23.0]])
    volume = volume_of(light_of(center_px, marker), light_of(center_px, activity))
    light = fit_footprints(
        volume.marker,
        volume.activity,
        center_px + off_px,
        sigma_px=np.array(FOOTPRINT_SIGMA_UM) / VOXEL_UM,
        background=(BACKGROUND, BACKGROUND),
        to_activity=np.eye(2, 3),
        missing_z=(),
    )
    return light.apart[0]


def test_light_of_another_nucleus_moves_the_channel_in_which_that_is_brighter():
    alone = _apart([400.0, 0.0], [800.0, 0.0], off_px=(0.5, 1.0, -1.0))
    alike = _apart([400.0, 200.0], [800.0, 400.0], off_px=(0.5, 1.0, -1.0))
    assert max(alone, alike) < 0.02
    assert _apart([400.0, 20.0], [400.0, 400.0]) > 0.2
    assert _apart([400.0, 400.0], [400.0, 20.0]) > 0.2
    assert _apart([400.0, 20.0], [400.0, 800.0]) > _apart([400.0, 20.0], [400.0, 400.0])


def test_channels_without_light_are_not_apart():
    assert np.isnan(_apart([0.0, 0.0], [400.0, 0.0]))
    assert np.isnan(_apart([400.0, 0.0], [0.0, 0.0]))


def _judged(impulses, ratio, sd):
    marked = []
    for index in range(ratio.shape[1]):
        marked.append(impulses.judge(ratio[:, index], np.full(len(ratio), sd)))
        impulses.learn(ratio[:, index])
    return np.stack(marked, axis=1)


def test_a_spike_is_marked_and_what_follows_is_not():
    rng = np.random.default_rng(6)
    ratio = 1 + 0.05 * rng.standard_normal((5, 60))
    ratio[2, 30] = 4.0
    marked = _judged(Impulses(5), ratio, 0.05)
    assert np.argwhere(marked).tolist() == [[2, 30]]


def test_a_new_level_is_marked_for_a_few_volumes_only():
    ratio = np.ones((1, 40))
    ratio[0, 20:] = 3.0
    marked = _judged(Impulses(1), ratio, 0.05)[0]
    assert marked[20]
    assert not marked[25:].any()


def test_noisy_neurons_are_not_marked_for_their_noise():
    rng = np.random.default_rng(7)
    marked = _judged(Impulses(100), 1 + 0.3 * rng.standard_normal((100, 100)), 0.3)
    assert marked.mean() < 0.005


def _ratios(n_volumes=300, *, seed=8, gain=None):
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.standard_normal((N, n_volumes)), axis=1) * 0.02
    return np.exp(slow + 0.04 * rng.standard_normal((N, n_volumes))) * (
        1.0 if gain is None else gain
    )


def _factors(ratio):
    light = LightCorrection(len(ratio))
    steps, factors = [], []
    for index in range(ratio.shape[1]):
        steps.append(light.learn(ratio[:, index], follows=index > 0))
        factors.append(light.factor)
    return np.array(factors), np.flatnonzero(steps)


def test_a_step_of_one_laser_is_taken_out_in_its_own_volume():
    gain = np.where(np.arange(300) >= 150, 15 / 13, 1.0)
    factors, steps = _factors(_ratios(gain=gain))
    assert steps.tolist() == [150]
    assert factors[150] / factors[149] == pytest.approx(13 / 15, rel=0.03)


def test_bleaching_of_one_channel_is_followed():
    gain = np.exp(-np.arange(900) * 0.6 / 600)
    corrected = (_factors(_ratios(900, gain=gain))[0] * gain)[300:]
    assert np.ptp(np.log(corrected)) < 0.3 * abs(np.log(gain[300] / gain[-1]))


def test_steady_light_is_left_alone():
    factors, steps = _factors(_ratios(seed=9))
    assert len(steps) == 0
    assert np.abs(np.log(factors)).max() < 0.1


def test_neurons_that_change_together_are_not_the_light():
    ratio = _ratios(seed=10)
    ratio[: N // 2, 150:] *= 1.5  # a state that half of them share
    ratio[N // 2 : 3 * N // 4, 150:] /= 1.5
    assert len(_factors(ratio)[1]) == 0


def test_few_neurons_tell_nothing_of_the_light():
    factors, steps = _factors(_ratios()[:10] * np.where(np.arange(300) >= 150, 1.5, 1.0))
    assert len(steps) == 0
    assert (factors == 1).all()


def test_scatter_beyond_the_cameras_is_learned():
    rng = np.random.default_rng(11)
    noise = RatioNoise(N)
    for index in range(200):
        ratio = 0.5 * (1 + 0.08 * rng.standard_normal(N))
        noise.learn(ratio, np.full(N, 1e-6), follows=index > 0)
    variance = noise.variance(np.full(N, 0.5), np.full(N, 1e-6))
    np.testing.assert_allclose(np.sqrt(variance), 0.04, rtol=0.2)
