"""The animals of a learning curve."""

from collections import Counter

import pytest
from learning_curve import animals_to_learn_from, every

ANIMALS = [*(f"SF/{n:02d}" for n in range(9)), "EY/a", "EY/b", "KK/only"]


@pytest.mark.parametrize(("n", "counts"), [(1, (9, 2, 1)), (2, (5, 1, 1)), (4, (3, 1, 1))])
def test_every_lab_keeps_its_share_and_at_least_one_animal(n, counts):
    kept = Counter(key.partition("/")[0] for key in every(ANIMALS, n))
    assert (kept["SF"], kept["EY"], kept["KK"]) == counts


def test_smaller_shares_lie_within_larger_ones():
    assert set(every(ANIMALS, 4)) < set(every(ANIMALS, 2)) < set(ANIMALS)


def test_held_out_animals_and_short_lists_are_never_learned_from(tmp_path):
    rows = [("SF", "2022-06-28-07"), ("HL", "1"), ("SF", "new"), ("SF", "short")]
    lines = ["lab,animal,x_um,y_um,z_um,ID"]
    for lab, animal in rows:
        n_names = 5 if animal == "short" else 20
        lines += [f"{lab},{animal},{k},0,0,N{k:02d}" for k in range(n_names)]
    table = tmp_path / "positions.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    assert animals_to_learn_from(table) == ["SF/new"]
