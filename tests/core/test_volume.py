import numpy as np
import pytest

from napari_acll.core import VolumeSpec, VoxelGrid

BINNED = VoxelGrid(
    shape=(64, 120, 284),
    voxel_size_um=(0.54, 0.54, 0.54),
    stored_shape=(80, 636, 966),
    start_px=(8, 135, 57),
    bin_px=(1, 3, 3),
)


def test_a_binned_voxel_lies_at_the_middle_of_the_stored_voxels_it_sums():
    np.testing.assert_allclose(BINNED.to_stored_px(np.zeros(3)), [8, 136, 58])
    np.testing.assert_allclose(BINNED.to_stored_px(np.array([1.0, 1, 2])), [9, 139, 64])


def test_stored_positions_come_back_to_the_grid():
    position = np.random.default_rng(0).uniform(0, 60, (50, 3))
    np.testing.assert_allclose(BINNED.from_stored_px(BINNED.to_stored_px(position)), position)


def test_the_frame_center_is_the_same_point_on_every_grid():
    stored = VoxelGrid.as_stored(BINNED.stored_shape, (0.54, 0.18, 0.18))
    y, x = BINNED.frame_center_px()
    np.testing.assert_allclose(
        BINNED.to_stored_px(np.array([0, y, x]))[1:], stored.frame_center_px()
    )


def test_the_stored_voxel_size_is_that_before_binning():
    assert BINNED.stored_voxel_size_um() == pytest.approx((0.54, 0.18, 0.18))


def test_a_spec_keeps_its_channels_on_another_grid():
    spec = VolumeSpec(grid=BINNED, period_s=0.6, marker_name="TagRFP", n_volumes=3)
    moved = spec.with_grid(VoxelGrid.as_stored((2, 3, 4), (1.0, 1.0, 1.0)))
    assert (moved.shape, moved.marker_name, moved.n_volumes) == ((2, 3, 4), "TagRFP", 3)
