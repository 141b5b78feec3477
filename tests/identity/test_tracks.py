"""What is known of nuclei that are followed."""

import numpy as np
import pytest

from napari_acll.identity._tracks import ESTABLISHED, Tracks

N = 60


def followed(place_um):
    """Nuclei after a volume that showed all of them."""
    new, sure = np.full(len(place_um), -1, np.int64), np.ones(len(place_um))
    nothing = np.zeros((len(place_um), 6))
    return Tracks.none(5).seen(new, sure, place_um=place_um, shape_um=place_um, evidence=nothing)


def test_a_place_in_the_shape_is_the_mean_of_the_first_volumes():
    rng, true = np.random.default_rng(0), np.zeros((N, 3))
    tracks = followed(true + rng.normal(0, 0.5, (N, 3)))
    for _ in range(9):
        found = true + rng.normal(0, 0.5, (N, 3))
        tracks = tracks.seen(
            np.arange(N), np.ones(N), place_um=found, shape_um=found, evidence=np.zeros((N, 6))
        )
    np.testing.assert_allclose(tracks.place_um, found)
    assert np.std(tracks.shape_um) < 0.5 / np.sqrt(10) * 1.2


def test_a_doubtful_link_adds_little_to_what_is_known_and_takes_nothing_from_it():
    tracks = followed(np.zeros((2, 3)))
    said = np.full((2, 6), -1.0)
    after = tracks.seen(
        np.arange(2),
        np.array([1.0, 0.25]),
        place_um=np.zeros((2, 3)),
        shape_um=np.zeros((2, 3)),
        evidence=said,
    )
    np.testing.assert_allclose(after.weight - 0.99 * tracks.weight, [1.0, 0.25])
    np.testing.assert_allclose(after.evidence[:, 1], [-1.0, -0.25])


def test_presence_falls_while_a_nucleus_hides_and_rises_when_it_is_found():
    tracks = followed(np.zeros((2, 3)))
    for _ in range(30):
        tracks = tracks.seen(
            np.array([0]),
            np.ones(1),
            place_um=np.zeros((1, 3)),
            shape_um=np.zeros((1, 3)),
            evidence=np.zeros((1, 6)),
        )
    assert tracks.presence[0] > 0.9
    assert tracks.presence[1] < 0.1
    assert tracks.n_unseen.tolist() == [0, 30]


@pytest.mark.parametrize(("n_volumes", "rows"), [(ESTABLISHED - 1, []), (ESTABLISHED, [0, 1])])
def test_a_name_that_changes_is_a_revision_once_it_lasts(n_volumes, rows):
    tracks = followed(np.zeros((2, 3)))
    for _ in range(ESTABLISHED):
        tracks = tracks.named(np.array([1, 2]), np.arange(2)).settled()
    for _ in range(n_volumes):
        tracks = tracks.named(np.array([2, 1]), np.arange(2))
    assert tracks.revised().tolist() == rows
    assert tracks.settled().revised().tolist() == []


def test_the_first_established_name_is_no_revision_nor_is_one_while_a_nucleus_hides():
    tracks = followed(np.zeros((2, 3)))
    for _ in range(ESTABLISHED + 5):
        tracks = tracks.named(np.array([1, 2]), np.arange(2))
        assert not len(tracks.revised())
    tracks = tracks.settled()
    for _ in range(ESTABLISHED + 5):
        tracks = tracks.named(np.array([1, 3]), np.array([0]))
    assert not len(tracks.revised())
