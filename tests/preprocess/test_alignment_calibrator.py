from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from tests.preprocess.alignment_pairs import (
    ORIGINAL,
    UNCROPPED,
    Animal,
    Scene,
    as_volume,
    errors_of,
    make_pair,
)

from napari_acll.core import (
    AlignmentOrigin,
    AlignmentSettings,
    ChannelAlignment,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.preprocess import AlignmentCalibrator, estimate_alignment

PX = 0.54
SETTINGS = AlignmentSettings()
STILL = ChannelAlignment.identity()


def truth_px(dy_px, dx_px, theta_deg):
    return ChannelAlignment(dy_um=dy_px * PX, dx_um=dx_px * PX, theta_deg=theta_deg)


def pairs_of(seed, truth, scene, n_volumes):
    rng = np.random.default_rng(seed)
    animal = Animal.random(rng, scene)
    return [make_pair(rng, animal.posed(rng), truth, scene) for _ in range(n_volumes)]


def calibrator_of(pairs, grid, settings=SETTINGS):
    spec = VolumeSpec(grid=grid, period_s=0.6)
    calibrator = AlignmentCalibrator(spec, settings)
    for index, (marker, activity) in enumerate(pairs):
        calibrator.add(as_volume(marker, activity, spec, index))
    return calibrator


@pytest.fixture(scope="module")
def truth():
    return truth_px(3.3, -4.6, 0.8)


@pytest.fixture(scope="module")
def pair(truth):
    """One realistic volume, for tests of what is *not* its precision."""
    return pairs_of(11, truth, Scene(), 1)[0]


@pytest.fixture(scope="module")
def unrelated():
    """Channels of different animals: there is something to see, but nothing to align."""
    pairs = [pairs_of(seed, STILL, Scene(), 1)[0] for seed in (21, 22)]
    return pairs[0][0], pairs[1][1]


# Realistic pairs: 40 % of the nuclei dark in activity, brightness independent between channels,
# noise, haze, bleed-through, sheared slices, another pose in every volume.
@pytest.mark.parametrize(
    ("seed", "grid", "dy_px", "dx_px", "theta_deg"),
    [
        (1, ORIGINAL, 0.0, 0.0, 0.0),
        (2, ORIGINAL, 14.7, -14.6, 2.0),
        (3, ORIGINAL, -15.0, 9.3, -2.0),
        (5, UNCROPPED, 15.0, 15.0, -2.0),
    ],
)
def test_five_realistic_volumes_give_a_tenth_of_a_pixel(seed, grid, dy_px, dx_px, theta_deg):
    truth = truth_px(dy_px, dx_px, theta_deg)
    found = calibrator_of(pairs_of(seed, truth, Scene(grid=grid), 5), grid).result()
    center, corner, angle = errors_of(found, truth, grid)
    assert center <= 0.1
    assert angle <= 0.05
    assert corner <= 0.2  # 0.05 degrees are 0.13 to 0.17 px at the corners
    assert found.is_trusted
    assert found.origin is AlignmentOrigin.CALIBRATED
    assert found.n_volumes == 5
    assert found.spread_um < 0.3 * PX


def test_the_alignment_moves_a_nucleus_where_the_activity_camera_sees_it():
    truth = truth_px(2.0, -3.0, 1.5)
    found = calibrator_of(pairs_of(7, truth, Scene(), 5), ORIGINAL).result()
    center_y, center_x = 59.5, 141.5
    y, x = found.to_activity_px(np.array(center_y + 10), np.array(center_x + 80), grid=ORIGINAL)
    turn = np.deg2rad(1.5)
    assert y == pytest.approx(center_y + 10 * np.cos(turn) + 80 * np.sin(turn) + 2.0, abs=0.15)
    assert x == pytest.approx(center_x - 10 * np.sin(turn) + 80 * np.cos(turn) - 3.0, abs=0.15)


def test_a_crop_off_the_center_turns_about_the_center_of_the_full_frame():
    grid = VoxelGrid(
        shape=(64, 120, 284),
        voxel_size_um=(PX, PX, PX),
        stored_shape=(64, 700, 1400),
        start_px=(0, 20, 500),
        bin_px=(1, 3, 3),
    )
    truth = truth_px(-5.0, 6.0, 1.8)
    found = calibrator_of(pairs_of(8, truth, Scene(grid=grid), 5), grid).result()
    _, corner, angle = errors_of(found, truth, grid)
    assert corner <= 0.2
    assert angle <= 0.05


@pytest.mark.parametrize(
    "change",
    [
        {"marker_counts": 50.0, "activity_counts": 19.0, "haze_counts": 8.0},
        {"bleed_fraction": 0.3},
        {"dark_fraction": 0.7, "haze_counts": 300.0},
        {"activity_z_px": 2.0},
        {"shear_px": 4.0},
    ],
    ids=["an eighth of the light", "bleed-through", "dark and hazy", "focus shift", "shear"],
)
def test_hard_conditions_stay_within_a_fifth_of_a_pixel(change):
    truth = truth_px(-6.3, 11.2, -1.4)
    scene = replace(Scene(), **change)
    found = calibrator_of(pairs_of(9, truth, scene, 3), ORIGINAL, AlignmentSettings(n_volumes=3))
    center, _, angle = errors_of(found.result(), truth, ORIGINAL)
    assert found.result().is_trusted
    assert center <= 0.2
    assert angle <= 0.1


def test_unbinned_pixels_of_other_sizes_give_the_same_alignment():
    truth = ChannelAlignment(dy_um=1.9, dx_um=-2.7, theta_deg=1.1)
    grid = VoxelGrid.as_stored((20, 240, 426), (1.08, 0.27, 0.36))
    rng = np.random.default_rng(10)
    animal = Animal.random(rng, Scene())
    position = animal.position_px * PX / np.array(grid.voxel_size_um)
    sigma = tuple(
        s * PX / size for s, size in zip((3.0, 2.2, 2.2), grid.voxel_size_um, strict=True)
    )
    scene = Scene(grid=grid, sigma_px=sigma, shear_px=0.0)
    pair = make_pair(rng, replace(animal, position_px=position), truth, scene)
    found = estimate_alignment(*pair, grid=grid, settings=SETTINGS)
    center, _, angle = errors_of(found, truth, grid)  # center in pixels of 0.27 by 0.36 um
    assert found.is_trusted
    assert center <= 0.4
    assert angle <= 0.1


def test_one_volume_is_estimated_without_a_spread(pair, truth):
    found = estimate_alignment(*pair, grid=ORIGINAL, settings=SETTINGS)
    center, _, _ = errors_of(found, truth, ORIGINAL)
    assert center <= 0.1
    assert found.is_trusted
    assert found.spread_um is None


def test_an_estimate_is_the_same_every_time(pair):
    first, second = (estimate_alignment(*pair, grid=ORIGINAL, settings=SETTINGS) for _ in "ab")
    assert first == second


def empty(pair):
    rng = np.random.default_rng(0)
    return tuple(rng.poisson(130, channel.shape).astype(np.uint16) for channel in pair)


def constant(pair):
    return tuple(np.full_like(channel, 65535) for channel in pair)


def saturated(pair):
    return tuple(np.minimum(channel, 250) for channel in pair)


def blurred(pair):
    rng = np.random.default_rng(0)
    soft = (ndimage.gaussian_filter(channel.astype(np.float32), 5) for channel in pair)
    return tuple(np.rint(s + rng.normal(0, 4, s.shape)).astype(np.uint16) for s in soft)


def without_activity(pair):
    return pair[0], empty(pair)[1]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (empty, "the marker channel shows 0 nuclei"),
        (constant, "the marker channel shows 0 nuclei"),
        (saturated, "saturated"),
        (blurred, "blurred"),
        (without_activity, "the activity channel shows 0 nuclei"),
    ],
)
def test_volumes_without_information_do_not_count(pair, spoil, reason):
    calibrator = calibrator_of([spoil(pair), pair], ORIGINAL, AlignmentSettings(n_volumes=1))
    assert calibrator.n_usable == 1
    (unused,) = calibrator.unused
    assert unused.index == 0
    assert reason in unused.reason
    assert calibrator.result().is_trusted


def test_only_empty_volumes_give_an_untrusted_identity_that_says_why(pair):
    calibrator = calibrator_of([empty(pair)] * 3, ORIGINAL, AlignmentSettings(max_wait_volumes=3))
    assert calibrator.is_done
    result = calibrator.result()
    assert not result.is_trusted
    assert (result.dy_um, result.dx_um, result.theta_deg) == (0.0, 0.0, 0.0)
    assert result.note.startswith("Only 0 of 3 volumes could be used")
    assert "0 nuclei" in result.note


def test_a_recording_shorter_than_the_calibration_is_not_trusted(pair, truth):
    calibrator = calibrator_of([pair] * 2, ORIGINAL)
    assert not calibrator.is_done
    result = calibrator.result()
    assert not result.is_trusted
    assert "Only 2 of 2 volumes" in result.note
    assert errors_of(result, truth, ORIGINAL)[0] <= 0.1  # what was found is still said


def test_a_result_asked_early_is_brought_up_to_date(pair):
    calibrator = calibrator_of([pair], ORIGINAL, AlignmentSettings(n_volumes=2))
    assert not calibrator.result().is_trusted
    calibrator.add(as_volume(*pair, VolumeSpec(grid=ORIGINAL, period_s=0.6), 1))
    assert calibrator.result().is_trusted


def test_channels_of_different_animals_are_not_trusted(unrelated):
    found = calibrator_of([unrelated], ORIGINAL, AlignmentSettings(n_volumes=1)).result()
    assert not found.is_trusted
    assert found.note


def test_volumes_that_disagree_are_not_trusted():
    moved = [pairs_of(seed, truth_px(2.0 * seed, 0, 0), Scene(), 1)[0] for seed in (1, 2, 3)]
    found = calibrator_of(moved, ORIGINAL, AlignmentSettings(n_volumes=3)).result()
    assert found.spread_um > PX
    assert not found.is_trusted
    assert "disagree" in found.note


def test_one_bad_volume_of_five_does_not_decide(truth, unrelated):
    found = calibrator_of([unrelated, *pairs_of(12, truth, Scene(), 4)], ORIGINAL).result()
    center, _, angle = errors_of(found, truth, ORIGINAL)
    assert found.is_trusted
    assert center <= 0.15
    assert angle <= 0.08


def test_a_shift_beyond_the_search_is_not_trusted(pair):
    settings = AlignmentSettings(n_volumes=1, max_shift_um=1.2)
    found = calibrator_of([pair], ORIGINAL, settings).result()
    assert not found.is_trusted
    assert "beyond the search" in found.note or "too little" in found.note


def test_calibration_can_be_switched_off():
    calibrator = calibrator_of([], ORIGINAL, AlignmentSettings(n_volumes=0))
    assert calibrator.is_done
    assert not calibrator.result().is_trusted
    assert "switched off" in calibrator.result().note


def test_volumes_are_not_held(pair):
    import gc
    import weakref

    spec = VolumeSpec(grid=ORIGINAL, period_s=0.6)
    calibrator = AlignmentCalibrator(spec, SETTINGS)
    marker, activity = (channel.copy() for channel in pair)
    kept = weakref.ref(marker), weakref.ref(activity)
    calibrator.add(as_volume(marker, activity, spec))
    del marker, activity
    gc.collect()
    assert [one() for one in kept] == [None, None]


@pytest.mark.parametrize("shape", [(10, 31, 38), (1, 8, 9), (2, 5, 300)])
def test_tiny_frames_are_refused_and_do_not_fail(shape):
    rng = np.random.default_rng(0)
    marker, activity = rng.integers(0, 4096, (2, *shape)).astype(np.uint16)
    grid = VoxelGrid.as_stored(shape, (0.54, 0.54, 0.54))
    assert not estimate_alignment(marker, activity, grid=grid, settings=SETTINGS).is_trusted


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32])
def test_other_integer_types_are_aligned_too(pair, truth, dtype):
    light = (
        np.clip(channel.astype(int) - 100, 0, 255 if dtype is np.uint8 else None)
        for channel in pair
    )
    marker, activity = (channel.astype(dtype) for channel in light)
    found = estimate_alignment(marker, activity // 1, grid=ORIGINAL, settings=SETTINGS)
    if dtype is np.uint32:
        assert found.is_trusted
        assert errors_of(found, truth, ORIGINAL)[0] <= 0.1
    else:
        assert "saturated" in found.note  # 8 bits are too few for these counts
