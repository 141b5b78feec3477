"""Identities over time, on made-up labels of a worm that is known."""

from dataclasses import replace

import numpy as np
import pytest

from napari_acll.core import (
    N_CANDIDATES,
    Detections,
    IdentityFilter,
    IdentitySettings,
    LabeledVolume,
    NeuronTable,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.identity import EvidenceFilter
from napari_acll.identity._warp import MIN_PAIRS
from napari_acll.testing import IdentityFilterContract

N = 60
NEURONS = NeuronTable(tuple(f"N{number:02d}" for number in range(N)))
SPEC = VolumeSpec(grid=VoxelGrid.as_stored((1, 1, 1), (1.0, 1.0, 1.0)), period_s=0.6)
INSTANCES = np.zeros((1, 1, 1), np.uint16)


class Worm:
    """A worm whose nuclei are named right with a probability, else as a neighbor.

    Row `i` of its places is neuron `i + 1`.
    """

    def __init__(self, *, right=0.7, seed=0, seen=1.0):
        self.rng = np.random.default_rng(seed)
        side = np.arange(N)
        grid = np.stack([side // 20, side // 4 % 5, side % 4], axis=1) * (5.0, 5.0, 6.0)
        self.place = grid + self.rng.normal(0, 0.5, (N, 3))
        self.right = right
        self.seen = seen
        self.last_true = np.arange(1, N + 1)

    def volume(self, index, *, shift=None, wrong=()):
        shift = self.rng.normal(0, 6, 3) if shift is None else np.asarray(shift)
        rows = np.flatnonzero(self.rng.random(N) < self.seen)
        self.last_true = rows + 1
        neuron = rows + 1
        is_wrong = self.rng.random(len(rows)) > self.right
        is_wrong |= np.isin(neuron, wrong)
        other = np.where(neuron % 2 == 1, np.minimum(neuron + 1, N), neuron - 1)
        first = np.where(is_wrong, other, neuron)
        second = np.where(is_wrong, neuron, other)
        candidates = np.full((len(rows), N_CANDIDATES), -1, np.int32)
        chances = np.full((len(rows), N_CANDIDATES), np.nan, np.float32)
        candidates[:, :3] = np.c_[first, second, np.zeros(len(rows))]
        chances[:, :3] = (0.55, 0.35, 0.1)
        given = unique(first)
        found = Detections(
            centroid_px=(
                self.place[rows] + shift + self.rng.normal(0, 0.2, (len(rows), 3))
            ).astype(np.float32),
            n_voxels=np.full(len(rows), 30, np.int32),
            neuron=given,
            probability=np.where(given > 0, 0.55, 0).astype(np.float32),
            candidate_neuron=candidates,
            candidate_probability=chances,
        )
        return LabeledVolume(index=index, spec=SPEC, instances=INSTANCES, detections=found)


def unique(neuron):
    given = np.zeros(len(neuron), np.int32)
    _, first = np.unique(neuron, return_index=True)
    given[first] = neuron[first]
    return given


def run(worm, n, identity=None, first=0, **kwargs):
    """Share right, for each volume, alone and filtered."""
    identity = identity or EvidenceFilter(neurons=NEURONS)
    alone, filtered, volumes = [], [], []
    for index in range(first, first + n):
        volume = worm.volume(index, **kwargs)
        after = identity.update(volume)
        alone.append(np.mean(volume.detections.neuron == worm.last_true))
        filtered.append(np.mean(after.detections.neuron == worm.last_true))
        volumes.append(after)
    return np.array(alone), np.array(filtered), volumes


class TestEvidenceFilter(IdentityFilterContract):
    """The contract of identity filters."""

    def make_filter(self):
        return EvidenceFilter(neurons=NEURONS)

    def make_labeled(self, index):
        return Worm(seed=index).volume(index)


def test_it_is_an_identity_filter_made_from_settings():
    made = EvidenceFilter.from_settings(IdentitySettings(), NEURONS)
    assert isinstance(made, IdentityFilter)


def test_names_of_many_volumes_are_right_more_often_than_of_one():
    alone, filtered, _ = run(Worm(), 40)
    assert alone[20:].mean() < 0.75
    assert filtered[20:].mean() > 0.97


def test_no_name_is_given_twice_and_probabilities_are_probabilities():
    for volume in run(Worm(seen=0.8), 30)[2]:
        found = volume.detections
        given = found.neuron[found.neuron > 0]
        assert len(given) == len(np.unique(given))
        assert ((found.probability >= 0) & (found.probability <= 1)).all()
        assert (found.probability[found.neuron == 0] == 0).all()
        assert (found.candidate_probability[:, 0] >= found.candidate_probability[:, 1]).all()


def test_one_bad_volume_changes_hardly_a_name():
    worm, identity = Worm(right=0.9), EvidenceFilter(neurons=NEURONS)
    before = run(worm, 20, identity)[1][-1]
    bad = worm.volume(20, wrong=range(1, N + 1))
    after = identity.update(bad)
    assert np.mean(bad.detections.neuron == worm.last_true) < 0.1
    assert np.mean(after.detections.neuron == worm.last_true) > before - 0.1


def test_a_nucleus_that_was_hidden_has_its_name_when_it_comes_back():
    worm, identity = Worm(right=0.9), EvidenceFilter(neurons=NEURONS)
    run(worm, 20, identity)
    hidden = identity.update(without(worm.volume(20), 7))
    assert 8 not in hidden.detections.neuron
    back = identity.update(worm.volume(21))
    assert back.detections.neuron[7] == 8


def doubtful(worm, index, *, off_um):
    """A volume in which nucleus 8 is off its place, and named as 40, which hides."""
    volume = worm.volume(index, shift=(0, 0, 0))
    found = volume.detections
    place, candidates = found.centroid_px.copy(), found.candidate_neuron.copy()
    chances = found.candidate_probability.copy()
    place[7] += (0.0, 0.0, off_um)
    candidates[7, 0], chances[7, :3] = 40, (0.9, 0.08, 0.02)
    changed = replace(
        found, centroid_px=place, candidate_neuron=candidates, candidate_probability=chances
    )
    return without(replace(volume, detections=changed), 39)


@pytest.mark.parametrize(("off_um", "name"), [(0.0, 8), (2.5, 40)])
def test_what_is_found_in_the_place_of_another_one_does_not_inherit_its_past(off_um, name):
    identity = EvidenceFilter(neurons=NEURONS)
    worm = Worm(right=1.0)
    run(worm, 20, identity, shift=(0, 0, 0))
    # 2.5 um is nearer to where it was than to any other one, and yet off
    shown = identity.update(doubtful(worm, 20, off_um=off_um))
    assert shown.detections.neuron[7] == name


def weights_of(identity):
    """Volumes that each name rests on."""
    tracks = identity._tracks
    return dict(zip(tracks.neuron.tolist(), tracks.weight.tolist(), strict=True))


def test_a_nucleus_that_was_mistaken_for_another_one_has_its_past_in_the_next_volume():
    identity = EvidenceFilter(neurons=NEURONS)
    worm = Worm(right=1.0)
    run(worm, 20, identity, shift=(0, 0, 0))
    before = weights_of(identity)[8]
    identity.update(doubtful(worm, 20, off_um=2.5))
    back = identity.update(worm.volume(21, shift=(0, 0, 0)))
    assert back.detections.neuron[7] == 8
    assert weights_of(identity)[8] > before


class Swimmer(Worm):
    """As many nuclei in as much room as in a real head, which bends and of which many hide."""

    def __init__(self, seed):
        super().__init__(right=0.6, seed=seed, seen=0.85)
        self.rest = apart(self.rng, N, side_um=(7.0, 9.0, 12.0), least_um=3.3)

    def volume(self, index):
        sweep, bend = self.rng.normal(0, 1, 2)
        self.place = self.rest + self.rng.normal(0, 0.7, (N, 3))
        self.place[:, 1] += 4 * bend * (self.rest[:, 2] / 20) ** 2
        self.place[:, 2] += 3 * np.sin(self.rest[:, 0] / 7 + 2 * sweep)
        return super().volume(index)


def apart(rng, n, *, side_um, least_um):
    """Places none of which are too near to each other."""
    place = np.zeros((0, 3))
    while len(place) < n:
        one = rng.normal(0, 1, (1, 3)) * side_um
        if not len(place) or np.linalg.norm(place - one, axis=1).min() > least_um:
            place = np.concatenate([place, one])
    return place


def test_in_an_animal_that_bends_from_volume_to_volume_nuclei_are_known_by_its_shape():
    runs = [run(Swimmer(seed), 70) for seed in range(2)]
    alone, filtered = (np.mean([one[way][30:] for one in runs]) for way in range(2))
    assert alone < 0.55
    assert filtered > 0.77  # 0.69 if each volume is followed from the places of the last one


def test_a_late_volume_and_one_without_nuclei_teach_nothing():
    worm, identity = Worm(), EvidenceFilter(neurons=NEURONS)
    run(worm, 10, identity)
    late = worm.volume(3)
    assert identity.update(late) is late
    empty = replace(late, index=11, detections=Detections.none())
    assert identity.update(empty) is empty
    unfit = replace(late, index=12, is_labelable=False)
    assert identity.update(unfit) is unfit


def test_it_recovers_after_a_stretch_in_which_nothing_could_be_followed():
    identity = EvidenceFilter(neurons=NEURONS)
    run(Worm(), 20, identity)
    other = Worm(seed=5)  # as if the animal had been exchanged: nothing fits
    other.place = other.rng.permutation(other.place) * 3.0
    _, filtered, _ = run(other, 60, identity, first=20)
    assert filtered[-10:].mean() > 0.95
    assert any("anew" in note for note in identity.notes)


def test_an_established_name_that_changes_is_told():
    worm, identity = Worm(right=1.0), EvidenceFilter(neurons=NEURONS)
    run(worm, 15, identity, wrong=(1, 2))
    assert identity.notes == []
    _, filtered, _ = run(worm, 60, identity, first=15)
    assert filtered[-1] == 1.0
    assert any("N01 is now N00" in n and "N00 is now N01" in n for n in identity.notes)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_volumes_give_the_same_names(seed):
    one, two = (run(Worm(seed=seed), 12)[2] for _ in range(2))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.detections.neuron, second.detections.neuron)
        np.testing.assert_array_equal(first.detections.probability, second.detections.probability)


def test_a_name_that_a_person_vouches_for_stays_whatever_the_volumes_say():
    worm, identity = Worm(right=1.0), EvidenceFilter(neurons=NEURONS)
    run(worm, 10, identity)
    identity.hold({1, 2})
    _, _, volumes = run(worm, 80, identity, first=10, wrong=(1, 2, 3, 4))
    kept, followed = volumes[-1].detections, EvidenceFilter(neurons=NEURONS)
    assert kept.neuron[:4].tolist() == [1, 2, 4, 3]  # the others follow the evidence
    worm = Worm(right=1.0)
    run(worm, 10, followed)
    _, _, volumes = run(worm, 80, followed, first=10, wrong=(1, 2, 3, 4))
    assert volumes[-1].detections.neuron[:4].tolist() == [2, 1, 4, 3]
    assert kept.probability[0] > volumes[-1].detections.candidate_probability[0, 1]


def test_a_name_that_is_let_go_follows_the_evidence_again():
    worm, identity = Worm(right=1.0), EvidenceFilter(neurons=NEURONS)
    run(worm, 10, identity)
    identity.hold({1, 2})
    run(worm, 60, identity, first=10, wrong=(1, 2))
    identity.hold(())
    _, _, volumes = run(worm, 20, identity, first=70, wrong=(1, 2))
    assert volumes[-1].detections.neuron[:2].tolist() == [2, 1]


def test_a_nucleus_that_a_person_vouches_for_is_expected_back_however_long_it_hides():
    worm, identity = Worm(right=1.0), EvidenceFilter(neurons=NEURONS)
    run(worm, 10, identity)
    identity.hold({8})
    for index in range(10, 80):
        identity.update(without(worm.volume(index), 7))
    before = weights_of(identity)[8]
    back = identity.update(worm.volume(80, wrong=(8,)))
    assert back.detections.neuron[7] == 8
    # it is the same nucleus, not a new one that has no other name to take
    assert weights_of(identity)[8] > 0.9 * before


@pytest.mark.parametrize("n_seen", [1, MIN_PAIRS - 1])
def test_a_first_volume_with_hardly_a_nucleus_costs_no_other_one(n_seen):
    worm, identity = Worm(), EvidenceFilter(neurons=NEURONS)
    identity.update(with_rows(worm.volume(0), np.arange(N) < n_seen))
    _, filtered, _ = run(worm, 40, identity, first=1)
    assert filtered[20:].mean() > 0.97


def test_that_there_are_hardly_any_nuclei_is_not_told_over_and_over():
    worm, identity = Worm(), EvidenceFilter(neurons=NEURONS)
    for index in range(50):
        few = with_rows(worm.volume(index), np.arange(N) < MIN_PAIRS - 1)
        given = identity.update(few).detections.neuron
        assert len(np.unique(given[given > 0])) == (given > 0).sum()
    assert identity.notes == []


def without(volume, row):
    return with_rows(volume, np.arange(N) != row)


def with_rows(volume, keep):
    columns = {
        name: getattr(volume.detections, name)[keep] for name in Detections.__dataclass_fields__
    }
    return replace(volume, detections=Detections(**columns))
