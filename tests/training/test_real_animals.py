import os
from pathlib import Path

import numpy as np
import pytest

from napari_acll.core import RecordingError
from napari_acll.simulate import Anatomy, held_out_animals
from napari_acll.training import read_heads
from napari_acll.training._real_animals import RealHead, mirror_image


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


def some_head(anatomy):
    rng = np.random.default_rng(4)
    shape = anatomy.sample(rng)
    named = [row for row, name in enumerate(shape.names) if name][:80]
    return RealHead(
        lab="SF",
        animal="a",
        names=(*(shape.names[row] for row in named), "ZZ9L"),
        position_um=np.r_[shape.position_um[named], [[3.0, 1.0, 2.0]]],
        nameless_um=rng.normal(0, 10, (5, 3)),
    )


def test_a_mirror_image_strays_from_the_mean_as_far_on_the_other_side():
    anatomy = Anatomy.load()
    head = some_head(anatomy)
    mirrored = mirror_image(head, anatomy)
    place = dict(zip(mirrored.names, mirrored.position_um, strict=True))
    mean = dict(zip(anatomy.neurons.names, anatomy.mean_um, strict=True))
    for name, position in zip(head.names[:-1], head.position_um, strict=False):
        other = name[:-1] + {"L": "R", "R": "L"}.get(name[-1], name[-1])
        if other not in mean:
            other = name
        off, off_mirrored = position - mean[name], place[other] - mean[other]
        np.testing.assert_allclose(off_mirrored, off * [-1, 1, 1], atol=1e-9)
    assert "ZZ9L" in mirrored.names, "a name that the anatomy lacks stays as it is"


def test_the_mirror_image_of_a_mirror_image_is_the_head():
    anatomy = Anatomy.load()
    head = some_head(anatomy)
    twice = mirror_image(mirror_image(head, anatomy), anatomy)
    assert twice.names == head.names
    np.testing.assert_allclose(twice.position_um[:-1], head.position_um[:-1], atol=1e-9)


def test_a_head_without_nameless_nuclei_can_be_mirrored():
    anatomy = Anatomy.load()
    head = RealHead(lab="SF", animal="a", names=("AVAL",), position_um=anatomy.mean_um[:1])
    assert mirror_image(head, anatomy).names == ("AVAR",)
    assert mirror_image(head, anatomy).nameless_um.shape == (0, 3)


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
