"""The channel alignment on real volumes and on the project's own virtual worm."""

import os
from pathlib import Path

import numpy as np
import pytest
from tests.preprocess.alignment_pairs import ORIGINAL, errors_of

from napari_acll.core import AlignmentSettings, ChannelAlignment, VoxelGrid
from napari_acll.preprocess import AlignmentCalibrator, estimate_alignment
from napari_acll.simulate import VirtualWorm, WormSettings

PX = 0.54
SETTINGS = AlignmentSettings()
REAL = [f"targettrack_{pair}" for pair in ("ex2/frame_gt", "ex2/frame_tar", "ex3/frame_gt")]


@pytest.fixture(params=REAL)
def real_pair(request):
    """Two channels of a freely moving worm, `(Z, Y, X)` uint8, background clipped to 0."""
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("ACLL_TEST_DATA is not set; it names the folder of real recordings.")
    channels = np.load(Path(folder) / "volumes" / f"{request.param}.npy")
    return tuple(np.ascontiguousarray(np.moveaxis(channel, 2, 0)) for channel in channels)


def grid_of(volume):
    return VoxelGrid.as_stored(volume.shape, (1.5, PX, PX))


def test_on_real_volumes_forth_and_back_is_no_way_at_all(real_pair):
    grid = grid_of(real_pair[0])
    forth = estimate_alignment(*real_pair, grid=grid, settings=SETTINGS)
    back = estimate_alignment(*real_pair[::-1], grid=grid, settings=SETTINGS)
    assert forth.is_trusted
    assert back.is_trusted
    y, x = np.array([40.0, 128.0, 215.0]), np.array([50.0, 80.0, 110.0])
    y_back, x_back = back.to_activity_px(*forth.to_activity_px(y, x, grid=grid), grid=grid)
    assert np.hypot(y_back - y, x_back - x).max() < 0.5


@pytest.mark.parametrize(("dy_px", "dx_px"), [(5, -9), (-12, 14)])
def test_on_real_volumes_a_known_shift_is_found(real_pair, dy_px, dx_px):
    # Cutting whole pixels off moves the activity exactly, without interpolation.
    marker, activity = real_pair
    grid = grid_of(marker[:, 15:-15, 15:-15])

    def found(dy, dx):
        rows = slice(15 - dy, activity.shape[1] - 15 - dy)
        columns = slice(15 - dx, activity.shape[2] - 15 - dx)
        cut = activity[:, rows, columns]
        return estimate_alignment(marker[:, 15:-15, 15:-15], cut, grid=grid, settings=SETTINGS)

    still, moved = found(0, 0), found(dy_px, dx_px)
    assert moved.is_trusted
    expected = still.model_copy(
        update={"dy_um": still.dy_um + dy_px * PX, "dx_um": still.dx_um + dx_px * PX}
    )
    center, _, angle = errors_of(moved, expected, grid)
    assert center < 0.1
    assert angle < 0.1


def test_the_virtual_worm_is_aligned_to_a_tenth_of_a_pixel():
    truth = ChannelAlignment(dy_um=3.1, dx_um=-4.4, theta_deg=-1.2)
    worm = VirtualWorm.sample(
        5, settings=WormSettings(grid=ORIGINAL, n_volumes=3, alignment=truth)
    )
    volumes = [worm.render(index) for index in range(3)]
    calibrator = AlignmentCalibrator(volumes[0].spec, AlignmentSettings(n_volumes=3))
    for volume in volumes:
        calibrator.add(volume)
    found = calibrator.result()
    center, corner, angle = errors_of(found, truth, ORIGINAL)
    assert found.is_trusted
    assert center <= 0.1
    assert corner <= 0.2
    assert angle <= 0.05
