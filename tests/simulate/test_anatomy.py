from importlib.resources import files

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from napari_acll.simulate import (
    Anatomy,
    AnimalShape,
    HeadSettings,
    PoseSettings,
    held_out_animals,
    pose_positions,
    sample_points,
)
from napari_acll.simulate._geometry import rotation

NO_POSE = PoseSettings(
    heading_deg=0,
    roll_deg=0,
    pitch_deg=0,
    curvature_per_um=0,
    shear=0,
    scale=0,
    stretch=0,
)


def named(head: list[tuple[str, np.ndarray]]) -> tuple[list[str], np.ndarray]:
    """Names and places of the nuclei that have a certain name, each once."""
    table = {name: place for name, place in head if name and "?" not in name}
    return list(table), np.array(list(table.values()))


def test_the_same_seed_gives_the_same_animal_and_another_seed_another(anatomy: Anatomy) -> None:
    first, again, other = (anatomy.sample(np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert first.names == again.names
    assert np.array_equal(first.position_um, again.position_um)
    assert not np.allclose(first.position_um[:50], other.position_um[:50])


def test_an_animal_has_as_many_nuclei_as_a_head_and_no_name_twice(anatomy: Anatomy) -> None:
    for seed in range(10):
        shape = anatomy.sample(np.random.default_rng(seed))
        names = [name for name in shape.names if name]
        assert 184 <= len(shape) <= 196
        assert len(set(names)) == len(names)
        assert not np.any(shape.is_listed & (np.array(shape.names) == ""))


def test_nuclei_do_not_run_through_each_other(anatomy: Anatomy) -> None:
    for seed in range(10):
        shape = anatomy.sample(np.random.default_rng(seed))
        assert pdist(shape.position_um).min() > 1.5
        assert shape.radius_um.min() >= 1.0
        assert shape.radius_um.max() <= 2.4


def test_the_nose_is_in_front_and_left_and_right_are_apart(anatomy: Anatomy) -> None:
    place = dict(zip(anatomy.neurons.names, anatomy.mean_um, strict=True))
    assert place["I1L"][2] < place["OLLL"][2] < place["AVAL"][2] < place["ASEL"][2]
    pairs = [n for n in place if n.endswith("L") and n[:-1] + "R" in place and len(n) > 2]
    to_the_right = [place[name[:-1] + "R"][0] - place[name][0] for name in pairs]
    assert np.mean(np.array(to_the_right) > 0) > 0.95
    assert place["RMEV"][1] > place["RMED"][1]


def test_spacing_and_extent_are_those_of_real_heads(anatomy: Anatomy, real_heads) -> None:
    def spacing(place: np.ndarray) -> np.ndarray:
        return np.quantile(cKDTree(place).query(place, k=2)[0][:, 1], [0.05, 0.5])

    real = [named(head)[1] for (lab, _), head in real_heads.items() if lab == "SF"]
    shapes = [anatomy.sample(np.random.default_rng(seed)) for seed in range(40)]
    virtual = [shape.position_um[shape.is_listed] for shape in shapes]
    for measure in (spacing, lambda place: place.std(0)):
        ratio = np.mean([measure(p) for p in virtual], 0) / np.mean([measure(p) for p in real], 0)
        assert ratio == pytest.approx(1.0, abs=0.15)
    assert np.mean([len(p) for p in virtual]) == pytest.approx(
        np.mean([len(p) for p in real]), rel=0.15
    )


def test_held_out_animals_lie_as_far_from_the_mean_as_virtual_ones(
    anatomy: Anatomy, real_heads
) -> None:
    def stray(names: list[str], place: np.ndarray) -> float:
        rows = anatomy.numbers(names)
        moved = anatomy.align(names, place)
        return float(np.median(np.linalg.norm(moved - anatomy.mean_um[rows], axis=1)[rows >= 0]))

    real = [stray(*named(real_heads["SF", animal])) for animal in held_out_animals()["SF"]]
    virtual = []
    for seed in range(20):
        shape = anatomy.sample(np.random.default_rng(seed))
        chosen = np.flatnonzero(shape.is_listed)
        virtual.append(stray([shape.names[i] for i in chosen], shape.position_um[chosen]))
    assert np.mean(virtual) == pytest.approx(np.mean(real), rel=0.25)


def test_every_held_out_animal_is_a_real_one(real_heads) -> None:
    held_out = {(lab, name) for lab, names in held_out_animals().items() for name in names}
    assert len([lab for lab, _ in held_out if lab == "SF"]) >= 8
    assert held_out <= set(real_heads)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_real_animal_keeps_its_shape_and_is_completed(
    anatomy: Anatomy, real_heads, mirrored: bool
) -> None:
    head = real_heads["SF", held_out_animals()["SF"][0]]
    names = [name if "?" not in name else "" for name, _ in head]
    place = np.array([place for _, place in head])
    turned = place * ([1, 1, -1] if mirrored else 1) @ rotation(2.0, 0.1, 3.0).T + 50.0
    shape = AnimalShape.from_positions(
        names, turned, anatomy=anatomy, rng=np.random.default_rng(0)
    )
    n = len(names)
    assert len(shape) == 190
    assert shape.names[:n] == tuple(names)
    assert not shape.is_listed[n:].any()
    assert len({name for name in shape.names if name}) == sum(map(bool, shape.names))
    assert pdist(shape.position_um[:n]) == pytest.approx(pdist(place), abs=1e-9)
    rows = anatomy.numbers(names)
    off = np.linalg.norm(shape.position_um[:n] - anatomy.mean_um[rows], axis=1)[rows >= 0]
    assert np.median(off) < 5.0


def test_nuclei_that_a_list_lacks_are_put_where_they_belong(anatomy: Anatomy) -> None:
    shape = anatomy.sample(np.random.default_rng(8))
    known = np.array([bool(name) for name in shape.names])
    half = known & (np.random.default_rng(0).random(len(shape)) < 0.5)
    completed = AnimalShape.from_positions(
        [name for name, kept in zip(shape.names, half, strict=True) if kept],
        shape.position_um[half],
        anatomy=anatomy,
        rng=np.random.default_rng(1),
    )
    added = completed.position_um[half.sum() :]
    hidden = anatomy.align(
        [n for n, k in zip(shape.names, known, strict=True) if k], shape.position_um[known]
    )
    beside = cKDTree(hidden).query(added)[0]
    nowhere = np.random.default_rng(2).permuted(added, axis=0)
    assert np.median(beside) < 0.8 * np.median(cKDTree(hidden).query(nowhere)[0])


def test_an_animal_of_unknown_names_is_refused(anatomy: Anatomy) -> None:
    with pytest.raises(ValueError, match="neurons that the anatomy knows, got 1"):
        AnimalShape.from_positions(
            ["AVAL", "nobody"], np.zeros((2, 3)), anatomy=anatomy, rng=np.random.default_rng(0)
        )


def test_positions_without_a_name_each_are_refused(anatomy: Anatomy) -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 3\)"):
        AnimalShape.from_positions(
            ["AVAL"], np.zeros((2, 3)), anatomy=anatomy, rng=np.random.default_rng(0)
        )


def test_the_package_ships_parameters_and_not_a_table_of_animals() -> None:
    size = len((files("napari_acll.simulate") / "anatomy.npz").read_bytes())
    assert size < 100_000  # the 84 animals need more, even compressed


def test_points_come_in_all_four_ways_to_lie(anatomy: Anatomy) -> None:
    shape = anatomy.sample(np.random.default_rng(0))
    found = set()
    for seed in range(40):
        posed = pose_positions(shape.position_um, np.random.default_rng(seed), pose=NO_POSE)
        centered = shape.position_um - shape.position_um.mean(0)
        signs = tuple(np.sign((posed * centered).sum(0)).astype(int))
        assert np.abs(posed) == pytest.approx(np.abs(centered))
        assert np.prod(signs) == 1  # turned, never mirrored
        found.add(signs)
    assert len(found) == 4


def test_a_point_is_named_only_where_it_is_listed(anatomy: Anatomy) -> None:
    points = sample_points(anatomy, np.random.default_rng(3))
    listed = points.neuron >= 0
    assert np.array_equal(points.neuron[listed], points.true_neuron[listed])
    assert 0 < listed.sum() < (points.true_neuron >= 0).sum() <= len(points.neuron)
    assert len(points.position_um) == len(points.brightness) == len(points.radius_um)


def test_fillers_take_the_place_of_absent_neurons_at_a_real_spacing(anatomy: Anatomy) -> None:
    head = HeadSettings(filler_share=0.6)
    for seed in range(8):
        shape = anatomy.sample(np.random.default_rng(seed), head=head)
        n_named = sum(map(bool, shape.names))
        assert 60 <= n_named <= 80
        assert 184 <= len(shape) <= 196
        distance = cKDTree(shape.position_um).query(shape.position_um, k=2)[0][:, 1]
        assert 2.2 < np.quantile(distance, 0.05) < 2.9
        assert 3.0 < np.median(distance) < 3.8
        known = np.array([bool(name) for name in shape.names])
        extent = np.ptp(shape.position_um[known], axis=0)
        inside = np.abs(shape.position_um[~known] - shape.position_um[known].mean(0)) < extent
        assert inside.all(axis=1).mean() > 0.9


def test_neurons_that_annotators_seldom_name_are_absent_first(anatomy: Anatomy) -> None:
    head = HeadSettings(filler_share=0.5)
    often = anatomy.p_listed > 0.5
    seen = np.zeros(len(often))
    for seed in range(40):
        shape = anatomy.sample(np.random.default_rng(seed), head=head)
        rows = anatomy.numbers(shape.names)
        seen[rows[rows >= 0]] += 1
    assert seen[often].mean() > 1.5 * seen[~often].mean()


def test_all_nuclei_are_spaced_as_in_the_labs_that_list_all(anatomy: Anatomy, real_heads) -> None:
    held_out = {(lab, name) for lab, names in held_out_animals().items() for name in names}
    known = dict(zip(anatomy.neurons.names, anatomy.mean_um, strict=True))
    quantiles = [0.05, 0.25, 0.5, 0.75]
    real = []
    for key, head in real_heads.items():
        if key[0] != "EY" or key in held_out:
            continue
        names, place = named(head)
        rows = [index for index, name in enumerate(names) if name in known]
        goal = np.array([known[names[index]] for index in rows])
        # other mounts stretch the animals; the sizes are compared in the frame of the anatomy
        size = np.linalg.norm(place[rows] - place[rows].mean(0), axis=1).mean()
        scale = np.linalg.norm(goal - goal.mean(0), axis=1).mean() / size
        distance = cKDTree(place).query(place, k=2)[0][:, 1]
        real.append(scale * np.quantile(distance, quantiles))
    shapes = [anatomy.sample(np.random.default_rng(seed)) for seed in range(20)]
    virtual = [
        np.quantile(cKDTree(p).query(p, k=2)[0][:, 1], quantiles)
        for p in (shape.position_um for shape in shapes)
    ]
    assert np.mean(virtual, axis=0) == pytest.approx(np.mean(real, axis=0), rel=0.18)
    # crowded ones least of all: nuclei cannot run through each other
    assert np.mean(virtual, axis=0)[0] > 0.97 * np.mean(real, axis=0)[0]


def test_without_trust_the_brightness_tells_nothing_of_the_name(anatomy: Anatomy) -> None:
    def correlation(trust: float) -> float:
        pairs = []
        for seed in range(12):
            head = HeadSettings(brightness_trust=trust)
            shape = anatomy.sample(np.random.default_rng(seed), head=head)
            rows = anatomy.numbers(shape.names)
            known = rows >= 0
            usual = anatomy.log_brightness[rows[known]]
            pairs.append(np.stack([usual, np.log(shape.brightness[known])]))
        return float(np.corrcoef(np.concatenate(pairs, axis=1))[0, 1])

    assert abs(correlation(0.0)) < 0.06
    assert correlation(1.0) > 0.5


def test_glia_are_nameless_dim_and_never_listed(anatomy: Anatomy) -> None:
    plain = anatomy.sample(np.random.default_rng(2))
    light = []
    for seed in range(10):
        head = HeadSettings(n_glia=10)
        shape = anatomy.sample(np.random.default_rng(seed), head=head)
        assert 194 <= len(shape) <= 206
        assert not any(shape.names[-10:])
        assert not shape.is_listed[-10:].any()
        light += list(shape.brightness[-10:])
    assert np.median(light) < 0.6 * np.median(plain.brightness)


def test_a_real_animal_may_be_completed_with_fillers_only(anatomy: Anatomy, real_heads) -> None:
    names, place = named(real_heads["SF", held_out_animals()["SF"][0]])
    shape = AnimalShape.from_positions(
        names,
        place,
        anatomy=anatomy,
        rng=np.random.default_rng(0),
        head=HeadSettings(filler_share=1.0),
    )
    assert len(shape) == 190
    assert shape.names[: len(names)] == tuple(names)
    assert not any(shape.names[len(names) :])


def test_random_heads_hold_from_nearly_all_neurons_to_a_third(anatomy: Anatomy) -> None:
    named_counts, sizes = [], []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        shape = anatomy.sample(rng, head=HeadSettings.sample(rng))
        named_counts.append(sum(map(bool, shape.names)))
        sizes.append(len(shape))
    assert min(named_counts) < 85
    assert max(named_counts) > 165
    assert min(sizes) > 155
    assert max(sizes) < 215


def test_the_size_of_a_nucleus_follows_the_room_that_it_has_and_tells_nothing_of_its_name():
    anatomy = Anatomy.load()
    rng = np.random.default_rng(8)
    names, sizes, rooms = [], [], []
    for _ in range(60):
        shape = anatomy.sample(rng)
        distance = cKDTree(shape.position_um).query(shape.position_um, 4)[0]
        names += shape.names
        sizes += list(np.log(shape.radius_um))
        rooms += list(np.log(distance[:, 1:].mean(1)))
    size, room, name = np.array(sizes), np.array(rooms), np.array(names)
    assert np.corrcoef(size, room)[0, 1] > 0.4
    rest = size - np.polyval(np.polyfit(room, size, 3), room)
    by_name = [rest[name == known].mean() for known in anatomy.neurons.names]
    # the mean of 60 independent ones would have 0.03
    assert np.nanstd(by_name) < 0.06


def test_a_lone_nucleus_has_a_size():
    anatomy = Anatomy.load()
    shape = anatomy.furnish(
        np.array([0]),
        np.zeros((1, 3)),
        is_listed=np.array([True]),
        n_fixed=0,
        rng=np.random.default_rng(0),
    )
    assert 1.0 <= shape.radius_um[0] <= 2.4
