import numpy as np
import pytest
from pydantic import ValidationError

from napari_acll.core import ChannelAlignment, VoxelGrid

STORED = VoxelGrid.as_stored((4, 101, 201), (1.0, 0.5, 0.5))
CROPPED = VoxelGrid(
    shape=(4, 20, 50),
    voxel_size_um=(1.0, 1.0, 1.0),
    stored_shape=(4, 101, 201),
    start_px=(0, 30, 60),
    bin_px=(1, 2, 2),
)


def test_the_center_of_the_frame_only_shifts():
    alignment = ChannelAlignment(dy_um=1.0, dx_um=-2.0, theta_deg=30.0)
    y, x = alignment.to_activity_px(np.array(50.0), np.array(100.0), grid=STORED)
    assert (y, x) == pytest.approx((52.0, 96.0))


def test_a_positive_angle_turns_x_toward_plus_y():
    alignment = ChannelAlignment(theta_deg=90.0)
    y, x = alignment.to_activity_px(np.array(50.0), np.array(110.0), grid=STORED)
    # p = (0, 10 px): R p = (sin * 10, cos * 10) = (10, 0)
    assert (float(y), float(x)) == pytest.approx((60.0, 100.0))


def test_one_alignment_holds_for_every_crop_and_binning():
    alignment = ChannelAlignment(dy_um=0.7, dx_um=-1.3, theta_deg=1.5)
    position = np.array([[0.0, 3.0, 40.0], [0.0, 15.0, 2.0]])
    stored = CROPPED.to_stored_px(position)
    y, x = alignment.to_activity_px(position[:, 1], position[:, 2], grid=CROPPED)
    moved = CROPPED.to_stored_px(np.stack([position[:, 0], y, x], axis=1))
    y_stored, x_stored = alignment.to_activity_px(stored[:, 1], stored[:, 2], grid=STORED)
    np.testing.assert_allclose(moved[:, 1:], np.stack([y_stored, x_stored], axis=1))


def test_an_unknown_key_is_refused():
    with pytest.raises(ValidationError, match="dz_um"):
        ChannelAlignment.model_validate({"dz_um": 1.0})


def test_identity_is_not_a_trusted_alignment():
    assert not ChannelAlignment.identity("no volumes").is_trusted
