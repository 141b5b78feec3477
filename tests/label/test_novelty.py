import numpy as np
import pytest

from napari_acll.core import NeuronTable
from napari_acll.label import NoveltyReference
from napari_acll.label._novelty import STATISTICS, agreement_of, volume_statistics

NAMES = NeuronTable(tuple(f"N{i:02d}{side}" for i in range(30) for side in "LR"))


def known(n=60, seed=0):
    return np.random.default_rng(seed).normal(1.0, 0.1, (n, len(STATISTICS)))


def test_about_one_known_volume_in_a_hundred_is_odd():
    reference = NoveltyReference.fitted(known(400))
    fresh = known(2000, seed=1)
    odd = np.mean([reference.novelty(row) >= 0.5 for row in fresh])
    assert odd <= 0.03
    assert np.median([reference.novelty(row) for row in fresh]) < 0.4


@pytest.mark.parametrize("name", STATISTICS)
def test_a_volume_that_is_odd_in_one_way_is_told_with_the_reason(name):
    reference = NoveltyReference.fitted(known())
    row = np.ones(len(STATISTICS))
    row[STATISTICS.index(name)] -= 5.0
    assert reference.novelty(row) > 0.5
    usual = reference.reasons(np.ones(len(STATISTICS)))
    assert reference.reasons(row) != usual


def test_a_statistic_that_could_not_be_told_is_no_reason():
    row = np.full(len(STATISTICS), np.nan)
    assert NoveltyReference.fitted(known()).novelty(row) == 0.0


def test_too_few_volumes_tell_nothing():
    with pytest.raises(ValueError, match="at least 5"):
        NoveltyReference.fitted(known(4))


def lopsided_head(rng):
    """Pairs left and right of the middle, the left ones shifted along the body."""
    place = np.repeat(rng.uniform([4, -12, -50], [14, 12, 50], (30, 3)), 2, axis=0)
    place[::2, 0] *= -1
    place[::2, 2] += rng.normal(0, 5, 30)
    return place


def statistics_of(position, atlas, neuron):
    chance = np.full((len(position), len(NAMES) + 1), 0.001)
    chance[np.arange(len(position)), neuron] = 0.95
    return volume_statistics(
        position,
        np.full(len(position), 1.5),
        chance=chance,
        neuron=neuron,
        atlas_um=atlas,
        homologues=NAMES.homologues(),
        sharpness=0.3,
    )


def test_a_mirrored_head_in_which_sides_are_swapped_gives_itself_away():
    rng = np.random.default_rng(3)
    atlas = lopsided_head(rng)
    seen = atlas + rng.normal(0, 1, atlas.shape)
    neuron = np.arange(1, 61)
    swapped = np.array(NAMES.homologues())[neuron - 1]
    column = STATISTICS.index("handedness")
    right = statistics_of(seen, atlas, neuron)[column]
    mirrored = statistics_of(seen * [-1, 1, 1], atlas, swapped)[column]
    assert right > 0.1
    assert mirrored == pytest.approx(-right, abs=1e-6)


def test_a_wrong_voxel_size_is_seen_in_the_scale():
    rng = np.random.default_rng(3)
    atlas = lopsided_head(rng)
    column = STATISTICS.index("scale")
    scale = [statistics_of(atlas * f, atlas, np.arange(1, 61))[column] for f in (1.0, 1.5)]
    assert scale[0] == pytest.approx(0, abs=1e-6)
    assert scale[1] == pytest.approx(-np.log(1.5), abs=1e-6)


def test_few_nuclei_agree_on_little():
    chance = np.eye(61)[1:11]
    assert agreement_of(chance) == pytest.approx(10 / 60)
    assert agreement_of(np.zeros((0, 61))) == 0
