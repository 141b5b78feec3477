from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_acll.simulate import Anatomy, held_out_animals
from napari_acll.simulate._variation import exchange_some, sample_residual

Heads = dict[tuple[str, str], list[tuple[str, np.ndarray]]]


def residuals(anatomy: Anatomy, n: int) -> np.ndarray:
    return np.stack(
        [
            sample_residual(
                anatomy.mean_um,
                anatomy.residual_sd_um,
                anatomy.tail_degrees,
                np.random.default_rng(seed),
            )
            for seed in range(n)
        ]
    )


def test_exchanged_neurons_lie_at_places_of_other_neurons(anatomy: Anatomy) -> None:
    moved_um = []
    for seed in range(20):
        place = exchange_some(anatomy.mean_um, np.random.default_rng(seed))
        assert cKDTree(place).query(anatomy.mean_um)[0].max() == 0
        off = np.linalg.norm(place - anatomy.mean_um, axis=1)
        moved_um.append(off[off > 0])
    share = sum(map(len, moved_um)) / (20 * len(anatomy.mean_um))
    assert 0.04 < share < 0.11
    assert 5.0 < np.median(np.concatenate(moved_um)) < 13.0


def test_neighbors_are_displaced_alike_and_distant_neurons_are_not(anatomy: Anatomy) -> None:
    # what each nucleus strays by itself would hide it
    drawn = residuals(replace(anatomy, residual_sd_um=0 * anatomy.residual_sd_um), 400)
    near = cKDTree(anatomy.mean_um).query_pairs(3.0, output_type="ndarray")
    rng = np.random.default_rng(0)
    far = rng.integers(0, len(anatomy.mean_um), (400, 2))
    apart = np.linalg.norm(anatomy.mean_um[far[:, 0]] - anatomy.mean_um[far[:, 1]], axis=1) > 25

    def together(pairs: np.ndarray) -> float:
        one, other = drawn[:, pairs[:, 0]].ravel(), drawn[:, pairs[:, 1]].ravel()
        return float(np.corrcoef(np.clip(one, -4, 4), np.clip(other, -4, 4))[0, 1])

    assert together(near) > 0.7
    assert abs(together(far[apart])) < 0.1


def test_some_animals_are_more_unusual_than_others(anatomy: Anatomy) -> None:
    size = np.median(np.linalg.norm(residuals(anatomy, 200), axis=2), axis=1)
    assert 0.10 < np.std(np.log(size)) < 0.22


def test_virtual_animals_stray_as_far_as_real_ones_that_the_fit_saw_little_of(
    anatomy: Anatomy, real_heads: Heads
) -> None:
    held_out = {(lab, name) for lab, names in held_out_animals().items() for name in names}
    real, virtual = [], []
    for key, head in real_heads.items():
        table = {name: place for name, place in head if name in anatomy.neurons.names}
        if key[0] == "SF" and key not in held_out and len(table) >= 20:
            real.append(_off(anatomy, list(table), np.array(list(table.values()))))
    for seed in range(40):
        shape = anatomy.sample(np.random.default_rng(seed))
        rows = np.flatnonzero(shape.is_listed)
        names = [shape.names[row] for row in rows]
        virtual.append(_off(anatomy, names, shape.position_um[rows]))
    quantiles = [0.25, 0.5, 0.75, 0.9]
    ratio = np.quantile(np.concatenate(virtual), quantiles) / np.quantile(
        np.concatenate(real), quantiles
    )
    # the fit has seen these real animals, so they lie a little nearer than others would
    assert ratio == pytest.approx(1.1, abs=0.25)


def _off(anatomy: Anatomy, names: list[str], place: np.ndarray) -> np.ndarray:
    goal = anatomy.mean_um[anatomy.numbers(names)]
    return np.linalg.norm(anatomy.align(names, place) - goal, axis=1)
