from dataclasses import replace

import numpy as np
import pytest
from tests.trace.scenes import (
    BACKGROUND,
    SHAPE,
    grid_of_centers,
    labeled_of,
    light_of,
    neurons,
    volume_of,
)

from napari_acll.core import (
    ChannelAlignment,
    Detections,
    NeuronTable,
    TraceEstimator,
    TraceFlag,
    TraceSettings,
    VoxelGrid,
)
from napari_acll.testing import TraceEstimatorContract, expected_ratio, fake_labeled, fake_volume
from napari_acll.trace import EngineParts, EngineTraceEstimator, RatioTraceEstimator
from napari_acll.trace._footprints import FOOTPRINT_SIGMA_UM, NUCLEUS_SIGMA_UM

SAME = ChannelAlignment.identity()


class TestEngineTraceEstimator(TraceEstimatorContract):
    def make_estimator(self, neurons: NeuronTable) -> TraceEstimator:
        return EngineTraceEstimator(neurons, TraceSettings())


def engine(n: int, **parts) -> EngineTraceEstimator:
    return EngineTraceEstimator(neurons(n), TraceSettings(), parts=EngineParts(**parts))


def sample_of(center_px, marker, activity, **parts):
    volume = volume_of(light_of(center_px, marker), light_of(center_px, activity))
    labeled = labeled_of(volume, center_px)
    return engine(len(center_px), **parts).estimate(volume, labeled, SAME)


def test_the_heights_of_lone_nuclei_are_found():
    center_px = grid_of_centers(6) + 0.3
    marker, activity = np.linspace(200, 700, 6), np.linspace(300, 50, 6)
    sample = sample_of(center_px, marker, activity)
    np.testing.assert_allclose(sample.marker, marker, rtol=0.04)
    np.testing.assert_allclose(sample.ratio, activity / marker, rtol=0.03)
    assert not sample.flags.any()


def test_even_masks_have_the_ratio_of_the_closed_form():
    volume = replace(fake_volume(5), marker_background=100.0, activity_background=50.0)
    names = NeuronTable(("AVAL", "AVAR", "RIBL", "OLLR"))
    estimator = EngineTraceEstimator(
        names, TraceSettings(), parts=EngineParts(fits_footprints=False)
    )
    sample = estimator.estimate(volume, fake_labeled(volume), SAME)
    np.testing.assert_allclose(sample.ratio[:3], expected_ratio(5), rtol=1e-6)


def test_a_nucleus_with_a_brighter_neighbors_light_in_it_is_marked():
    hidden_px = np.array([[10.0, 20.0, 31.0]])
    center_px = np.array([[10.0, 20.0, 28.0], [10.0, 20.0, 50.0]])  # 1.5 um from it, and far away
    activity = light_of(center_px, [100.0, 100.0]) + light_of(hidden_px, [700.0])
    volume = volume_of(light_of(center_px, [400.0, 400.0]), activity)
    sample = engine(2).estimate(volume, labeled_of(volume, center_px), SAME)
    assert [bool(flags & TraceFlag.OVERLAPPED) for flags in sample.flags] == [True, False]
    assert sample.flags[0] & TraceFlag.SUSPECT


def test_a_dark_nucleus_in_noise_is_not_said_to_overlap():
    rng = np.random.default_rng(8)
    center_px = grid_of_centers(24)
    light = light_of(center_px, np.full(24, 40.0))
    estimator, flags = engine(24), []
    for index in range(20):
        volume = volume_of(light, 0.5 * light, index=index, rng=rng)
        labeled = labeled_of(volume, center_px)
        flags.append(estimator.estimate(volume, labeled, SAME).flags & TraceFlag.OVERLAPPED)
    is_marked = np.stack(flags) > 0
    assert is_marked.mean() < 0.06
    assert is_marked[0].sum() <= 2  # nothing is known of the noise before, but there is its own


def test_an_activity_below_its_background_is_never_negative():
    center_px = grid_of_centers(4)
    volume = volume_of(
        light_of(center_px, np.full(4, 400.0)), light_of(center_px, np.full(4, -40.0))
    )
    sample = engine(4).estimate(volume, labeled_of(volume, center_px), SAME)
    assert (sample.ratio == 0.0).all()


def test_stray_voxels_do_not_move_a_nucleus():
    center_px = grid_of_centers(4)
    marker, activity = np.full(4, 500.0), np.full(4, 250.0)
    volume = volume_of(light_of(center_px, marker), light_of(center_px, activity))
    labeled = labeled_of(volume, center_px)
    instances = labeled.instances.copy()
    instances[0:3, 34:39, 49:54] = 1  # 75 voxels, more than twice its own; nothing is there
    stray = np.argwhere(instances == 1).mean(axis=0)
    centroid_px = labeled.detections.centroid_px.copy()
    centroid_px[0] = stray
    labeled = replace(
        labeled,
        instances=instances,
        detections=replace(labeled.detections, centroid_px=centroid_px),
    )
    sample = engine(4).estimate(volume, labeled, SAME)
    np.testing.assert_allclose(sample.marker, 500, rtol=0.05)
    plain = RatioTraceEstimator(neurons(4), TraceSettings()).estimate(volume, labeled, SAME)
    assert plain.marker[0] < 0.8 * plain.marker[1]


def test_a_detection_without_voxels_between_slices_that_are_far_apart_costs_no_volume():
    center_px = grid_of_centers(6)
    volume = volume_of(
        light_of(center_px, np.full(6, 400.0)), light_of(center_px, np.full(6, 800.0))
    )
    coarse = VoxelGrid.as_stored(SHAPE, (5.0, 0.5, 0.5))  # no footprint reaches 2.5 um along z
    volume = replace(volume, spec=replace(volume.spec, grid=coarse))
    labeled = labeled_of(volume, center_px)
    labeled.instances[labeled.instances == 6] = 0
    labeled.detections.centroid_px[5, 0] += 0.5
    sample = engine(6).estimate(volume, labeled, SAME)
    np.testing.assert_allclose(sample.ratio[:5], 2.0, rtol=0.03)
    assert np.isnan(sample.ratio[5])


def test_the_activity_is_sampled_where_the_alignment_says():
    center_px = grid_of_centers(5)
    height = np.full(5, 400.0)
    moved_px = center_px + np.array([0.0, 1.5, -2.25])
    volume = volume_of(light_of(center_px, height), light_of(moved_px, 2 * height))
    alignment = ChannelAlignment(dy_um=1.5 * 0.5, dx_um=-2.25 * 0.5)
    sample = engine(5).estimate(volume, labeled_of(volume, center_px), alignment)
    # bilinear sampling at a part f of the way blurs by a variance of f (1 - f) voxels squared
    both = (np.square(NUCLEUS_SIGMA_UM) + np.square(FOOTPRINT_SIGMA_UM))[1:] / 0.5**2
    blurred = np.prod(np.sqrt(both / (both + np.array([0.5 * 0.5, 0.25 * 0.75]))))
    np.testing.assert_allclose(sample.ratio, 2.0 * blurred, rtol=0.01)
    elsewhere = engine(5).estimate(volume, labeled_of(volume, center_px), SAME)
    assert (elsewhere.ratio < 1.5).all()


def test_what_was_recorded_in_part_is_marked():
    center_px = np.array([[10.0, 20.0, 0.0], [10.0, 20.0, 30.0], [4.0, 8.0, 50.0]])
    marker, activity = np.full(3, 400.0), np.full(3, 200.0)
    dark = light_of(center_px, marker), light_of(center_px, activity)
    for light in dark:
        light[3] = -BACKGROUND
    volume = volume_of(*dark, missing_z=(3,))
    sample = engine(3).estimate(volume, labeled_of(volume, center_px), SAME)
    assert [bool(flags & TraceFlag.CUT_OFF) for flags in sample.flags] == [True, False, True]
    np.testing.assert_allclose(sample.ratio, 0.5, rtol=0.03)


def test_a_weak_marker_has_no_ratio_and_says_so():
    center_px = grid_of_centers(3)
    volume = volume_of(light_of(center_px, [400, 0.0, 300]), light_of(center_px, [200, 200, 200]))
    sample = engine(3).estimate(volume, labeled_of(volume, center_px), SAME)
    assert np.isnan(sample.ratio[1])
    assert sample.flags[1] & TraceFlag.WEAK_MARKER
    assert np.isfinite(sample.ratio[[0, 2]]).all()


@pytest.fixture(scope="module")
def noisy():
    """24 neurons of constant ratio 0.5 in 40 volumes of camera noise, by three estimators."""
    rng = np.random.default_rng(3)
    center_px = grid_of_centers(24) + rng.uniform(-0.5, 0.5, (24, 3))
    marker = rng.uniform(60, 200, 24)
    light = light_of(center_px, marker)
    estimators = {
        "engine": engine(24),
        "plain": engine(24, remembers_marker=False),
        "ratio": RatioTraceEstimator(neurons(24), TraceSettings()),
    }
    samples = {name: [] for name in estimators}
    labeled = labeled_of(volume_of(light, light), center_px)
    for index in range(40):
        volume = volume_of(light, 0.5 * light, index=index, rng=rng)
        for name, estimator in estimators.items():
            samples[name].append(estimator.estimate(volume, replace(labeled, index=index), SAME))
    return {name: np.stack([sample.ratio for sample in of]) for name, of in samples.items()}, {
        name: np.stack([sample.ratio_sd for sample in of]) for name, of in samples.items()
    }


def test_noise_is_less_than_that_of_a_ratio_of_means(noisy):
    ratio, _ = noisy
    scatter = {name: np.median(values[10:].std(axis=0)) for name, values in ratio.items()}
    assert scatter["engine"] < 0.9 * scatter["plain"] < 0.9 * scatter["ratio"]
    np.testing.assert_allclose(np.median(ratio["engine"][10:], axis=0), 0.5, atol=0.04)


def test_the_stated_sd_is_how_far_samples_scatter(noisy):
    ratio, sd = noisy
    z = (ratio["engine"][20:] - 0.5) / sd["engine"][20:]
    assert 0.75 < z.std() < 1.3
    assert np.isnan(sd["ratio"]).all()


def test_a_volume_that_comes_later_teaches_nothing():
    center_px = grid_of_centers(10)
    light = light_of(center_px, np.full(10, 300.0))
    rng = np.random.default_rng(1)
    volumes = [volume_of(light, 0.5 * light, index=index, rng=rng) for index in range(8)]
    late = replace(volumes[3], marker=volumes[3].marker + np.uint16(200))
    with_late, without = engine(10), engine(10)
    labeled = labeled_of(volumes[7], center_px)
    for estimator in (with_late, without):
        for index in (0, 1, 2, 4, 5, 6):
            estimator.estimate(volumes[index], labeled, SAME)
    with_late.estimate(late, labeled, SAME)
    a, b = (e.estimate(volumes[7], labeled, SAME) for e in (with_late, without))
    np.testing.assert_array_equal(a.ratio, b.ratio)


def test_a_blank_volume_that_warms_the_engine_up_teaches_nothing():
    center_px = grid_of_centers(10)
    light = light_of(center_px, np.full(10, 300.0))
    rng = np.random.default_rng(1)
    volumes = [volume_of(light, 0.5 * light, index=index, rng=rng) for index in range(3)]
    blank = volume_of(0 * light - BACKGROUND, 0 * light - BACKGROUND)
    labeled = labeled_of(volumes[0], center_px)
    nothing = replace(labeled, instances=0 * labeled.instances, detections=Detections.none())
    warm, cold = engine(10), engine(10)
    warm.estimate(blank, nothing, SAME)
    for volume in volumes:
        a, b = (one.estimate(volume, labeled, SAME) for one in (warm, cold))
        np.testing.assert_array_equal(a.ratio, b.ratio)
        np.testing.assert_array_equal(a.ratio_sd, b.ratio_sd)


def test_the_background_of_the_volume_is_told_beside_the_raw_sums():
    center_px = grid_of_centers(2)
    volume = volume_of(light_of(center_px, [300, 300]), light_of(center_px, [90, 90]))
    labeled = labeled_of(volume, center_px)
    sample = engine(2).estimate(volume, labeled, SAME)
    mask = labeled.instances == 1
    assert sample.marker_sum[0] == volume.marker[mask].sum()
    assert sample.activity_background == sample.marker_background == BACKGROUND
    assert sample.n_voxels[0] == mask.sum()
