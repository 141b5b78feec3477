import math
from pathlib import Path

import pytest

from napari_acll.core import MarkChannel
from napari_acll.marks import CsvChannel

PATIENCE_S = 5.0


def add(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text)


@pytest.fixture
def table(tmp_path):
    return tmp_path / "stage.csv"


@pytest.fixture
def channel(table):
    channel = CsvChannel(table)
    yield channel
    channel.close()


def values(marks):
    return [(mark.name, mark.value) for mark in marks]


def test_it_fits_the_protocol(channel):
    assert isinstance(channel, MarkChannel)
    assert channel.name == "stage.csv"


def test_a_row_of_features_is_one_mark_for_each_of_them(table, channel):
    table.write_text("time_s,x_um,state\n0.5,12.25,forward\n1.0,,reverse\n", encoding="utf-8")
    channel.open()
    marks = channel.read(PATIENCE_S)
    assert [(mark.time_s, mark.name, mark.note) for mark in marks] == [
        (0.5, "x_um", ""),
        (0.5, "state", "forward"),
        (1.0, "state", "reverse"),
    ]
    assert marks[0].value == 12.25
    assert math.isnan(marks[1].value)


def test_a_table_with_names_has_one_mark_in_a_row(table, channel):
    table.write_text(
        'at_s;name;value;note\r\n1700000000.25;light;1;"blue; strong"\r\n', encoding="utf-8"
    )
    channel.open()
    (mark,) = channel.read(PATIENCE_S)
    assert (mark.at_s, mark.name, mark.value, mark.note) == (
        1700000000.25,
        "light",
        1.0,
        "blue; strong",
    )


def test_a_growing_table_is_followed_and_half_a_row_is_waited_for(table, channel):
    channel.open()
    assert channel.read(0.0) == []
    add(table, "speed\n1")
    assert channel.read(0.0) == []
    add(table, "5\n16\n1")
    assert values(channel.read(PATIENCE_S)) == [("speed", 15.0), ("speed", 16.0)]
    add(table, "7\n")
    assert values(channel.read(PATIENCE_S)) == [("speed", 17.0)]


def test_rows_without_a_time_that_were_there_before_are_left_out(table, channel):
    add(table, "speed\n1\n2\n")
    channel.open()
    assert channel.read(0.0) == []
    add(table, "3\n")
    assert values(channel.read(PATIENCE_S)) == [("speed", 3.0)]


def test_rows_with_a_time_that_were_there_before_are_taken(table, channel):
    add(table, "at_s\tspeed\n100\t1\n")
    channel.open()
    (mark,) = channel.read(PATIENCE_S)
    assert (mark.at_s, mark.value) == (100.0, 1.0)


def test_a_table_that_is_begun_anew_is_read_anew(table, channel):
    channel.open()
    add(table, "speed,angle\n1,2\n3,4\n")
    assert len(channel.read(PATIENCE_S)) == 4
    table.write_text("other\n9\n", encoding="utf-8")
    assert values(channel.read(PATIENCE_S)) == [("other", 9.0)]


def test_going_on_after_an_error_gives_nothing_twice(table, channel):
    channel.open()
    add(table, "speed\n1\n")
    assert values(channel.read(PATIENCE_S)) == [("speed", 1.0)]
    channel.close()
    add(table, "2\n")
    channel.open()
    assert values(channel.read(PATIENCE_S)) == [("speed", 2.0)]


def test_rows_of_another_length_and_bytes_that_are_no_text_end_nothing(table, channel):
    channel.open()
    with table.open("wb") as file:
        file.write(b"\xef\xbb\xbfspeed,angle\n1\n1,2,3\n\xff\xfe,4\n")
    marks = channel.read(PATIENCE_S)
    assert values(marks)[:3] == [("speed", 1.0), ("speed", 1.0), ("angle", 2.0)]
    assert marks[-1].value == 4.0


def test_a_folder_that_is_missing_is_an_error_of_the_channel(tmp_path):
    channel = CsvChannel(tmp_path / "nowhere" / "stage.csv")
    with pytest.raises(OSError, match="there is no folder"):
        channel.open()
