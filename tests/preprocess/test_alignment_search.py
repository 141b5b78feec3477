import numpy as np
import pytest
from tests.preprocess.alignment_pairs import ORIGINAL, Animal, Scene, make_pair

from napari_acll.core import AlignmentSettings, ChannelAlignment, VoxelGrid
from napari_acll.preprocess import _alignment_calibrator, estimate_alignment
from napari_acll.preprocess._alignment_images import shrunk, slab_images
from napari_acll.preprocess._alignment_patches import Displacements, robust_step
from napari_acll.preprocess._alignment_search import SearchSurface, alignment_about

RNG_SEED = 3


def surface_with(peak, row, column):
    rng = np.random.default_rng(RNG_SEED)
    agreement = rng.normal(0, 0.01, (5, 17, 17))
    y, x = np.indices((17, 17))
    agreement[3] += peak * np.exp(-0.5 * ((y - row) ** 2 + (x - column) ** 2) / 1.5**2)
    angles = np.linspace(-1.0, 1.0, 5)
    return SearchSurface(
        agreement=agreement, theta_deg=angles, step_um=(1.08, 1.08), center_um=(0.0, 0.0)
    )


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(RNG_SEED)
    scene = Scene()
    truth = ChannelAlignment(dy_um=1.0, dx_um=2.0, theta_deg=0.5)
    return make_pair(rng, Animal.random(rng, scene), truth, scene)


def test_the_best_shift_is_found_between_the_steps():
    best = surface_with(1.0, 10.5, 5.25).best()
    turn = np.deg2rad(0.5)  # a shift is along the rotated axes: d = R s
    y, x = 2.5 * 1.08, -2.75 * 1.08
    assert best.theta_deg == 0.5
    assert best.dy_um == pytest.approx(np.cos(turn) * y + np.sin(turn) * x, abs=0.15)
    assert best.dx_um == pytest.approx(np.cos(turn) * x - np.sin(turn) * y, abs=0.15)


def test_a_peak_is_distinct_and_noise_is_not():
    assert surface_with(1.0, 8, 8).distinctness() > 50
    assert surface_with(0.0, 8, 8).distinctness() < 5


def test_a_peak_at_the_edge_is_noticed():
    assert surface_with(1.0, 0, 8).is_at_edge()
    assert not surface_with(1.0, 1, 8).is_at_edge()


def test_a_rotation_about_a_point_leaves_it_where_it_is():
    grid = VoxelGrid.as_stored((1, 101, 201), (1.0, 0.5, 0.5))
    turn = alignment_about((10.0, -20.0), 5.0, (0.0, 0.0))
    y, x = turn.to_activity_px(np.array(50 + 20.0), np.array(100 - 40.0), grid=grid)
    assert (y, x) == pytest.approx((70.0, 60.0))


def test_nuclei_that_disagree_do_not_move_the_fit():
    # Closed form: q = R(theta) p + d to first order, a third of the nuclei far off it.
    rng = np.random.default_rng(RNG_SEED)
    lever = rng.uniform(-50, 50, (60, 2))
    dy, dx, theta = 0.3, -0.2, 0.01
    moved = np.stack([dy + theta * lever[:, 1], dx - theta * lever[:, 0]], axis=1)
    moved[:20] += rng.uniform(3, 5, (20, 2))
    precision = np.broadcast_to(np.eye(2), (60, 2, 2))
    step = robust_step(Displacements(lever_um=lever, moved_um=moved, precision=precision))
    np.testing.assert_allclose(step, (dy, dx, theta), atol=1e-6)


def test_pixels_that_are_averaged_stay_where_they_are():
    grid = VoxelGrid.as_stored((1, 9, 12), (1.0, 0.5, 0.25))
    ramp = np.broadcast_to(np.arange(12.0, dtype=np.float32), (1, 9, 12))
    small, small_grid = shrunk(ramp, grid, (2, 4))
    assert small.shape == small_grid.shape == (1, 4, 3)
    stored_x = small_grid.to_stored_px(np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 2]]))[:, 2]
    np.testing.assert_allclose(small[0, 0], stored_x)  # a ramp shows its own position


def test_peaks_are_the_nuclei_and_not_single_noisy_pixels():
    rng = np.random.default_rng(RNG_SEED)
    volume = rng.normal(130, 3, (8, 60, 60))
    z, y, x = np.indices(volume.shape)
    nuclei = [(2, 20, 15), (5, 40, 42)]
    for at_z, at_y, at_x in nuclei:
        distance = ((z - at_z) / 2.5) ** 2 + ((y - at_y) / 2.0) ** 2 + ((x - at_x) / 2.0) ** 2
        volume += 300 * np.exp(-0.5 * distance)
    volume[3, 10, 50] += 3000  # a cosmic ray
    grid = VoxelGrid.as_stored(volume.shape, (0.54, 0.54, 0.54))
    found = slab_images(np.rint(volume).astype(np.uint16), grid=grid).peaks
    assert sorted(map(tuple, found[:, 1:])) == [(20, 15), (40, 42)]


def test_a_low_score_is_not_trusted(pair):
    found = estimate_alignment(*pair, grid=ORIGINAL, settings=AlignmentSettings(min_score=0.99))
    assert not found.is_trusted
    assert "agree too little" in found.note


def test_a_flat_search_is_not_trusted(pair, monkeypatch):
    monkeypatch.setattr(_alignment_calibrator, "MIN_DISTINCTNESS", 1e6)
    found = estimate_alignment(*pair, grid=ORIGINAL, settings=AlignmentSettings())
    assert not found.is_trusted
    assert "No shift fits clearly better" in found.note
