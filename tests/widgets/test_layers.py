import numpy as np
import pytest

from napari_acll.core import ChannelAlignment, VoxelGrid
from napari_acll.widgets._layers import activity_affine, contrast_of, image_placement

GRID = VoxelGrid(
    shape=(4, 30, 40),
    voxel_size_um=(1.0, 0.54, 0.54),
    stored_shape=(4, 200, 300),
    start_px=(0, 60, 90),
    bin_px=(1, 3, 3),
)


def test_a_crop_lies_where_it_was_cut_from_the_recording():
    placement = image_placement(GRID)
    # the first voxel sums stored rows 60, 61, 62 of 0.18 um each
    assert np.allclose(placement["translate"], (0, 61 * 0.18, 91 * 0.18))
    assert placement["scale"] == (1.0, 0.54, 0.54)


@pytest.mark.parametrize("theta_deg", [0.0, 1.5, -2.0])
def test_the_shown_activity_lies_on_the_marker(theta_deg):
    alignment = ChannelAlignment(dy_um=3.0, dx_um=-1.2, theta_deg=theta_deg)
    rng = np.random.default_rng(0)
    marker_px = rng.uniform(0, 30, (20, 2))
    activity_y, activity_x = alignment.to_activity_px(*marker_px.T, grid=GRID)
    placement = image_placement(GRID)

    def world(y_px, x_px):
        scale, shift = placement["scale"], placement["translate"]
        return np.stack([y_px * scale[1] + shift[1], x_px * scale[2] + shift[2]])

    affine = activity_affine(alignment, GRID)
    drawn = affine[1:3, 1:3] @ world(activity_y, activity_x) + affine[1:3, 3:]
    assert np.allclose(drawn, world(*marker_px.T), atol=1e-9)


def test_contrast_ignores_missing_slices():
    image = np.zeros((4, 40, 40), np.uint16)
    image[1:] = np.random.default_rng(0).integers(100, 200, (3, 40, 40))
    low, high = contrast_of(image)
    assert 170 < low < 180
    assert 190 < high <= 200


def test_an_empty_volume_still_has_contrast_limits():
    low, high = contrast_of(np.zeros((2, 4, 4), np.uint16))
    assert low < high
