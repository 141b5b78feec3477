import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from napari_acll.core import ModelError
from napari_acll.label import prepare
from napari_acll.label._point_image import check_geometry

MODEL_UM = (0.54, 0.54, 0.54)


def ball(shape, center, radius_px, counts=500):
    axes = np.indices(shape) - np.reshape(center, (3, 1, 1, 1))
    inside = ((axes / np.reshape(radius_px, (3, 1, 1, 1))) ** 2).sum(0) <= 1
    noise = np.random.default_rng(0).normal(100, 4, shape)
    return np.clip(noise + counts * inside, 0, None).astype(np.uint16), inside


def prepared_ball(voxel_um, shape, center, radius_um=7.0):
    marker, inside = ball(shape, center, radius_um / np.asarray(voxel_um))
    return prepare(marker, background=0.0, voxel_um=voxel_um, model_um=MODEL_UM), inside


def test_voxels_near_those_of_the_model_are_left_as_they_are():
    prepared, inside = prepared_ball((0.54, 0.5, 0.6), (36, 40, 50), (17, 20, 25))
    assert prepared.image.shape == (36, 40, 50)
    assert prepared.image[inside].mean() > 1.0
    assert abs(prepared.image[~inside].mean()) < 0.2


@pytest.mark.parametrize(
    ("voxel_um", "shape", "center"),
    [
        ((0.54, 0.18, 0.18), (40, 120, 150), (19.0, 61.0, 70.0)),
        ((1.5, 0.4, 0.4), (16, 60, 80), (8.0, 31.0, 42.0)),
        ((0.4, 1.1, 1.1), (50, 30, 40), (22.0, 14.0, 19.0)),
    ],
)
def test_other_voxels_are_resampled_and_labels_come_back_to_their_place(voxel_um, shape, center):
    prepared, inside = prepared_ball(voxel_um, shape, center)
    np.testing.assert_allclose(prepared.voxel_size_um, MODEL_UM, rtol=0.06)
    on_model_grid = (prepared.image > 1.0).astype(np.uint16)
    back = prepared.to_stored_px(np.array(center_of_mass(on_model_grid), np.float32))
    np.testing.assert_allclose(back * voxel_um, np.array(center) * voxel_um, atol=0.4)
    labels = prepared.to_stored_labels(on_model_grid) > 0
    overlap = (labels & inside).sum() / (labels | inside).sum()
    assert labels.shape == shape
    assert overlap > 0.75


def test_the_scale_of_the_image_does_not_depend_on_the_light_nor_on_the_field():
    marker, inside = ball((32, 40, 50), (15, 20, 25), (12, 12, 12), counts=500)
    bright = (marker.astype(int) - 100).clip(0) * 3 + 400
    wide = np.pad(marker, ((0, 0), (20, 20), (30, 30)), constant_values=100)
    images = [
        prepare(each.astype(np.uint16), background=0.0, voxel_um=MODEL_UM, model_um=MODEL_UM).image
        for each in (marker, bright, wide)
    ]
    first = images[0][inside].mean()
    assert images[1][inside].mean() == pytest.approx(first, rel=0.05)
    assert images[2][20:-20, 20:-20].shape != images[2].shape
    assert images[2][:, 20:-20, 30:-30][inside].mean() == pytest.approx(first, rel=0.05)


def test_noise_alone_is_flat_and_a_nucleus_is_not():
    noise = np.random.default_rng(1).normal(120, 10, (24, 60, 80)).astype(np.uint16)
    flat = prepare(noise, background=0.0, voxel_um=MODEL_UM, model_um=MODEL_UM)
    full, _ = prepared_ball(MODEL_UM, (36, 60, 80), (17, 30, 40))
    assert flat.is_flat
    assert not full.is_flat


def test_a_constant_volume_is_flat():
    constant = np.full((10, 20, 30), 77, np.uint16)
    assert prepare(constant, background=0.0, voxel_um=MODEL_UM, model_um=MODEL_UM).is_flat


@pytest.mark.parametrize(
    ("shape", "voxel_um", "words"),
    [
        ((1, 100, 100), (0.54, 0.54, 0.54), "at least 3 voxels"),
        ((20, 100, 100), (0.0, 0.54, 0.54), "voxel size"),
        ((80, 2000, 2000), (5.0, 5.0, 5.0), "crop"),
    ],
)
def test_impossible_geometry_is_an_error_that_says_what_to_do(shape, voxel_um, words):
    with pytest.raises(ModelError, match=words):
        check_geometry(shape, voxel_um, MODEL_UM)


def test_the_volume_is_not_changed():
    marker, _ = ball((12, 20, 30), (6, 10, 15), (4, 4, 4))
    before = marker.copy()
    prepare(marker, background=0.0, voxel_um=MODEL_UM, model_um=MODEL_UM)
    np.testing.assert_array_equal(marker, before)
