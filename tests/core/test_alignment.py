import numpy as np
import pytest
from pydantic import ValidationError

from napari_acll.core import AlignmentOrigin, ChannelAlignment, VoxelGrid

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


OFF_CENTER = ChannelAlignment(dy_um=1.2, dx_um=-2.1, theta_deg=1.4)


def at(alignment, y_um, x_um):
    """Return where a place of the marker, in um from the frame's center, lies in the activity."""
    y, x = alignment.to_activity_px(
        np.array(y_um / 0.5 + 50), np.array(x_um / 0.5 + 100), grid=STORED
    )
    return (float(y) - 50) * 0.5, (float(x) - 100) * 0.5


@pytest.mark.parametrize("turn_deg", [0.0, 0.35, -3.0])
def test_a_nudge_moves_the_picture_and_turns_it_about_the_middle_of_what_is_seen(turn_deg):
    nudged = OFF_CENTER.nudged(y_um=0.4, x_um=-0.7, turn_deg=turn_deg, grid=CROPPED)
    # stored px 30 to 69 and 60 to 159: the middle lies at (49.5, 109.5), the frame's at (50, 100)
    middle = np.array([(49.5 - 50) * 0.5, (109.5 - 100) * 0.5])
    angle = np.deg2rad(turn_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for before in (middle, middle + np.array([8.0, -3.0]), np.zeros(2)):
        after = middle + np.array([0.4, -0.7]) + turn @ (before - middle)
        # what was seen at `before` lies at one place of the camera, and is seen at `after` now
        assert at(nudged, *after) == pytest.approx(at(OFF_CENTER, *before), abs=1e-9)


def test_a_nudge_says_that_it_is_one_and_vouches_for_nothing():
    calibrated = ChannelAlignment(
        score=0.5, spread_um=0.1, n_volumes=5, origin="calibrated", is_trusted=True
    )
    nudged = calibrated.nudged(y_um=0.27, x_um=0.0, turn_deg=-0.05, grid=STORED)
    assert nudged.origin is AlignmentOrigin.MANUAL
    assert not nudged.is_trusted
    assert (nudged.score, nudged.spread_um) == (None, None)
    assert nudged.note == (
        "Moved by hand from the calibrated alignment: y +0.27 um, x +0.00 um, turned by -0.05"
        " degrees."
    )


def test_the_shift_of_the_middle_is_that_of_its_position():
    y_um, x_um = OFF_CENTER.middle_shift_um(CROPPED)
    y, x = OFF_CENTER.to_activity_px(np.array(9.5), np.array(24.5), grid=CROPPED)
    assert (y_um, x_um) == pytest.approx((float(y) - 9.5, float(x) - 24.5))  # 1 um voxels
