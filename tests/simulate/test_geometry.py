import numpy as np
import pytest

from napari_acll.simulate._geometry import (
    bend,
    body_nodes_um,
    push_apart,
    rigid_fit,
    rotation,
)


def test_a_constant_curvature_bends_the_midline_to_a_circle() -> None:
    curvature = 0.01
    x = np.linspace(-100, 100, 41)
    midline = np.stack([np.full(41, 3.0), np.zeros(41), x], axis=1)
    bent = bend(midline, curvature * body_nodes_um())
    center = np.array([3.0, 1 / curvature, 0.0])
    distance = np.linalg.norm(bent - center, axis=1)
    assert distance == pytest.approx(1 / curvature, abs=0.15)
    steps = np.linalg.norm(np.diff(bent, axis=0), axis=1)
    assert steps == pytest.approx(5.0, abs=0.01)


def test_a_point_beside_the_midline_stays_at_its_distance() -> None:
    angle = 0.3 * np.sin(body_nodes_um() / 50)
    sides = np.array([[0.0, 0.0, 40.0], [0.0, 7.0, 40.0], [5.0, 0.0, 40.0]])
    middle, beside, above = bend(sides, angle)
    assert np.linalg.norm(beside - middle) == pytest.approx(7.0)
    assert above - middle == pytest.approx([5.0, 0.0, 0.0])


def test_a_straight_body_is_not_changed() -> None:
    points = np.random.default_rng(0).normal(0, 20, (30, 3))
    assert bend(points, np.zeros_like(body_nodes_um())) == pytest.approx(points)


def test_rolling_by_half_a_turn_flips_both_short_axes() -> None:
    assert rotation(0, 0, np.pi) @ [1.0, 2.0, 3.0] == pytest.approx([-1.0, -2.0, 3.0])
    assert rotation(np.pi, 0, 0) @ [1.0, 2.0, 3.0] == pytest.approx([1.0, -2.0, -3.0])


def test_no_rotation_mirrors() -> None:
    rng = np.random.default_rng(1)
    for angles in rng.uniform(-np.pi, np.pi, (20, 3)):
        matrix = rotation(*angles)
        assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1.0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_animal_is_turned_back_although_a_nucleus_is_misplaced(mirrored: bool) -> None:
    rng = np.random.default_rng(2)
    target = rng.normal(0, [5, 8, 30], (40, 3))
    source = target * [1, 1, -1] if mirrored else target
    source = source @ rotation(0.7, 0.2, 2.5).T + [4.0, -2.0, 90.0]
    moved = source.copy()
    moved[3] += 40.0
    matrix, center, goal = rigid_fit(moved, target, allow_mirror=mirrored)
    assert np.sign(np.linalg.det(matrix)) == (-1 if mirrored else 1)
    assert (source - center) @ matrix + goal == pytest.approx(target, abs=0.1)


def test_nuclei_are_pushed_to_arms_length_and_fixed_ones_stay() -> None:
    rng = np.random.default_rng(3)
    place = rng.normal(0, 4.0, (60, 3))
    start = place.copy()
    radius = np.full(60, 1.0)
    push_apart(place, 0.9 * radius, 200, 10)
    assert np.array_equal(place[:10], start[:10])
    distance = np.linalg.norm(place[:, None] - place[None], axis=2) + 9 * np.eye(60)
    assert distance[:, 10:].min() > 0.95 * 1.8
