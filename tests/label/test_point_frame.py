import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_acll.label import Atlas, Pose, fit_pose, likeliest_poses, refine_affine

RNG = np.random.default_rng(4)
# like a head: long along x, thin elsewhere, without any symmetry
MEAN_UM = np.stack(
    [RNG.normal(0, 6, 120), RNG.normal(0, 8, 120), RNG.gamma(2.0, 18.0, 120)], axis=1
)
MEAN_UM -= MEAN_UM.mean(0)
ATLAS = Atlas(MEAN_UM, np.full((120, 3), 1.5))


def turned(heading_deg, roll_deg):
    """Rotation of `(z, y, x)` columns: first about x, then about z."""
    roll = Rotation.from_euler("x", roll_deg, degrees=True).as_matrix()[::-1, ::-1]
    heading = Rotation.from_euler("z", heading_deg, degrees=True).as_matrix()[::-1, ::-1]
    return heading @ roll


@pytest.mark.parametrize("heading_deg", [0, 37, 180, 205])
@pytest.mark.parametrize("roll_deg", [5, 170])
def test_the_posture_of_a_turned_head_is_found(heading_deg, roll_deg):
    matrix = turned(heading_deg, roll_deg)
    rng = np.random.default_rng(1)
    kept = rng.permutation(120)[:95]
    lying = MEAN_UM[kept] @ matrix.T + [3.0, -40.0, 12.0] + rng.normal(0, 0.5, (95, 3))
    clutter = lying[:10] + rng.normal(0, 8, (10, 3))
    pose = likeliest_poses(np.concatenate([lying, clutter]), ATLAS, n_best=1)[0]
    error = np.linalg.norm(pose.apply(lying) - MEAN_UM[kept], axis=1)
    assert np.median(error) < 1.5


def test_postures_are_sorted_and_differ():
    poses = likeliest_poses(MEAN_UM, ATLAS, n_best=3)
    fits = [pose.log_likelihood for pose in poses]
    assert fits == sorted(fits, reverse=True)
    cosine = (np.trace(poses[0].matrix.T @ poses[1].matrix) - 1) / 2
    assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))) > 20


def test_no_posture_mirrors_the_animal():
    for pose in likeliest_poses(MEAN_UM * [1, -1, 1], ATLAS, n_best=4):
        assert np.linalg.det(pose.matrix) == pytest.approx(1.0)


def test_a_stretched_head_is_fitted_by_the_affine_map():
    stretched = MEAN_UM * [1.1, 0.9, 1.05] + [1.0, 0.0, -2.0]
    start = Pose(np.eye(3), np.zeros(3))
    pose = refine_affine(stretched, ATLAS, start, n_rounds=12)
    assert np.linalg.norm(pose.apply(stretched) - MEAN_UM, axis=1).max() < 0.8


@pytest.mark.parametrize("is_affine", [False, True])
def test_a_map_is_recovered_although_some_pairs_are_wrong(is_affine):
    stretch = np.diag([1.05, 0.95, 1.1]) if is_affine else np.eye(3)
    matrix = stretch @ turned(20, 10)
    target = MEAN_UM @ matrix + [1.0, 2.0, 3.0]
    wrong = target.copy()
    wrong[:12] += 30.0
    pose = fit_pose(MEAN_UM, wrong, is_affine=is_affine)
    error = np.linalg.norm(pose.apply(MEAN_UM[12:]) - target[12:], axis=1)
    assert np.median(error) < 0.5
