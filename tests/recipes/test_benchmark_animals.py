import os
from dataclasses import replace
from pathlib import Path

import benchmark_animals
import numpy as np
import pytest
from benchmark_animals import (
    LISTED,
    NAMELESS,
    UNKNOWN,
    UNLISTED,
    Completer,
    affine_map,
    animals_of,
    held_out_keys,
    straightened,
    unique_rows,
    validation_keys,
)
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from napari_acll.simulate import Anatomy


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("ACLL_TEST_DATA is not set: there is no table of real animals")
    return Path(folder)


def row(name: str, z: float, y: float = 0.0, x: float = 0.0) -> dict[str, str]:
    return {"ID": name, "z_um": str(z), "y_um": str(y), "x_um": str(x)}


def test_doubtful_and_double_names_become_nameless_and_repeated_rows_one() -> None:
    rows = [
        row("AVAL", 1),
        row("AVAR?", 2),
        row("RID", 3),
        row("RID", 4),
        row("", 1),
        row("VB2", 5),
    ]
    names, place = unique_rows(rows)
    assert names == ["AVAL", "", "", "", "VB02"]
    assert place[:, 0].tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_an_animal_is_straightened_however_it_lies(mirror: float) -> None:
    anatomy = Anatomy.load()
    rng = np.random.default_rng(0)
    turned = Rotation.random(random_state=1).apply(anatomy.mean_um * [mirror, 1, 1])
    noisy = turned + 40 + rng.normal(0, 0.1, turned.shape)
    back = straightened(list(anatomy.neurons.names), noisy, anatomy)
    assert np.abs(back - anatomy.mean_um).max() < 0.6


def test_the_map_is_affine_where_points_tell_and_a_similarity_where_they_do_not() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(0, 1000, (50, 3))
    shear = np.array([[1.0, 0.3, 0], [0, 1.2, 0], [0.1, 0, 0.8]])
    assert np.allclose(affine_map(wide, wide @ shear + 5)(wide), wide @ shear + 5, atol=0.1)
    flat = wide * [0.05, 0.05, 0]
    turn = Rotation.random(random_state=2).as_matrix()
    away = np.array([[0.0, 0.0, 10.0]])
    found = affine_map(flat, 2 * flat @ turn)(away)
    assert np.linalg.norm(found) == pytest.approx(20, rel=0.01)


def test_validation_animals_are_not_held_out(data: Path) -> None:
    keys = list(animals_of(data))
    out, validation = set(held_out_keys(keys)), set(validation_keys(keys))
    assert len(validation) == 7
    assert not out & validation
    assert sum(lab == "SF" for lab, _ in out) == 8
    assert {key for key in keys if key[0] == "HL"} <= out


@pytest.mark.parametrize(("flavor", "added"), [("unlisted", UNLISTED), ("nameless", NAMELESS)])
def test_a_completed_head_keeps_its_rows_and_its_fillers_their_distance(
    data: Path, flavor: str, added: int
) -> None:
    completer = Completer.from_data(data)
    animals = animals_of(data)
    key = validation_keys(list(animals))[0]
    head = completer.complete(animals[key], flavor, np.random.default_rng(0))
    names, place = unique_rows(animals[key])
    own = np.isin(head.kind, (LISTED, UNKNOWN))
    assert own.sum() == len(names)
    distance = np.linalg.norm(place[0] - place[1:], axis=1)
    kept = np.linalg.norm(head.position_um[0] - head.position_um[1 : len(names)], axis=1)
    assert np.allclose(kept, distance)
    assert 150 < len(head) <= 190
    fillers = head.position_um[head.kind == added]
    assert len(fillers) == (~own).sum()
    nearest = cKDTree(head.position_um).query(fillers, 2)[0][:, 1]
    assert nearest.min() >= 2.2
    given = [name for name in head.names if name]
    assert len(given) == len(set(given))


def test_an_absent_neuron_is_put_where_the_atlas_has_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_animals, "_PLACE_SD_UM", 0.0)
    monkeypatch.setattr(benchmark_animals, "_LEAST_SPACING_UM", 0.0)
    anatomy = Anatomy.load()
    home = dict(zip(anatomy.neurons.names, anatomy.mean_um, strict=True))
    completer = replace(Completer.from_data(data), atlas=home)
    listed = list(home)[::2]
    rows = [{**row(name, *home[name]), "lab": "none", "animal": "none"} for name in listed]
    head = completer.complete(rows, "unlisted", np.random.default_rng(0))
    filled = np.flatnonzero(head.kind == UNLISTED)
    assert len(filled) > 80
    off = [np.linalg.norm(head.position_um[n] - home[head.names[n]]) for n in filled]
    assert max(off) < 0.01


def test_a_share_of_the_nuclei_can_be_absent(data: Path) -> None:
    completer, animals = Completer.from_data(data), animals_of(data)
    head = completer.complete(next(iter(animals.values())), "nameless", np.random.default_rng(0))
    less = head.without(0.4, np.random.default_rng(0))
    assert len(less) == len(head) - round(0.4 * len(head))
    assert set(less.names) <= set(head.names)
