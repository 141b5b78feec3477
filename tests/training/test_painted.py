import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from napari_acll.label import prepare
from napari_acll.simulate import Anatomy
from napari_acll.training._crops import MODEL_VOXEL_UM
from napari_acll.training._paint_kernels import add_smooth, paint_blobs, paint_masks
from napari_acll.training._painted import paint_random

ANATOMY = Anatomy.load()
PLAIN = np.zeros((1, 1, 1), np.float32)


def painted(seed):
    return paint_random(ANATOMY, np.random.default_rng(seed))


def prepared(volume):
    return prepare(
        volume.marker, background=0.0, voxel_um=volume.voxel_size_um, model_um=MODEL_VOXEL_UM
    ).image


def test_the_same_seed_paints_the_same_volume_and_another_one_another():
    first, again, other = painted(1), painted(1), painted(2)
    np.testing.assert_array_equal(first.marker, again.marker)
    np.testing.assert_array_equal(first.centroid_px, again.centroid_px)
    assert first.marker.shape != other.marker.shape or (first.marker != other.marker).any()


@pytest.mark.parametrize("seed", range(8))
def test_nuclei_shine_where_their_masks_are(seed):
    volume = painted(seed)
    image, inside = prepared(volume), volume.masks > 0
    around = binary_dilation(inside, iterations=5) & ~binary_dilation(inside, iterations=3)
    assert image[inside].mean() > image[around].mean() + 0.1


def test_slices_of_every_thickness_come_to_the_grid_of_the_masks():
    volumes = [painted(seed) for seed in range(16)]
    thick = [volume for volume in volumes if len(volume.marker) < len(volume.masks)]
    assert thick
    for volume in volumes:
        assert prepared(volume).shape == volume.masks.shape


@pytest.mark.parametrize("seed", range(4))
def test_centers_lie_in_the_masks(seed):
    volume = painted(seed)
    at = np.round(volume.centroid_px).astype(int)
    assert (volume.masks[tuple(at.T)] > 0).mean() > 0.95


def test_a_blob_has_fallen_to_a_half_at_its_semi_axis_and_ends_where_it_is_faint():
    image = np.zeros((41, 41, 41), np.float32)
    center = np.tile([20.0, 20.0, 20.0], (41, 1, 1))
    half = np.array([[4.0, 5.0, 6.0]])
    look = np.array([[2.0, 0.0, 0.0]])
    paint_blobs(image, center, half, np.zeros(1), np.array([8.0]), look, PLAIN)
    assert image[20, 20, 20] == pytest.approx(8.0)
    for at in ((24, 20, 20), (20, 25, 20), (20, 20, 26)):
        assert image[at] == pytest.approx(4.0, rel=1e-4)
    assert image[image > 0].min() >= 0.99 * 8 * 0.01


def test_every_slice_sees_a_blob_where_it_is_then():
    image = np.zeros((20, 40, 40), np.float32)
    shifted = np.array([[[10.0, 20.0, 12.0 + 0.8 * z]] for z in range(20)])
    half, look = np.full((1, 3), 3.0), np.array([[2.0, 0.0, 0.0]])
    paint_blobs(image, shifted, half, np.zeros(1), np.ones(1), look, PLAIN)
    for z in (8, 10, 12):
        weight = image[z].sum(0)
        assert weight @ np.arange(40) / weight.sum() == pytest.approx(12 + 0.8 * z, abs=0.05)


def test_a_mask_has_the_volume_of_its_ellipsoid_and_the_nearer_nucleus_wins():
    masks = np.zeros((40, 40, 60), np.uint16)
    centers = np.tile(np.array([[20.0, 20.0, 20.0], [20.0, 20.0, 30.0]]), (40, 1, 1))
    axes = np.array([[6.0, 7.0, 9.0], [6.0, 7.0, 9.0]])
    paint_masks(masks, centers, axes, np.zeros(2))
    np.testing.assert_array_equal(np.unique(masks[20, 20, 12:25]), [1])
    np.testing.assert_array_equal(np.unique(masks[20, 20, 26:38]), [2])
    alone = np.zeros_like(masks)
    paint_masks(alone, centers[:, :1], axes[:1], np.zeros(1))
    assert np.count_nonzero(alone) == pytest.approx(4 / 3 * np.pi * 6 * 7 * 9, rel=0.02)


def test_smooth_light_that_is_linear_stays_so():
    step = 4
    coarse = np.indices((6, 7, 8)).astype(np.float32)
    image = np.zeros((14, 18, 22), np.float32)
    add_smooth(image, 2 * coarse[0] - coarse[1] + 3 * coarse[2], step)
    z, y, x = np.indices(image.shape) / step
    np.testing.assert_allclose(image, 2 * z - y + 3 * x, rtol=1e-5, atol=1e-5)
