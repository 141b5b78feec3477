import dataclasses

import numpy as np
import pytest

from napari_acll.core import NeuronTable, TraceSample, VolumeStatus
from napari_acll.quality import MEASURED, TraceQuality, quality_of, relative_noise

N_NEURONS = 30
VOXEL_UM = (1.5, 0.3, 0.3)
NEURONS = NeuronTable.numbered(N_NEURONS)
TRACED, SKIPPED = VolumeStatus.TRACED, VolumeStatus.SKIPPED


def sample(
    index,
    *,
    ratio=None,
    confidence=None,
    centroid_um=None,
    marker=None,
    n_voxels=None,
    status=TRACED,
):
    empty = TraceSample.absent(index, index * 0.6, N_NEURONS, status)
    values = {"ratio": ratio, "confidence": confidence, "marker": marker, "n_voxels": n_voxels}
    if centroid_um is not None:
        values["centroid_px"] = centroid_um / np.array(VOXEL_UM)
    given = {name: np.float32(value) for name, value in values.items() if value is not None}
    return dataclasses.replace(empty, **given)


def measured(samples):
    quality = TraceQuality(NEURONS, VOXEL_UM)
    for one in samples:
        quality.add(one)
    return quality.measures()


def all_present(value=0.9):
    return np.full(N_NEURONS, value, np.float32)


def test_coverage_is_the_part_of_the_labeled_volumes_in_which_the_name_was_given():
    half = all_present()
    half[0] = np.nan
    found = measured(
        [
            sample(0, confidence=all_present()),
            sample(1, confidence=half),
            sample(2, status=SKIPPED),
            sample(3, status=VolumeStatus.UNLABELABLE),
            sample(1, confidence=half, status=VolumeStatus.BACKFILLED),
            sample(4, confidence=all_present(0.5)),
        ]
    )
    assert found.coverage[0] == pytest.approx(2 / 4)
    assert (found.coverage[1:] == 1).all()
    assert (found.confidence == 0.5).all()


def test_the_present_confidence_is_not_that_of_a_volume_that_was_labeled_later():
    later = sample(1, confidence=all_present(0.2), status=VolumeStatus.BACKFILLED)
    found = measured(
        [sample(0, confidence=all_present()), sample(2, confidence=all_present()), later]
    )
    assert (found.confidence == np.float32(0.9)).all()


@pytest.mark.parametrize(("amplitude", "noise"), [(0.0, 0.1), (0.3, 0.1), (1.0, 0.1)])
def test_signal_to_noise_is_that_of_a_slow_sine_in_white_noise(amplitude, noise):
    rng = np.random.default_rng(1)
    steps = np.arange(2000)
    slow = 2 + amplitude * np.sin(2 * np.pi * steps / 100)
    ratio = slow[:, None] + noise * rng.standard_normal((len(steps), N_NEURONS))
    found = measured(sample(index, ratio=ratio[index]) for index in steps)
    expected = amplitude / np.sqrt(2) / noise
    assert np.median(found.signal_to_noise) == pytest.approx(expected, rel=0.15, abs=0.25)


def test_a_single_outlier_hardly_changes_the_noise():
    rng = np.random.default_rng(2)
    ratio = (
        2 + np.sin(np.arange(1000) / 20)[:, None] + 0.1 * rng.standard_normal((1000, N_NEURONS))
    )
    calm = measured(sample(index, ratio=ratio[index]) for index in range(1000))
    ratio[900] += 1.0
    jolted = measured(sample(index, ratio=ratio[index]) for index in range(1000))
    change = np.median(jolted.signal_to_noise / calm.signal_to_noise)
    assert 0.8 < change < 1.0


def test_across_a_gap_there_is_no_difference_and_no_jump():
    rng = np.random.default_rng(3)
    at_um = rng.uniform(0, 60, (N_NEURONS, 3))
    apart = measured(
        sample(2 * index, ratio=rng.standard_normal(N_NEURONS), centroid_um=at_um)
        for index in range(100)
    )
    assert np.isnan(apart.signal_to_noise).all()
    assert np.isnan(apart.jump_um).all()


def test_an_animal_that_moves_turns_and_stretches_makes_no_neuron_jump():
    rng = np.random.default_rng(4)
    at_um = rng.uniform(0, 60, (N_NEURONS, 3))
    samples = []
    for index in range(60):
        angle = 0.3 * np.sin(index / 3)
        turn = np.array(
            [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
        )
        moved = (1 + 0.1 * np.cos(index / 4)) * at_um @ turn.T + [0, 5 * index, 3 * index]
        samples.append(sample(index, centroid_um=moved))
    assert measured(samples).jump_um.max() < 1e-2


def test_the_jump_is_the_mean_length_of_what_a_neuron_moves_by_itself():
    rng = np.random.default_rng(5)
    at_um = rng.uniform(0, 60, (N_NEURONS, 3))
    sigma_um = 0.2
    found = measured(
        sample(index, centroid_um=at_um + sigma_um * rng.standard_normal((N_NEURONS, 3)))
        for index in range(600)
    )
    # a step is the difference of two places, each normal in three dimensions, and the affine
    # motion takes 4 of the 30 degrees of freedom of each axis
    expected_um = np.sqrt(2) * sigma_um * np.sqrt(8 / np.pi) * np.sqrt(1 - 4 / N_NEURONS)
    assert np.median(found.jump_um) == pytest.approx(expected_um, rel=0.1)


def test_two_names_that_change_places_jump_and_the_others_hardly():
    rng = np.random.default_rng(6)
    at_um = rng.uniform(0, 60, (N_NEURONS, 3))
    at_um[:2] = [[30, 20, 30], [30, 40, 30]]
    order = np.arange(N_NEURONS)
    swapped = order.copy()
    swapped[:2] = [1, 0]
    found = measured(
        sample(index, centroid_um=at_um[swapped if index % 2 else order]) for index in range(60)
    )
    assert (found.jump_um[:2] > 12).all()
    assert found.jump_um[2:].max() < 5


def test_too_few_values_tell_nothing():
    rng = np.random.default_rng(7)
    at_um = rng.uniform(0, 60, (N_NEURONS, 3))
    found = measured(
        sample(index, ratio=rng.standard_normal(N_NEURONS), centroid_um=at_um)
        for index in range(10)
    )
    assert np.isnan(found.jump_um).all()
    assert np.isnan(found.signal_to_noise).all()


def test_too_few_neurons_have_no_motion_to_compare_with():
    at_um = np.full((N_NEURONS, 3), np.nan)
    at_um[:7] = np.random.default_rng(8).uniform(0, 60, (7, 3))
    found = measured(sample(index, centroid_um=at_um) for index in range(60))
    assert np.isnan(found.jump_um).all()


def test_what_was_read_does_not_change_afterwards():
    quality = TraceQuality(NEURONS, VOXEL_UM)
    quality.add(sample(0, confidence=all_present()))
    before = quality.measures()
    quality.add(sample(1, confidence=all_present(np.nan)))
    assert (before.coverage == 1).all()
    assert (before.confidence == np.float32(0.9)).all()


def test_before_the_first_volume_nothing_is_known():
    found = measured([])
    assert (found.coverage == 0).all()
    assert np.isnan(found.confidence).all()


def test_the_mean_confidence_and_its_spread_are_those_of_the_names_that_were_given():
    # 40 volumes weigh nearly the same in a memory of 200
    pattern = [0.9, 0.5, np.nan, 0.5, 0.9]
    found = measured(
        sample(index, confidence=all_present(pattern[index % 5])) for index in range(40)
    )
    np.testing.assert_allclose(found.mean_confidence, 0.7, atol=0.01)
    np.testing.assert_allclose(found.confidence_spread, 0.2, atol=0.01)
    assert (found.n_found == 32).all()
    assert (found.n_sure == 16).all()


def test_the_size_varies_by_its_deviation_over_its_mean():
    sizes = [np.full(N_NEURONS, 8 if index % 2 else 12) for index in range(40)]
    found = measured(sample(index, n_voxels=size) for index, size in enumerate(sizes))
    np.testing.assert_allclose(found.size_variation, 0.2, atol=0.01)


def test_brightness_that_changes_for_all_alike_is_no_variation_and_that_of_one_neuron_is():
    samples = []
    for index in range(40):
        marker = 1000 * np.exp(-index / 20) * np.linspace(0.5, 2.0, N_NEURONS)
        marker[-1] *= 0.8 if index % 2 else 1.2
        samples.append(sample(index, marker=marker))
    variation = measured(samples).marker_variation
    np.testing.assert_allclose(variation[:-1], 0, atol=1e-6)
    assert variation[-1] == pytest.approx(0.2, abs=0.01)


def test_the_noise_is_told_relative_to_the_ratio_and_as_whole_traces_have_it():
    rng = np.random.default_rng(9)
    ratio = 2 + 0.1 * rng.standard_normal((1000, N_NEURONS))
    found = measured(sample(index, ratio=ratio[index]) for index in range(1000))
    assert np.median(found.noise) == pytest.approx(0.05, rel=0.1)
    np.testing.assert_allclose(relative_noise(ratio).mean(), 0.05, rtol=0.03)


def test_partners_that_share_half_of_their_variance_correlate_by_a_half():
    neurons = NeuronTable(("AVAL", "AVAR", "ALA"))
    rng = np.random.default_rng(10)
    quality = TraceQuality(neurons, VOXEL_UM)
    for index in range(2000):
        shared, *own = rng.standard_normal(4)
        empty = TraceSample.absent(index, 0.0, 3, TRACED)
        quality.add(dataclasses.replace(empty, ratio=np.float32(shared + np.array(own))))
    found = quality.measures().partner_correlation
    # the memory is worth some 400 volumes: the standard error of r is (1 - r^2) / 20
    assert found[0] == found[1] == pytest.approx(0.5, abs=0.12)
    assert np.isnan(found[2])


def test_an_animal_is_measured_over_all_of_its_neurons():
    quality = TraceQuality(NEURONS, VOXEL_UM)
    assert np.isnan(quality.animal().mean_confidence)
    half = all_present(0.6)
    half[:15] = np.nan
    for index in range(10):
        quality.add(sample(index, confidence=half), novelty=0.25)
    animal = quality.animal()
    assert animal.n_labeled == 10
    assert animal.newest_index == 9
    assert animal.names_per_volume == pytest.approx(15)
    assert animal.mean_confidence == pytest.approx(0.6)
    assert animal.novelty == pytest.approx(0.25)


def test_a_recording_that_is_kept_has_the_measures_that_it_had_while_it_ran():
    rng = np.random.default_rng(11)
    samples = [
        sample(
            index,
            ratio=rng.uniform(1, 2, N_NEURONS),
            confidence=rng.uniform(0.2, 1, N_NEURONS),
            centroid_um=rng.uniform(0, 60, (N_NEURONS, 3)),
            marker=rng.uniform(100, 200, N_NEURONS),
            n_voxels=rng.integers(50, 90, N_NEURONS),
            status=SKIPPED if index == 12 else TRACED,
        )
        for index in range(50)
    ]
    kept = quality_of(
        NEURONS,
        VOXEL_UM,
        status=np.array([one.status for one in samples], np.uint8),
        values={name: np.array([getattr(one, name) for one in samples]) for name in MEASURED},
        novelty=np.full(50, 0.1),
    )
    live, again = measured(samples), kept.measures()
    for field in dataclasses.fields(live):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(live, field.name))
