import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from napari_acll.simulate import Anatomy
from napari_acll.training._point_worlds import UNKNOWN, PointWorlds, WorldMix
from napari_acll.training._real_animals import RealHead, in_one_frame, mirror_image

ANATOMY = Anatomy.load()
STILL = WorldMix(real_share=1.0, hidden_share=0.0, cut_share=0.0, mode_sd=0.0, jitter_um=0.0)


def head(*, lab="SF", n=60, seed=0, stretch=(1.0, 1.0, 1.0), nameless=5):
    """A head that is made up from the anatomy, as a table would list it."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(ANATOMY.neurons))[:n])
    place = ANATOMY.mean_um[rows] + rng.normal(0, 0.5, (n, 3))
    return RealHead(
        lab=lab,
        animal=str(seed),
        names=tuple(ANATOMY.neurons.names[row] for row in rows),
        position_um=place * stretch,
        nameless_um=(place[:nameless] + 3.0) * stretch,
    )


def draws(worlds, n=12, seed=0):
    rng = np.random.default_rng(seed)
    return [worlds.draw(rng) for _ in range(n)]


def test_no_neuron_stands_twice_and_nameless_nuclei_are_among_them():
    for sample in draws(PointWorlds(ANATOMY, [head()])):
        neurons = sample.true_neuron[sample.true_neuron >= 0]
        assert len(np.unique(neurons)) == len(neurons) >= 15
        assert len(sample.position_um) == len(sample.brightness) == len(sample.radius_um)
        assert np.isfinite(sample.position_um).all()
        assert (sample.brightness > 0).all()


def test_a_nucleus_that_nobody_named_teaches_nothing():
    for sample in draws(PointWorlds(ANATOMY, [head(nameless=7)], mix=STILL), n=4):
        assert (sample.true_neuron == UNKNOWN).sum() == 7
    for sample in draws(PointWorlds(ANATOMY), n=4):
        assert (sample.true_neuron != UNKNOWN).all()


def test_a_real_animal_keeps_its_geometry_but_for_posture_and_mirroring():
    real = head(nameless=0)
    shown = set()
    for sample in draws(PointWorlds(ANATOMY, [real], mix=STILL), n=8):
        index = {int(neuron): i for i, neuron in enumerate(sample.true_neuron)}
        images = {"as it is": real, "mirrored": mirror_image(real, ANATOMY)}
        errors = {}
        for which, image in images.items():
            row = [int(r) for r in ANATOMY.numbers(image.names)]
            if not index.keys() >= set(row):
                continue
            true = squareform(pdist(image.position_um))
            near = (true > 0) & (true < 10)
            place = sample.position_um[[index[r] for r in row]]
            errors[which] = np.median(np.abs(squareform(pdist(place))[near] / true[near] - 1))
        shown.add(min(errors, key=errors.get))
        assert min(errors.values()) < 0.15
    assert shown == {"as it is", "mirrored"}


def test_hidden_neurons_leave_nameless_nuclei_in_their_place():
    counts = {}
    for share in (0.0, 1.0):
        samples = draws(PointWorlds(ANATOMY, mix=WorldMix(hidden_share=share)), n=30)
        counts[share] = np.mean([(sample.true_neuron >= 0).mean() for sample in samples])
    assert counts[1.0] < 0.75 * counts[0.0]


def test_brightness_tells_the_name_only_where_it_is_meant_to():
    similarity = {}
    for share in (0.0, 1.0):
        mix = WorldMix(plain_brightness_share=share, hidden_share=0.0, real_share=0.0)
        known = [[], []]
        for sample in draws(PointWorlds(ANATOMY, mix=mix), n=30):
            is_neuron = sample.true_neuron >= 0
            known[0] += [ANATOMY.log_brightness[sample.true_neuron[is_neuron]]]
            known[1] += [np.log(sample.brightness[is_neuron])]
        similarity[share] = np.corrcoef(*map(np.concatenate, known))[0, 1]
    assert similarity[0.0] > 0.25
    assert abs(similarity[1.0]) < 0.1


def test_a_cut_head_is_smaller():
    sizes = [
        np.mean([len(s.position_um) for s in draws(PointWorlds(ANATOMY, mix=mix), n=30)])
        for mix in (WorldMix(cut_share=0.0), WorldMix(cut_share=1.0))
    ]
    assert sizes[1] < 0.92 * sizes[0]


def test_animals_of_the_main_lab_come_more_often_than_their_number():
    heads = [head(), *(head(lab="EY", seed=seed, n=40) for seed in range(1, 5))]
    mix = WorldMix(**{**{f: getattr(STILL, f) for f in STILL.__slots__}, "main_lab_share": 0.6})
    n_unknown = [
        (sample.true_neuron == UNKNOWN).sum()
        for sample in draws(PointWorlds(ANATOMY, [head(nameless=9), *heads[1:]], mix=mix), n=40)
    ]
    assert 0.4 < np.mean(np.array(n_unknown) == 9) < 0.8


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_what_the_mounts_of_a_lab_stretch_is_taken_out(mirror):
    stretch = np.array([1.2, 0.8, mirror * 1.1])
    heads = [head(lab="XY", seed=seed, n=120, stretch=stretch) for seed in range(3)]
    for placed in in_one_frame(heads, ANATOMY):
        row = ANATOMY.numbers(placed.names)
        off = np.linalg.norm(placed.position_um - ANATOMY.mean_um[row], axis=1)
        assert np.median(off) < 1.5
        assert len(placed.nameless_um) == 5
        assert cKDTree(placed.position_um).query(placed.nameless_um)[0].max() < 8.0


def test_lists_that_are_too_short_to_place_are_left_out():
    assert in_one_frame([head(n=12)], ANATOMY) == []
