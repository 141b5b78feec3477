"""The motion of a head, from nuclei that correspond."""

import numpy as np
from scipy.spatial.transform import Rotation

from napari_acll.identity._warp import MIN_PAIRS, Shape, fit_warp


def head(n=180, seed=0):
    """As many nuclei in as much room as in a real head."""
    return np.random.default_rng(seed).normal(0, 1, (n, 3)) * (6, 8, 24)


def moved(place_um):
    """A turn, a shift, and a bend of 5 um at the ends."""
    turned = place_um @ Rotation.from_euler("z", 12, degrees=True).as_matrix() + (4, -20, 9)
    return turned + np.c_[0 * place_um[:, 0], 5 * (place_um[:, 2] / 48) ** 2, 0 * place_um[:, 0]]


def test_places_between_the_pairs_follow_the_motion():
    place = head()
    warp = fit_warp(place[::2], moved(place[::2]))
    error = np.linalg.norm(warp.apply(place[1::2]) - moved(place[1::2]), axis=1)
    still = np.linalg.norm(place[1::2] - moved(place[1::2]), axis=1)
    assert np.median(error) < 0.4
    assert np.median(error) < 0.05 * np.median(still)


def test_slices_that_were_taken_while_the_animal_moved_are_followed():
    place = head()
    target = moved(place)
    target[:, 1] += 4.0 * np.sin(2 * np.pi * place[:, 0] / 40)  # the sweep takes a while
    target[:, 2] += 3.0 * np.cos(2 * np.pi * place[:, 0] / 40)
    warp = fit_warp(place[::2], target[::2])
    error = np.linalg.norm(warp.apply(place[1::2]) - target[1::2], axis=1)
    assert np.median(error) < 0.3
    assert np.quantile(error, 0.9) < 1.0


def test_wrong_pairs_hardly_disturb():
    place = head()
    target = moved(place)
    wrong = np.arange(0, len(place), 6)
    target[wrong] = target[np.roll(wrong, 1)]
    error = np.linalg.norm(fit_warp(place, target).apply(place) - moved(place), axis=1)
    assert np.median(error) < 0.6


def test_too_few_pairs_tell_nothing():
    place = head(MIN_PAIRS - 1)
    assert fit_warp(place, place) is None


def test_a_shape_goes_where_the_motion_of_some_of_its_nuclei_puts_it():
    place = head()
    shape, some = Shape.of(place), np.arange(0, len(place), 2)
    warp = shape.fit(some, moved(place[some]))
    np.testing.assert_allclose(shape.moved(warp), warp.apply(place), atol=1e-9)
    error = np.linalg.norm(shape.moved(warp) - moved(place), axis=1)
    assert np.median(error[1::2]) < 0.4


def test_a_motion_is_undone_for_places_that_had_no_part_in_it():
    place = head()
    warp = fit_warp(place[::2], moved(place[::2]))
    error = np.linalg.norm(warp.undo(warp.apply(place[1::2])) - place[1::2], axis=1)
    assert np.quantile(error, 0.95) < 0.1
