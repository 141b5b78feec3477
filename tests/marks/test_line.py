import math

import pytest

from napari_acll.marks import mark_of_line


@pytest.mark.parametrize(
    ("line", "name", "value", "note"),
    [
        ("light", "light", math.nan, ""),
        ("light,0.5", "light", 0.5, ""),
        (" light , 1e-3 , blue, 470 nm \r", "light", 0.001, "blue, 470 nm"),
        ("light,on", "light", math.nan, "on"),
        ("light,on,slowly", "light", math.nan, "on,slowly"),
        ('{"name": "odor", "value": 2, "note": "IAA"}', "odor", 2.0, "IAA"),
        ('{"name": "odor", "value": null}', "odor", math.nan, ""),
    ],
)
def test_a_line_is_a_name_a_value_and_a_note(line, name, value, note):
    mark = mark_of_line(line, channel="here")
    assert (mark.channel, mark.name, mark.note) == ("here", name, note)
    assert mark.value == value or (math.isnan(mark.value) and math.isnan(value))
    assert math.isnan(mark.at_s)
    assert math.isnan(mark.time_s)


def test_a_line_can_bring_its_time():
    mark = mark_of_line('{"name": "a", "at_s": 1.7e9, "time_s": 12.5}', channel="here")
    assert (mark.at_s, mark.time_s) == (1.7e9, 12.5)


@pytest.mark.parametrize("line", ["", "  ", "\r\n", "\0"])
def test_an_empty_line_is_no_mark(line):
    assert mark_of_line(line, channel="here") is None


@pytest.mark.parametrize(
    "line", ["{", '{"value": 1}', "{" * 5000, '{"name": 3}', '{"name": "a"} and more']
)
def test_what_is_not_understood_is_kept_as_it_came(line):
    mark = mark_of_line(line, channel="here")
    assert mark.name == "?"
    assert mark.note.startswith(f"not understood: {line[:20]}")
    assert len(mark.note) < 1100
