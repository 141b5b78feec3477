"""Which nucleus of a volume is which of those that are followed."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_acll.identity._matching import match
from napari_acll.identity._tracks import Tracks


def followed(place_um):
    """Nuclei after a volume that showed all of them, one without evidence for any name."""
    n = len(place_um)
    new, sure = np.full(n, -1, np.int64), np.ones(n)
    tracks = Tracks.none(5)
    return tracks.seen(new, sure, place_um=place_um, shape_um=place_um, evidence=np.zeros((n, 6)))


def grid():
    side = np.arange(60)
    return np.stack([side // 20, side // 4 % 5, side % 4], axis=1) * (6.0, 6.0, 7.0)


@pytest.mark.parametrize(("presence", "row"), [(0.95, 0), (0.4, 60)])
def test_a_nucleus_that_was_lost_is_preferred_to_what_was_taken_up_in_its_place(presence, row):
    place = np.concatenate([grid(), grid()[:1] + np.array([0.0, 0.0, 1.5])])
    tracks = followed(place)
    tracks = replace(tracks, presence=np.r_[presence, np.full(59, 0.95), 0.4])
    found = grid()
    found[0, 2] += 1.2  # nearer to the newcomer
    matched = match(tracks, found, np.zeros(60, np.int64))
    assert matched is not None
    assert matched.rows[0] == row
    np.testing.assert_array_equal(matched.rows[1:], np.arange(1, 60))


def test_what_comes_and_goes_does_not_tell_the_motion():
    rng = np.random.default_rng(0)
    strays = rng.uniform(0, 24, (40, 3))
    tracks = followed(np.concatenate([grid(), strays]))
    tracks = replace(tracks, presence=np.r_[np.full(60, 0.9), np.full(40, 0.3)])
    found = np.concatenate([grid(), strays + np.array([1.5, 1.5, 0.0])])
    matched = match(tracks, found, np.zeros(100, np.int64))
    assert matched is not None
    assert np.linalg.norm(matched.place_um[:60] - grid(), axis=1).max() < 0.2
    np.testing.assert_array_equal(matched.rows[:60], np.arange(60))


def test_new_nuclei_have_a_place_in_the_shape_however_far_the_animal_has_gone():
    tracks = followed(grid())
    moved = grid() @ np.diag([1.0, 0.95, 1.05]) + (3.0, -20.0, 8.0)
    new = np.array([[7.0, 9.0, 10.5]])
    found = np.concatenate([moved, new @ np.diag([1.0, 0.95, 1.05]) + (3.0, -20.0, 8.0)])
    matched = match(tracks, found, np.zeros(61, np.int64))
    assert matched is not None
    assert matched.rows[-1] == -1
    np.testing.assert_allclose(matched.shape_um[-1:], new, atol=0.1)
    np.testing.assert_allclose(matched.shape_um[:60], grid(), atol=0.1)


@pytest.mark.parametrize(("n", "angle"), [(60, 0), (60, 90), (20, 180)])
def test_a_shape_that_has_grown_comes_back_to_the_extent_of_the_animal_wherever_it_turns(n, angle):
    true = grid()[:: 60 // n] - grid().mean(0)
    tracks = followed(true * (1.3, 0.8, 1.2))
    tracks = replace(tracks, neuron=np.arange(1, n + 1))
    turned = true @ Rotation.from_euler("z", angle, degrees=True).as_matrix()
    for _ in range(300):
        matched = match(tracks, turned, np.arange(1, n + 1))
        assert (matched.rows >= 0).mean() > 0.7
        tracks = tracks.stretched(matched.stretch)
    extent = np.linalg.svd(tracks.shape_um - tracks.shape_um.mean(0))[1]
    np.testing.assert_allclose(extent, np.linalg.svd(true - true.mean(0))[1], rtol=0.03)
