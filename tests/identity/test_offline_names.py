"""Nuclei linked over a whole recording, on made-up labels of a worm that is known."""

from dataclasses import replace

import numpy as np
import pytest
from tests.identity.test_evidence_filter import NEURONS, N, Worm

from napari_acll.core import Detections
from napari_acll.identity import CertainName, FoundNuclei, link_nuclei, n_steps, refine_names


def found(labeled):
    places = labeled.detections.centroid_px.astype(np.float64)
    return FoundNuclei(place_um=places, detections=labeled.detections)


def recorded(worm, n, **kwargs):
    volumes, true = [], []
    for index in range(n):
        volumes.append(found(worm.volume(index, **kwargs)))
        true.append(worm.last_true)
    return volumes, true


def links(nuclei, true):
    """Share of linked detections of a nucleus' commonest neuron, and nuclei per neuron."""
    rows, numbers = np.concatenate(nuclei.rows), np.concatenate(true)
    counts = np.zeros((len(nuclei), N + 1))
    np.add.at(counts, (rows[rows >= 0], numbers[rows >= 0]), 1)
    return counts.max(1).sum() / counts.sum(), (counts > 0).sum(0)[1:]


@pytest.fixture(scope="module")
def recording():
    return recorded(Worm(right=0.7, seen=0.85, seed=2), 40)


def test_a_nucleus_is_one_however_often_it_was_missed(recording):
    volumes, true = recording
    nuclei = link_nuclei(volumes, len(NEURONS))
    pure, n_nuclei = links(nuclei, true)
    assert nuclei.is_placed.all()
    assert pure > 0.99
    assert n_nuclei.mean() < 1.1
    assert abs(len(nuclei) - N) <= 3
    for rows in nuclei.rows:
        linked = rows[rows >= 0]
        assert len(linked) == len(np.unique(linked))


def test_linking_tells_how_far_it_is(recording):
    told = []
    link_nuclei(recording[0], len(NEURONS), tell=told.append)
    assert told == list(range(1, n_steps(recording[0]) + 1))


def test_names_by_all_volumes_are_right_and_steady_from_the_first_on(recording):
    volumes, true = recording
    names = refine_names(volumes, len(NEURONS))
    right = [
        np.mean(item.neuron == number) for item, number in zip(names.detections, true, strict=True)
    ]
    alone = [
        np.mean(item.detections.neuron == number)
        for item, number in zip(volumes, true, strict=True)
    ]
    assert np.mean(alone) < 0.7
    assert np.mean(right) > 0.95
    assert right[0] > 0.95


def test_no_name_is_given_twice_and_probabilities_are_probabilities(recording):
    for item in refine_names(recording[0], len(NEURONS)).detections:
        given = item.neuron[item.neuron > 0]
        assert len(given) == len(np.unique(given))
        assert ((item.probability >= 0) & (item.probability <= 1)).all()
        assert (item.probability[item.neuron == 0] == 0).all()
        assert (item.candidate_probability[:, 0] >= item.candidate_probability[:, 1]).all()


def test_stray_detections_are_of_no_nucleus():
    worm, rng = Worm(right=0.9, seed=3), np.random.default_rng(4)
    volumes, n_strays = [], 0
    for index in range(36):
        volume = found(worm.volume(index))
        stray_um = volume.place_um.mean(0) + rng.uniform(-20, 20, 3)
        gap_um = np.linalg.norm(volume.place_um - stray_um, axis=1).min()
        n_strays += gap_um > 6
        row = np.zeros(1, np.int64)
        more = {
            name: np.concatenate([column, column[row]])
            for name, column in (
                (name, getattr(volume.detections, name))
                for name in Detections.__dataclass_fields__
            )
        }
        more["neuron"][-1], more["probability"][-1] = 0, 0
        place_um = np.concatenate([volume.place_um, stray_um[None]])
        volumes.append(FoundNuclei(place_um=place_um, detections=Detections(**more)))
    nuclei = link_nuclei(volumes, len(NEURONS))
    assert len(nuclei) <= N + 2
    assert sum(rows[-1] >= 0 for rows in nuclei.rows) <= 36 - n_strays + 3


def twice(volume, which, away_um):
    """Return a volume in which some nuclei are detected once more, a little away."""
    place_um = np.concatenate([volume.place_um, volume.place_um[which] + away_um])
    columns = {
        name: np.concatenate([column, column[which]])
        for name, column in (
            (name, getattr(volume.detections, name)) for name in Detections.__dataclass_fields__
        )
    }
    return FoundNuclei(place_um=place_um, detections=Detections(**columns))


def test_a_nucleus_that_is_often_detected_twice_is_one():
    worm = Worm(right=0.9, seen=0.95, seed=6)
    volumes = []
    for index in range(36):
        volume = found(worm.volume(index))
        which = np.flatnonzero(np.isin(worm.last_true, (3, 4, 5, 6))) if index % 2 else []
        volumes.append(twice(volume, np.array(which, np.int64), np.array([0.0, 1.2, 0.0])))
    assert len(link_nuclei(volumes, len(NEURONS))) <= N + 1


def test_two_nuclei_that_are_near_but_called_otherwise_are_two():
    worm = Worm(right=1.0, seen=1.0, seed=7)
    volumes, n_near = [], 2
    for index in range(30):
        volume = found(worm.volume(index))
        place_um = volume.place_um.copy()
        for row in range(0, 2 * n_near, 2):  # a pair 1.5 um apart in each volume
            place_um[row + 1] = place_um[row] + np.array([0.0, 1.5, 0.0])
        volumes.append(FoundNuclei(place_um=place_um, detections=volume.detections))
    assert len(link_nuclei(volumes, len(NEURONS))) >= N


def test_a_name_that_a_person_gave_holds_in_all_volumes_and_for_no_other(recording):
    volumes, _ = recording
    # whatever is called 5 around volume 20 is to be 30, and nothing else is
    is_called = [
        np.where(item.detections.neuron == 5, 30, item.detections.neuron) for item in volumes
    ]
    changed = [
        FoundNuclei(
            place_um=item.place_um,
            detections=replace(item.detections, neuron=names.astype(np.int32)),
        )
        if 20 <= number < 30
        else item
        for number, (item, names) in enumerate(zip(volumes, is_called, strict=True))
    ]
    for item in changed[20:30]:  # the true one is not called so any more
        neuron = item.detections.neuron
        neuron[np.flatnonzero(neuron == 30)[1:]] = 0
    certain = [CertainName(neuron=30, first=20, stop=30)]
    names = refine_names(changed, len(NEURONS), certain=certain)
    row = {
        int(nucleus)
        for rows, item in zip(names.nuclei.rows, names.detections, strict=True)
        for nucleus in rows[item.neuron == 30]
    }
    assert len(row) == 1
    assert names.neuron[row.pop()] == 30
    assert names.not_found == ()
    given = [item.probability[item.neuron == 30] for item in names.detections]
    assert np.concatenate(given) == pytest.approx(0.99)


def test_a_certain_name_that_nothing_has_is_told(recording):
    certain = [CertainName(neuron=1, first=0, stop=0)]
    assert refine_names(recording[0], len(NEURONS), certain=certain).not_found == (1,)


def test_volumes_whose_motion_cannot_be_told_keep_their_names(recording):
    volumes = list(recording[0])
    rng = np.random.default_rng(5)
    few = {
        name: getattr(volumes[7].detections, name)[:6] for name in Detections.__dataclass_fields__
    }
    volumes[7] = FoundNuclei(place_um=rng.uniform(0, 90, (6, 3)), detections=Detections(**few))
    names = refine_names(volumes, len(NEURONS))
    assert not names.nuclei.is_placed[7]
    assert names.detections[7] is volumes[7].detections
    assert refine_names([], len(NEURONS)).detections == []
