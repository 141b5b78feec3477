import numpy as np
import pytest

from napari_acll.label import prepare
from napari_acll.label._fitness import saturated_share, sharpness
from napari_acll.label._point_levels import measure_levels, normalized

MODEL_UM = (0.54, 0.54, 0.54)


def counts(dtype, shape=(9, 14, 21)):
    values = np.random.default_rng(0).gamma(2.0, 60.0, shape)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
@pytest.mark.parametrize("shape", [(9, 14, 21), (4, 5, 6)])
def test_levels_are_medians_and_ranks(dtype, shape):
    some = counts(dtype, shape)
    levels = measure_levels(some, background=0.0, n_bright=12)
    exact = some.astype(np.float64)
    assert levels.dark == pytest.approx(np.median(exact))
    assert levels.scale == pytest.approx(np.sort(exact, axis=None)[-12] - np.median(exact))
    assert levels.noise == pytest.approx(np.median(np.abs(np.diff(exact, axis=2))) / 0.954)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_measured_background_is_believed(dtype):
    assert measure_levels(counts(dtype), background=31.5, n_bright=5).dark == 31.5


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_one_column_has_no_noise_and_one_bright_voxel_is_the_scale(dtype):
    levels = measure_levels(counts(dtype)[..., :1], background=1.0, n_bright=1)
    assert levels.noise == 0.0
    assert levels.scale == counts(dtype)[..., 0].max() - 1.0


def test_counts_too_large_for_a_table_are_sorted():
    some = counts(np.uint32) * np.uint32(2**20)
    levels = measure_levels(some, background=0.0, n_bright=12)
    assert levels.dark == pytest.approx(np.median(some.astype(np.float64)))
    image = normalized(some, dark=levels.dark, gain=1e-8)
    np.testing.assert_allclose(image, np.arcsinh((some - levels.dark) * 1e-8), atol=1e-6)


def test_what_is_shown_is_that_of_single_voxels():
    grid = counts(np.uint16)
    expected = np.arcsinh((grid.astype(np.float64) - 120.5) * 0.02)
    np.testing.assert_allclose(normalized(grid, dark=120.5, gain=0.02), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_sharpness_is_what_three_voxels_lose_of_the_covariance(dtype):
    marker = np.random.default_rng(1).poisson(30.0, (24, 50, 61))
    marker[4:20, 10:40, 20:44] += 400
    prepared = prepare(marker.astype(dtype), background=0.0, voxel_um=MODEL_UM, model_um=MODEL_UM)
    z, y, x = prepared.bright
    box = marker[z.start : z.stop : 2, y, x].astype(np.float64)
    box -= box.mean()
    near, far = (
        (box[:, lag:] * box[:, :-lag]).mean() + (box[..., lag:] * box[..., :-lag]).mean()
        for lag in (1, 3)
    )
    assert sharpness(prepared) == pytest.approx(1 - far / near, abs=1e-4)


def test_the_share_of_saturated_voxels_is_counted_in_whole_counts():
    marker = counts(np.uint32, (20, 40, 50))
    marker[5:9, 5:9, 5:9] = 70_000
    prepared = prepare(marker, background=0.0, voxel_um=MODEL_UM, model_um=MODEL_UM)
    n_bright = int(700.0 / 0.54**3)
    assert saturated_share(prepared) == pytest.approx(64 / n_bright)
