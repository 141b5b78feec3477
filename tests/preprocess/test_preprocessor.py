"""The truth is numpy's own sum and median."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import napari_acll
from napari_acll.core import (
    AcllSettings,
    CropSettings,
    PreprocessSettings,
    SettingsError,
    Volume,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.preprocess import Preprocessor
from napari_acll.preprocess._binning_pair import SharedFrames

SHAPE = (5, 20, 31)


def spec_of(shape=SHAPE, size_um=(0.54, 0.18, 0.18)):
    return VolumeSpec(grid=VoxelGrid.as_stored(shape, size_um), period_s=0.6)


def volume_of(spec, marker, activity=None, missing_z=()):
    return Volume(
        index=3,
        timestamp_s=1.8,
        marker=marker,
        activity=marker if activity is None else activity,
        spec=spec,
        slice_times_s=1.8 + 0.01 * np.arange(spec.shape[0]),
        missing_z=missing_z,
    )


def random_volume(spec, dtype=np.uint16):
    rng = np.random.default_rng(1)
    highest = np.iinfo(dtype).max
    marker = rng.integers(0, highest, spec.shape, dtype, endpoint=True)
    activity = rng.integers(0, highest // 2, spec.shape, dtype, endpoint=True)
    return volume_of(spec, marker, activity)


def sharing(volume, n_channels=2, marker=1):
    """The same volume, its channels views of one array, as ND2 files have them."""
    frames = np.full((*volume.marker.shape, n_channels), 7, volume.marker.dtype)
    activity = (marker + 1) % n_channels
    frames[..., marker], frames[..., activity] = volume.marker, volume.activity
    return replace(volume, marker=frames[..., marker], activity=frames[..., activity])


def numpy_binned(values, bin_px):
    n_z, n_y, n_x = values.shape
    n_y, n_x = n_y // bin_px, n_x // bin_px
    cut = values[:, : n_y * bin_px, : n_x * bin_px].astype(np.int64)
    return cut.reshape(n_z, n_y, bin_px, n_x, bin_px).sum(axis=(2, 4))


@pytest.mark.parametrize("bin_px", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sums_and_medians_are_those_of_numpy(bin_px, dtype):
    spec = spec_of()
    volume = random_volume(spec, dtype)
    result = Preprocessor(spec, PreprocessSettings(bin_px=bin_px)).apply(volume)
    for found, background, stored in (
        (result.marker, result.marker_background, volume.marker),
        (result.activity, result.activity_background, volume.activity),
    ):
        expected = numpy_binned(stored, bin_px)
        np.testing.assert_array_equal(found, expected)
        assert background == np.median(expected)


@pytest.mark.parametrize("bin_px", [1, 2, 3])
def test_a_crop_comes_before_the_binning(bin_px):
    spec = spec_of()
    volume = random_volume(spec)
    crop = CropSettings(
        z_start_px=1, z_stop_px=4, y_start_px=2, y_stop_px=19, x_start_px=5, x_stop_px=30
    )
    result = Preprocessor(spec, PreprocessSettings(crop=crop, bin_px=bin_px)).apply(volume)
    expected = numpy_binned(volume.marker[1:4, 2:19, 5:30], bin_px)
    np.testing.assert_array_equal(result.marker, expected)
    assert result.spec.shape == expected.shape
    np.testing.assert_allclose(result.slice_times_s, volume.slice_times_s[1:4])
    assert (result.index, result.timestamp_s) == (3, 1.8)


@pytest.mark.parametrize(
    ("dtype", "bin_px", "expected"),
    [
        (np.uint8, 1, np.uint16),
        (np.uint8, 16, np.uint16),
        (np.uint16, 1, np.uint16),
        (np.uint16, 3, np.uint32),
        (np.uint16, 16, np.uint32),
        (np.uint32, 1, np.uint32),
    ],
)
def test_the_largest_counts_do_not_overflow(dtype, bin_px, expected):
    highest = int(np.iinfo(dtype).max)
    spec = spec_of((2, 32, 32))
    volume = volume_of(spec, np.full(spec.shape, highest, dtype))
    result = Preprocessor(spec, PreprocessSettings(bin_px=bin_px)).apply(volume)
    assert result.marker.dtype == expected
    assert (result.marker == highest * bin_px**2).all()
    assert result.marker_background == highest * bin_px**2


def test_dark_volumes_have_the_type_of_bright_ones():
    spec = spec_of()
    dark = volume_of(spec, np.zeros(spec.shape, np.uint16))
    preprocessor = Preprocessor(spec, PreprocessSettings())
    assert preprocessor.apply(dark).marker.dtype == np.uint32
    assert preprocessor.apply(random_volume(spec)).marker.dtype == np.uint32


def test_wider_sums_than_any_type_are_refused():
    spec = spec_of()
    volume = volume_of(spec, np.ones(spec.shape, np.uint32))
    with pytest.raises(ValueError, match="exceed uint32"):
        Preprocessor(spec, PreprocessSettings(bin_px=3)).apply(volume)


@pytest.mark.parametrize(
    ("pixel_um", "bin_px"), [(0.18, 3), (0.54, 1), (1.0, 1), (0.27, 2), (0.13, 4), (0.01, 16)]
)
def test_the_binning_comes_from_the_pixel_size(pixel_um, bin_px):
    spec = spec_of((4, 64, 64), (0.54, pixel_um, pixel_um))
    assert Preprocessor(spec, PreprocessSettings()).bin_px == bin_px
    assert Preprocessor(spec, PreprocessSettings(bin_px=5)).bin_px == 5


def test_positions_map_back_to_the_stored_pixels():
    spec = spec_of()
    y, x = 11, 17
    stored = np.zeros(spec.shape, np.uint16)
    stored[2, y - 1 : y + 2, x - 1 : x + 2] = 9
    crop = CropSettings(z_start_px=1, y_start_px=4, x_start_px=4)
    settings = PreprocessSettings(crop=crop, bin_px=3)
    result = Preprocessor(spec, settings).apply(volume_of(spec, stored))
    (found,) = np.argwhere(result.marker == 81)
    np.testing.assert_array_equal(result.spec.grid.to_stored_px(found), [2, y, x])
    assert result.spec.grid.stored_voxel_size_um() == pytest.approx(spec.voxel_size_um)


def test_a_source_that_left_slices_out_is_cropped_by_stored_slices():
    grid = VoxelGrid(
        shape=(7, 12, 12),
        voxel_size_um=(0.54, 0.54, 0.54),
        stored_shape=(10, 12, 12),
        start_px=(3, 0, 0),
    )
    spec = VolumeSpec(grid=grid, period_s=0.6)
    stored = np.arange(7, dtype=np.uint16)[:, None, None] * np.ones((12, 12), np.uint16)
    crop = CropSettings(z_start_px=5, z_stop_px=9)
    result = Preprocessor(spec, PreprocessSettings(crop=crop)).apply(volume_of(spec, stored))
    assert result.marker[:, 0, 0].tolist() == [2, 3, 4, 5]
    assert result.spec.grid.start_px == (5, 0, 0)
    with pytest.raises(SettingsError, match="are left"):
        Preprocessor(spec, PreprocessSettings(crop=CropSettings(z_stop_px=3)))


def test_missing_slices_follow_the_crop_and_do_not_darken_the_background():
    spec = spec_of()
    stored = np.full(spec.shape, 100, np.uint16)
    stored[[0, 1, 2]] = 0
    volume = volume_of(spec, stored, missing_z=(0, 1, 2))
    settings = PreprocessSettings(bin_px=1, crop=CropSettings(z_start_px=1))
    result = Preprocessor(spec, settings).apply(volume)
    assert result.missing_z == (0, 1)
    assert result.marker_background == 100


def test_a_volume_of_missing_slices_has_no_background():
    spec = spec_of()
    volume = volume_of(spec, np.zeros(spec.shape, np.uint16), missing_z=tuple(range(5)))
    assert Preprocessor(spec, PreprocessSettings()).apply(volume).marker_background == 0


def test_the_input_is_not_changed():
    spec = spec_of()
    volume = random_volume(spec)
    before = volume.marker.copy()
    result = Preprocessor(spec, PreprocessSettings(bin_px=1)).apply(volume)
    result.marker[...] = 0
    np.testing.assert_array_equal(volume.marker, before)


def test_views_that_are_not_contiguous_are_binned_too():
    spec = spec_of()
    volume = random_volume(spec)
    view = np.asfortranarray(volume.marker)
    result = Preprocessor(spec, PreprocessSettings(bin_px=3)).apply(volume_of(spec, view))
    np.testing.assert_array_equal(result.marker, numpy_binned(volume.marker, 3))


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        ({"z_stop_px": 6}, "along z goes from 0 to 6, but the recording has 5 slices"),
        ({"y_start_px": 20}, "along y goes from 20 to 20, but the recording has 20 pixels"),
        ({"x_start_px": 9, "x_stop_px": 9}, "along x goes from 9 to 9"),
        ({"x_start_px": 29}, "are left"),
    ],
)
def test_a_crop_outside_of_the_frame_is_a_settings_error(crop, message):
    settings = PreprocessSettings(crop=CropSettings(**crop), bin_px=3)
    with pytest.raises(SettingsError, match=message) as caught:
        Preprocessor(spec_of(), settings)
    assert "choose" in str(caught.value)


def test_a_volume_of_another_shape_is_refused():
    spec = spec_of()
    other = np.zeros((5, 20, 30), np.uint16)
    with pytest.raises(ValueError, match=r"Expected a channel of \(5, 20, 31\)"):
        Preprocessor(spec, PreprocessSettings()).apply(volume_of(spec, other))


@pytest.mark.parametrize(
    ("profile", "shape", "size_um"),
    [
        ("flavell_raw", (80, 630, 966), (0.54, 0.18, 0.18)),
        ("flavell_binned", (80, 210, 322), (0.54, 0.54, 0.54)),
    ],
)
def test_the_shipped_profiles_leave_the_volume_of_the_original(profile, shape, size_um):
    path = Path(napari_acll.__file__).parent / "profiles" / f"{profile}.yaml"
    settings = AcllSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    preprocessor = Preprocessor(spec_of(shape, size_um), settings.preprocess)
    assert preprocessor.spec.shape == (64, 120, 284)
    assert preprocessor.spec.voxel_size_um == pytest.approx((0.54, 0.54, 0.54))
    corner = preprocessor.spec.grid.to_stored_px(np.zeros(3)) * size_um
    np.testing.assert_allclose(corner, [8 * 0.54, 45 * 0.54, 19 * 0.54], atol=0.2)


@pytest.mark.parametrize("bin_px", [1, 2, 3, 5])
@pytest.mark.parametrize(("n_channels", "marker"), [(2, 0), (2, 1), (3, 2), (4, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_channels_that_share_an_array_are_binned_as_those_that_do_not(
    bin_px, n_channels, marker, dtype
):
    spec = spec_of()
    crop = CropSettings(z_start_px=1, z_stop_px=4, y_start_px=2, x_start_px=3, x_stop_px=29)
    preprocessor = Preprocessor(spec, PreprocessSettings(bin_px=bin_px, crop=crop))
    apart = replace(random_volume(spec, dtype), missing_z=(2,))
    shared = sharing(apart, n_channels, marker)
    assert SharedFrames.of(shared.marker, shared.activity) is not None
    expected, result = preprocessor.apply(apart), preprocessor.apply(shared)
    np.testing.assert_array_equal(result.marker, expected.marker)
    np.testing.assert_array_equal(result.activity, expected.activity)
    assert result.marker_background == expected.marker_background
    assert result.activity_background == expected.activity_background
    assert result.marker.dtype == expected.marker.dtype


def test_other_views_of_one_array_are_no_channels_of_it():
    frames = np.zeros((5, 20, 31, 2), np.uint16)
    whole = frames[..., 0]
    others = [
        frames[..., 1][:, :, ::-1],
        frames[..., 1][1:],
        frames[:, ::2, :, 1],
        frames[..., 1].copy(),
        frames.view(np.uint8)[..., 2],
        np.moveaxis(np.zeros((2, 5, 20, 31), np.uint16), 0, 3)[..., 1],
    ]
    assert SharedFrames.of(whole, frames[..., 1]) is not None
    assert all(SharedFrames.of(whole, other) is None for other in others)
    assert SharedFrames.of(whole.copy(), whole.copy()) is None
