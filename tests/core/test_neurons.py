import pytest

from napari_acll.core import ModelError, NeuronTable


def test_class_numbers_start_after_the_background():
    table = NeuronTable.from_names(["AVAL", "AVAR", "RMED"])
    assert [table.class_number(name) for name in table.names] == [1, 2, 3]
    assert table.name(3) == "RMED"


@pytest.mark.parametrize("number", [0, 4, -1])
def test_numbers_outside_of_the_table_have_no_name(number):
    with pytest.raises(IndexError, match="from 1 to 3"):
        NeuronTable.from_names(["a", "b", "c"]).name(number)


def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(ModelError, match="'AVAL' stands twice"):
        NeuronTable.from_names(["AVAL", "AVAR", "AVAL"])


def test_an_empty_name_is_refused():
    with pytest.raises(ModelError, match="must not be empty"):
        NeuronTable.from_names(["AVAL", " "])


def test_an_unknown_name_is_an_error_that_tells_it():
    with pytest.raises(KeyError, match="AVBL"):
        NeuronTable.numbered(3).class_number("AVBL")
