import os
from pathlib import Path

import numpy as np
import pytest

from napari_acll.core import RecordingError
from napari_acll.simulate import Anatomy, held_out_animals
from napari_acll.training import read_heads


def write_table(path, rows):
    lines = ["lab,animal,x_um,y_um,z_um,ID", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_positions_are_read_as_z_y_x_and_uncertain_names_are_left_out(tmp_path):
    rows = [
        ("SF", "a", 1, 2, 3, "AVAL"),
        ("SF", "a", 4, 5, 6, "AVK?"),
        ("SF", "a", 7, 8, 9, "VB2"),
        ("SF", "a", 1, 1, 1, "RIML"),
        ("SF", "a", 2, 2, 2, "RIML"),
        ("SF", "a", 3, 3, 3, ""),
        ("EY", "b", 0, 0, 1, "AVAR"),
    ]
    first, second = read_heads(write_table(tmp_path / "heads.csv", rows))
    assert (first.lab, first.animal, first.names) == ("SF", "a", ("AVAL", "VB02"))
    np.testing.assert_array_equal(first.position_um, [[3, 2, 1], [9, 8, 7]])
    assert second.names == ("AVAR",)


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "lab,animal,x_um,y_um,z_um,ID\nS,a,?,1,1,AVAL\n"])
def test_another_table_is_an_error(tmp_path, text):
    path = tmp_path / "other.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError, match="table of named positions"):
        read_heads(path)


def test_the_held_out_animals_are_in_the_real_table():
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("ACLL_TEST_DATA is not set: no real positions")
    heads = read_heads(Path(folder) / "positions" / "neuron_positions_84_animals.csv")
    assert len(heads) == 84
    there = {(head.lab, head.animal) for head in heads}
    wanted = {(lab, name) for lab, names in held_out_animals().items() for name in names}
    assert wanted <= there
    anatomy = Anatomy.load()
    head = next(head for head in heads if head.lab == "SF")
    shape = head.shape(anatomy, np.random.default_rng(0))
    assert 180 <= len(shape) <= 200
