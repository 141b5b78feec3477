from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import center_of_mass
from tests.simulate.virtual_worms import dark_optics, lone_nuclei, still_settings

from napari_acll.core import ChannelAlignment, VoxelGrid
from napari_acll.simulate import (
    ActivitySettings,
    DefectSettings,
    MotionSettings,
    VirtualWorm,
)

SMALL = VoxelGrid.as_stored((24, 70, 108), (1.62, 1.62, 1.62))


def center(counts: np.ndarray, offset: float = 100.0) -> np.ndarray:
    return np.array(center_of_mass(counts.astype(float) - offset))


def test_a_nucleus_is_drawn_where_the_truth_says() -> None:
    for place in ((0.0, 0.0, 0.0), (3.3, -7.8, 12.4)):
        worm = VirtualWorm(lone_nuclei(place), still_settings(), seed=1)
        truth = worm.truth(0).centroid_px[0]
        # still, so it is where it is at rest, about the center of the volume
        assert truth == pytest.approx(np.array([19.5, 29.5, 39.5]) + place, abs=1e-6)
        assert center(worm.render(0).marker) == pytest.approx(truth, abs=0.05)


def test_a_moving_nucleus_is_where_the_sweep_passes_it() -> None:
    worm = VirtualWorm(
        lone_nuclei((2.0, 4.0, -6.0)), still_settings(motion=MotionSettings()), seed=5
    )
    for index in range(4):
        truth = worm.truth(index)
        assert center(worm.render(index).marker) == pytest.approx(truth.centroid_px[0], abs=0.3)
        slice_time = np.interp(truth.centroid_px[0, 0], np.arange(40), worm.slice_times_s(index))
        assert truth.centroid_time_s[0] == pytest.approx(slice_time)


def test_slices_are_taken_one_after_the_other_so_motion_shears() -> None:
    column = lone_nuclei(*[(z, 0.0, 0.0) for z in range(-15, 16, 5)], radius_um=1.5)
    moving = replace(MotionSettings.still(), jitter_um=8.0, jitter_hz=0.5)
    worm = VirtualWorm(column, still_settings(motion=moving), seed=2)
    truth = worm.truth(1)
    offset_px = truth.slice_offset_um[np.round(truth.centroid_px[:, 0]).astype(int)]
    assert np.ptp(truth.centroid_px[:, 1:], axis=0).max() > 1.0
    assert truth.centroid_px[:, 1:] == pytest.approx(offset_px + np.array([29.5, 39.5]), abs=0.3)


def test_the_activity_camera_sees_through_the_alignment() -> None:
    alignment = ChannelAlignment(dy_um=2.5, dx_um=-3.5, theta_deg=4.0)
    worm = VirtualWorm(lone_nuclei((0.0, 10.0, 20.0)), still_settings(alignment=alignment), seed=1)
    volume = worm.render(0)
    z, y, x = center(volume.marker)
    moved = alignment.to_activity_px(np.array(y), np.array(x), grid=worm.spec.grid)
    assert center(volume.activity) == pytest.approx([z, *map(float, moved)], abs=0.05)
    assert worm.truth(0).alignment == alignment


def test_a_volume_is_the_same_in_whatever_order_it_is_read() -> None:
    settings = still_settings(grid=SMALL, motion=MotionSettings(), n_volumes=5)
    first = VirtualWorm.sample(3, settings=settings)
    forward = [first.render(index) for index in range(5)]
    second = VirtualWorm.sample(3, settings=settings)
    for index in (4, 1, 3):
        assert np.array_equal(second.render(index).marker, forward[index].marker)
        assert np.array_equal(second.render(index).activity, forward[index].activity)


def test_two_volumes_and_two_channels_have_noise_of_their_own() -> None:
    noisy = still_settings(optics=dark_optics(background_counts=50.0), grid=SMALL)
    worm = VirtualWorm(lone_nuclei((0.0, 0.0, 0.0)), noisy, seed=1)
    first, second = worm.render(0), worm.render(1)
    for one, other in ((first.marker, second.marker), (first.marker, first.activity)):
        correlation = np.corrcoef(one[:, :20].ravel(), other[:, :20].ravel())[0, 1]
        assert abs(correlation) < 0.02


def test_noise_has_the_mean_and_the_variance_of_a_camera() -> None:
    optics = dark_optics(background_counts=400.0, read_noise_counts=9.0, counts_per_photon=2.0)
    grid = VoxelGrid.as_stored((20, 80, 100), (0.54, 0.54, 0.54))
    worm = VirtualWorm(
        lone_nuclei((0.0, 0.0, 500.0)), still_settings(optics=optics, grid=grid), seed=1
    )
    counts = worm.render(0).marker.astype(float)
    assert counts.mean() == pytest.approx(500.0, abs=0.5)
    assert counts.var() == pytest.approx(2.0 * 400 + 81, rel=0.02)
    neighbors = np.corrcoef(counts[..., :-1].ravel(), counts[..., 1:].ravel())[0, 1]
    assert abs(neighbors) < 0.01


def test_binning_the_raw_recording_gives_the_binned_one() -> None:
    shape = lone_nuclei((0.0, 0.0, 0.0), (2.0, 5.0, -9.0))
    raw = still_settings(grid=VoxelGrid.as_stored((30, 120, 180), (1.0, 0.18, 0.18)))
    binned = still_settings(grid=VoxelGrid.as_stored((30, 40, 60), (1.0, 0.54, 0.54)))
    fine = VirtualWorm(shape, raw, seed=1).render(0).marker.astype(float) - 100
    coarse = VirtualWorm(shape, binned, seed=1).render(0).marker.astype(float) - 100
    summed = fine.reshape(30, 40, 3, 60, 3).sum((2, 4))
    assert summed.sum() == pytest.approx(coarse.sum(), rel=0.03)
    assert np.abs(summed - coarse).max() < 0.06 * coarse.max()


def test_a_typical_nucleus_has_the_counts_that_the_settings_say() -> None:
    shape = lone_nuclei((0.5, 0.5, 0.5), radius_um=1.6)
    optics = dark_optics(marker_counts=300.0, counts_per_photon=0.0, read_noise_counts=0.0)
    grid = VoxelGrid.as_stored((40, 60, 80), (0.54, 0.54, 0.54))
    worms = [
        VirtualWorm(shape, still_settings(optics=optics, grid=grid), seed=s) for s in range(9)
    ]
    # nuclei are not quite round, each in its own way
    peaks = [float(worm.render(0).marker.max()) - 100 for worm in worms]
    assert np.median(peaks) == pytest.approx(300.0, rel=0.05)


def test_bleaching_dims_and_the_laser_step_brightens_both_channels() -> None:
    activity = ActivitySettings(
        reporter="gfp", bleach_time_s=2.0, laser_step_s=2.9, laser_step_factor=3.0
    )
    worm = VirtualWorm(lone_nuclei((0.0, 0.0, 0.0)), still_settings(activity=activity), seed=1)
    for channel in ("marker", "activity"):
        light = [
            float((getattr(worm.render(index), channel).astype(float) - 100).sum())
            for index in (0, 2, 5)
        ]
        assert light[1] / light[0] == pytest.approx(np.exp(-1.2 / 2), rel=0.05)
        assert light[2] / light[0] == pytest.approx(3 * np.exp(-3.0 / 2), rel=0.05)


def test_activity_changes_the_activity_channel_only() -> None:
    activity = ActivitySettings(bleach_time_s=float("inf"))
    worm = VirtualWorm(
        lone_nuclei((0.0, 0.0, 0.0)), still_settings(activity=activity, n_volumes=40), seed=1
    )
    low, high = int(worm.ratios[0].argmin()), int(worm.ratios[0].argmax())
    light = {
        name: [
            float((getattr(worm.render(i), name).astype(float) - 100).sum()) for i in (low, high)
        ]
        for name in ("marker", "activity")
    }
    assert light["marker"][0] == pytest.approx(light["marker"][1], rel=1e-3)
    expected = worm.truth(high).ratio[0] / worm.truth(low).ratio[0]
    assert expected > 1.05
    assert light["activity"][1] / light["activity"][0] == pytest.approx(expected, rel=0.03)


def test_bleed_through_shows_the_activity_in_the_marker_channel() -> None:
    alignment = ChannelAlignment(dy_um=10.0)
    lit = still_settings(
        alignment=alignment,
        optics=dark_optics(bleed_through=0.5, counts_per_photon=0.0, read_noise_counts=0.0),
    )
    dark = replace(lit, optics=replace(lit.optics, bleed_through=0.0))
    shape = lone_nuclei((0.0, 0.0, 0.0))
    with_leak, without = (VirtualWorm(shape, s, seed=1).render(0).marker for s in (lit, dark))
    assert with_leak.astype(int).sum() > without.astype(int).sum()
    assert center(with_leak) == pytest.approx(center(without), abs=0.05)


def test_masks_hold_the_nuclei_and_nothing_else() -> None:
    worm = VirtualWorm.sample(
        2, settings=still_settings(grid=VoxelGrid.as_stored((60, 120, 200), (0.8, 0.8, 0.8)))
    )
    masks, truth = worm.instance_masks(0), worm.truth(0)
    inside = np.flatnonzero(truth.is_inside(worm.spec.shape))
    assert len(inside) > 150
    found = np.array([masks[tuple(np.round(truth.centroid_px[i]).astype(int))] for i in inside])
    assert np.mean(found == inside + 1) > 0.97
    volume_um3 = np.bincount(masks.ravel(), minlength=len(truth.names) + 1)[1:] * 0.8**3
    ball = 4 / 3 * np.pi * truth.radius_um**3
    assert np.median(volume_um3[inside] / ball[inside]) == pytest.approx(1.0, abs=0.1)


def test_a_rolled_animal_is_the_same_turned_about_its_long_axis() -> None:
    shape = lone_nuclei((3.0, 5.0, -20.0), (0.0, 2.0, 10.0))
    places = {
        way: VirtualWorm(shape, still_settings(orientation=way), seed=1).truth(0).centroid_px
        - np.array([19.5, 29.5, 39.5])
        for way in ("left", "left-rolled", "right", "right-rolled")
    }
    assert places["left"] == pytest.approx(shape.position_um)
    assert places["left-rolled"] == pytest.approx(shape.position_um * [-1, -1, 1])
    assert places["right"] == pytest.approx(shape.position_um * [1, -1, -1])
    assert places["right-rolled"] == pytest.approx(shape.position_um * [-1, 1, -1])


def test_class_numbers_follow_the_table_that_is_asked_for(anatomy) -> None:
    worm = VirtualWorm.sample(1, settings=still_settings())
    numbers = worm.truth(0).class_numbers(anatomy.neurons)
    for name, number in zip(worm.shape.names, numbers, strict=True):
        assert name == (anatomy.neurons.name(int(number)) if number else "")


def test_missing_slices_are_reported_and_empty() -> None:
    settings = still_settings(defects=DefectSettings(missing_slice=1.0))
    worm = VirtualWorm(lone_nuclei((0.0, 0.0, 0.0)), settings, seed=4)
    volume = worm.render(0)
    assert 1 <= len(volume.missing_z) <= 3
    empty = np.flatnonzero(~volume.marker.any(axis=(1, 2)))
    assert tuple(empty) == volume.missing_z == worm.defects(0).missing_z


def test_repeated_blurred_and_saturated_slices_look_so() -> None:
    shape = lone_nuclei(*[(z, 0.0, 3.0 * z) for z in range(-18, 19, 3)])
    clean = VirtualWorm(shape, still_settings(), seed=4).render(0).marker.astype(float)

    def spoiled(**chances: float) -> tuple[np.ndarray, VirtualWorm]:
        worm = VirtualWorm(shape, still_settings(defects=DefectSettings(**chances)), seed=4)
        return worm.render(0).marker.astype(float), worm

    counts, worm = spoiled(repeated_slice=1.0)
    first = worm.defects(0).repeated_z[0]
    assert np.array_equal(counts[first], clean[first - 1])
    counts, worm = spoiled(blurred_slice=1.0)
    for z in worm.defects(0).blurred_z:
        assert counts[z].max() - 100 < 0.7 * (clean[z].max() - 100)
    counts, worm = spoiled(saturated_slice=1.0)
    assert set(np.flatnonzero(counts.min(axis=(1, 2)) == 65535)) == set(
        worm.defects(0).saturated_z
    )


def test_a_stage_jump_moves_the_animal_and_the_tracker_brings_it_back() -> None:
    settings = still_settings(n_volumes=60, defects=DefectSettings(stage_jumps_per_min=3.0))
    worm = VirtualWorm(lone_nuclei((0.0, 0.0, 0.0)), settings, seed=2)
    place = np.array([worm.truth(index).centroid_px[0] for index in range(60)])
    off = np.linalg.norm(place - [19.5, 29.5, 39.5], axis=1)
    assert off.max() > 5.0
    assert np.median(off) < 5.0


@pytest.mark.parametrize("index", [-1, 6])
def test_a_volume_that_does_not_exist_is_an_index_error(index: int) -> None:
    worm = VirtualWorm(lone_nuclei((0.0, 0.0, 0.0)), still_settings(), seed=1)
    for read in (worm.render, worm.truth, worm.instance_masks):
        with pytest.raises(IndexError, match="volumes 0 to 5"):
            read(index)


def test_a_default_volume_has_the_counts_of_real_ones() -> None:
    counts = VirtualWorm.sample(0).render(0).marker
    assert 120 <= np.median(counts) <= 140
    assert 24 <= counts.min() <= 81
    assert 10 <= counts.std() <= 50
    assert 361 <= counts.max() <= 3555
