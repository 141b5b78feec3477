import h5py
import numpy as np
import pytest

from napari_acll.core import ModelError
from napari_acll.label import find_names_file, read_names
from napari_acll.label._names import names_for

NAMES = ("I1L", "I1R", "AVAL")


@pytest.mark.parametrize(
    "text",
    [
        "I1L\nI1R\nAVAL\n",
        "I1L\r\nI1R\r\n\r\nAVAL",
        "\ufeffI1L\n  I1R\nAVAL  ",
        "BACKGROUND\nI1L\nI1R\nAVAL",
    ],
)
def test_a_text_file_has_one_name_per_line(tmp_path, text):
    path = tmp_path / "names.txt"
    path.write_bytes(text.encode())
    assert read_names(path).names == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "I1L\nI1R\nAVAL\n",
        "name\nI1L\nI1R\nAVAL\n",
        "id,name\n1,I1L\n2,I1R\n3,AVAL\n",
        "ID,Name\n3,AVAL\n1,I1L\n2,I1R\n",
        "name,id\nI1L,1\nI1R,2\nAVAL,3\n",
        "id,name\n0,background\n1,I1L\n2,I1R\n3,AVAL\n",
    ],
)
def test_a_csv_has_names_or_ids_and_names(tmp_path, text):
    (tmp_path / "names.csv").write_text(text)
    assert read_names(tmp_path / "names.csv").names == NAMES


@pytest.mark.parametrize("kind", ["fixed", "variable", "any_name"])
def test_an_hdf5_file_has_a_dataset_of_names(tmp_path, kind):
    path = tmp_path / "extracted_neuron_ids_final_1.h5"
    with h5py.File(path, "w") as file:
        if kind == "fixed":
            file["neuron_ids"] = np.array([name.encode() for name in NAMES])
        else:
            name = "neuron_ids" if kind == "variable" else "whatever"
            file.create_dataset(name, data=list(NAMES), dtype=h5py.string_dtype())
        if kind != "any_name":
            file["other"] = np.arange(3)
    assert read_names(path).names == NAMES


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "id,name\n1,I1L\n3,I1R\n", "ids 1 to 2"),
        ("a.csv", "id,name\none,I1L\n", "no whole number"),
        ("a.csv", "x,y\n1,2\n", "one column, or the columns id and name"),
        ("a.csv", "id,name\n1\n", "one column, or the columns id and name"),
        ("a.txt", "I1L\nI1L\n", "stands twice"),
        ("a.h5", "no hdf5", "damaged"),
        ("a.json", "[]", "must be one of"),
    ],
)
def test_a_bad_table_is_one_clear_sentence(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=message):
        read_names(tmp_path / name)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        read_names(tmp_path / "a.txt")


def test_an_hdf5_file_of_numbers_is_no_table(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["neuron_ids"] = np.arange(3)
    with pytest.raises(ModelError, match="must hold text"):
        read_names(tmp_path / "a.h5")


def test_both_numbers_are_told_where_counts_differ(tmp_path):
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    with pytest.raises(ModelError, match=r"has 3 names, the checkpoint has 184 classes"):
        names_for(tmp_path / "a.pt", None, 185)


def test_the_table_beside_the_checkpoint_is_found(tmp_path):
    checkpoint = tmp_path / "best.pytorch"
    assert find_names_file(checkpoint) is None
    assert names_for(checkpoint, None, 3).names == ("class_001", "class_002")
    (tmp_path / "notes.txt").write_text("not names")
    assert find_names_file(checkpoint) is None
    (tmp_path / "extracted_neuron_ids_final_1.h5").touch()
    assert find_names_file(checkpoint) == tmp_path / "extracted_neuron_ids_final_1.h5"
    (tmp_path / "names.csv").touch()
    with pytest.raises(ModelError, match="several name tables"):
        find_names_file(checkpoint)
    (tmp_path / "best.txt").write_text("\n".join(NAMES))
    assert names_for(checkpoint, None, 4).names == NAMES
    (tmp_path / "given.txt").write_text("A\nB")
    assert names_for(checkpoint, str(tmp_path / "given.txt"), 3).names == ("A", "B")
