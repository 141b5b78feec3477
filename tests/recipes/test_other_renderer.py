from dataclasses import replace

import numpy as np
import pytest
from benchmark_animals import LISTED, UNLISTED, Head
from scipy.ndimage import center_of_mass, shift

pytest.importorskip("skimage", reason="the second renderer draws outlines with scikit-image")

from other_renderer import blur, render, tail
from other_worm import Nuclei, Rig, draw_posture, draw_shifts, place_nuclei

RIG = Rig(shape=(40, 60, 90))


def animal(n: int = 12) -> Head:
    rng = np.random.default_rng(5)
    kind = np.full(n, LISTED, np.int8)
    kind[n // 2 :] = UNLISTED
    return Head(
        lab="none",
        animal="made up",
        names=tuple(f"N{number}" for number in range(n)),
        kind=kind,
        position_um=rng.uniform(-1, 1, (n, 3)) * [5, 8, 14],
        log_brightness=np.zeros(n),
    )


def one_nucleus(center_um: np.ndarray) -> Nuclei:
    nuclei = Nuclei.draw(center_um[None], np.array([1.6]), np.random.default_rng(0))
    return replace(nuclei, nucleolus=np.zeros((1, 4)))


def test_light_lies_where_the_truth_says() -> None:
    center = np.array([10.3, 16.1, 24.7])
    image = one_nucleus(center).image(np.array([100.0]), RIG)
    fine_step = np.array([0.54, 0.27, 0.27])
    for seen in (image, blur(image, RIG)):
        found = (np.array(center_of_mass(seen)) + 0.5) * fine_step
        # the blur widens with depth, which draws the light along the axis a little
        assert np.abs(found - center).max() < 0.1


def test_a_mask_is_as_large_as_its_nucleus() -> None:
    center = np.array([10.3, 16.1, 24.7])
    masks = one_nucleus(center).masks(center[None], RIG)
    assert masks.max() == 1
    volume_um3 = masks.sum() * 0.54**3
    assert volume_um3 == pytest.approx(4 / 3 * np.pi * 1.6**3, rel=0.12)
    assert np.abs((np.array(center_of_mass(masks)) + 0.5) * 0.54 - center).max() < 0.15


def test_the_tail_spreads_a_third_of_the_light_evenly() -> None:
    image = np.zeros((41, 61, 61), np.float32)
    image[20, 30, 30] = 1000
    spread = tail(image, RIG)
    assert spread.sum() == pytest.approx(380, rel=0.01)
    assert np.allclose(spread, spread[::-1, ::-1, ::-1], atol=1e-3)


def test_the_truth_follows_the_shift_of_the_slices() -> None:
    head = animal()
    rng = np.random.default_rng(1)
    posture = draw_posture(head, RIG, rng)
    z_of = place_nuclei(head.position_um, posture, RIG)[:, 0] / 0.54 - 0.5
    rendered = render(head, RIG, np.random.default_rng(1))
    same = draw_posture(head, RIG, np.random.default_rng(1))
    straight = place_nuclei(head.position_um, same, RIG)
    expected = [np.interp(z_of, np.arange(40), column) for column in same.shift_um.T]
    moved = rendered.truth.centroid_px[:, 1:] * 0.54 + 0.27 - straight[:, 1:]
    assert np.abs(moved - np.array(expected).T).max() < 1e-6
    assert np.abs(moved).max() > 0.2


def test_an_animal_at_rest_keeps_its_distances() -> None:
    head = animal()
    still = replace(RIG, motion=0.0)
    posture = draw_posture(head, still, np.random.default_rng(2))
    rigid = replace(posture, arc=0.0, wave=0.0, change=0.0)
    placed = place_nuclei(head.position_um, rigid, still)
    before = np.linalg.norm(head.position_um[:1] - head.position_um, axis=1)
    assert np.allclose(np.linalg.norm(placed[:1] - placed, axis=1), before, atol=0.05)


def test_an_animal_is_never_mirrored() -> None:
    head = animal()
    for seed in range(8):
        posture = draw_posture(head, RIG, np.random.default_rng(seed))
        rigid = replace(posture, arc=0.0, wave=0.0, change=0.0)
        placed = place_nuclei(head.position_um, rigid, RIG)
        sides = np.linalg.lstsq(
            head.position_um - head.position_um.mean(0), placed - placed.mean(0), rcond=None
        )[0]
        assert np.linalg.det(sides) == pytest.approx(1, abs=0.05)


def test_nuclei_stand_out_where_the_truth_has_them() -> None:
    rendered = render(animal(), replace(RIG, tissue=0.0), np.random.default_rng(3))
    marker = rendered.volume.marker.astype(float)
    inside = rendered.truth.is_inside(RIG.shape)
    pixel = np.rint(rendered.truth.centroid_px[inside]).astype(int)
    at_nuclei = marker[tuple(pixel.T)]
    away = shift(rendered.masks, 3, order=0, mode="nearest") + rendered.masks == 0
    assert np.median(at_nuclei) > marker[away].mean() + 3 * marker[away].std()


def test_a_volume_looks_like_a_recorded_one() -> None:
    """Median 125-137, minimum 24-81, SD 10-50, maximum 361-3555 in real binned volumes."""
    marker = render(animal(60), Rig(shape=(64, 120, 284)), np.random.default_rng(4)).volume.marker
    assert 110 < np.median(marker) < 150
    assert 10 < marker.min() < 90
    assert 8 < marker.std() < 60
    assert 300 < marker.max() < 6000


def test_less_light_is_less() -> None:
    head = animal()
    light = []
    for factor in (1.0, 0.25):
        rendered = render(head, replace(RIG, light=factor), np.random.default_rng(6))
        marker = rendered.volume.marker
        light.append(float(marker[rendered.masks > 0].mean() - np.median(marker)))
    assert light[1] / light[0] == pytest.approx(0.25, rel=0.1)


def test_lost_slices_are_dark() -> None:
    rig = replace(RIG, n_missing_slices=39, tissue=0.0)
    brightest = np.sort(render(animal(), rig, np.random.default_rng(6)).volume.marker.max((1, 2)))
    assert brightest[38] < 100 + 40 + 10 * 20  # offset, background and ten times its noise


def test_motion_and_shear_scale_the_shifts() -> None:
    steady = draw_shifts(replace(RIG, motion=0.0), np.random.default_rng(7))
    assert np.allclose(np.diff(steady, axis=0), np.diff(steady, axis=0)[0])
    more = draw_shifts(replace(RIG, motion=0.0, shear=3.0), np.random.default_rng(7))
    assert np.allclose(more, 3 * steady)


def test_the_same_seed_gives_the_same_volume() -> None:
    first, second = (
        render(animal(), RIG, np.random.default_rng(8)).volume.marker for _ in range(2)
    )
    assert np.array_equal(first, second)
