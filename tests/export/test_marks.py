import csv
import errno
import io
import math
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from tests.export.conftest import make_header

from napari_acll.cli import run
from napari_acll.core import Mark, SessionError
from napari_acll.export import SavedSession, ZarrSessionWriter, export_csv, export_h5
from napari_acll.testing import write_fake_volume

LIGHT = Mark(
    channel="key",
    name="light",
    value=0.1,
    note='blue, "470 nm"',
    at_s=1.7e9,
    time_s=12.5,
    volume_index=20,
)
SPEED = Mark(channel="stage.csv", name="speed", value=-3.25, time_s=0.5)
ARMED = Mark(channel="script", name="armed", at_s=1.7e9 - 60)


def same(a: Mark, b: Mark) -> bool:
    return all(
        one == other or (one != one and other != other)
        for one, other in ((getattr(a, key), getattr(b, key)) for key in Mark.__slots__)
    )


def test_marks_come_back_as_they_were_written(writer, folder):
    writer.write_marks([LIGHT, SPEED])
    writer.write_marks([ARMED])
    kept = SavedSession.open(folder).marks()
    assert [same(a, b) for a, b in zip(kept, [LIGHT, SPEED, ARMED], strict=True)] == [True] * 3


def test_a_session_without_marks_has_none_and_no_table(writer, folder):
    write_fake_volume(writer, 0)
    assert SavedSession.open(folder).marks() == []
    assert not (folder / "marks.csv").exists()


def test_the_table_is_one_that_every_program_reads(writer, folder):
    writer.write_marks([LIGHT, ARMED])
    with (folder / "marks.csv").open(encoding="utf-8", newline="") as file:
        light, armed = csv.DictReader(file)
    assert light == {
        "at_s": "1700000000.000000",
        "time_s": "12.500000",
        "volume_index": "20",
        "channel": "key",
        "name": "light",
        "value": "0.1",
        "note": 'blue, "470 nm"',
    }
    assert (armed["time_s"], armed["volume_index"], armed["value"]) == ("", "", "")


def test_marks_before_the_first_volume_get_their_time_from_what_the_session_told(writer, folder):
    writer.write_marks([ARMED, SPEED])
    assert math.isnan(SavedSession.open(folder).marks()[0].time_s)
    writer.write_event("clock", "Time 0 is then.", {"zero_at_s": 1.7e9})
    armed, speed = SavedSession.open(folder).marks()
    assert (armed.time_s, speed.time_s) == (-60.0, 0.5)


def test_a_line_that_a_crash_cut_short_is_left_out_and_gone_on_after(tmp_path):
    writer = ZarrSessionWriter.create(tmp_path / "a.acll", make_header())
    writer.write_marks([LIGHT, SPEED])
    table = tmp_path / "a.acll" / "marks.csv"
    table.write_bytes(table.read_bytes()[:-6])
    assert [mark.name for mark in SavedSession.open(tmp_path / "a.acll").marks()] == ["light"]
    writer.write_marks([ARMED])
    writer.close(state="finished")
    names = [mark.name for mark in SavedSession.open(tmp_path / "a.acll").marks()]
    assert names == ["light", "armed"]


def test_a_quoted_note_that_a_crash_cut_short_swallows_nothing_that_follows(writer, folder):
    writer.write_marks([SPEED, LIGHT])
    table = folder / "marks.csv"
    content = table.read_bytes()
    table.write_bytes(content[:-8])
    writer.write_marks([ARMED])
    assert [mark.name for mark in SavedSession.open(folder).marks()] == ["speed", "armed"]
    table.write_bytes(content[:-8] + b"\n" + content.split(b"\n")[1] + b"\n")
    assert SavedSession.open(folder).marks()[-1].name == "speed"


def test_a_header_that_a_crash_cut_short_is_written_again(writer, folder):
    (folder / "marks.csv").write_bytes(b"at_s,ti")
    writer.write_marks([SPEED])
    assert [mark.name for mark in SavedSession.open(folder).marks()] == ["speed"]


def test_line_breaks_in_a_note_do_not_break_the_table(writer, folder):
    writer.write_marks([replace(LIGHT, note="two\r\nlines\u2028and\x0cmore"), SPEED])
    light, speed = SavedSession.open(folder).marks()
    assert light.note == "two  lines\u2028and\x0cmore"
    assert same(speed, SPEED)


@pytest.mark.parametrize("spoil", [b"nonsense\n1,2\n", b"at_s,time_s\n"])
def test_a_table_that_is_none_is_called_damaged(writer, folder, spoil):
    writer.write_marks([LIGHT])
    (folder / "marks.csv").write_bytes(spoil)
    with pytest.raises(SessionError, match="is damaged"):
        SavedSession.open(folder).marks()


def test_the_csv_export_has_a_second_table_with_the_marks(writer, folder, tmp_path):
    write_fake_volume(writer, 0)
    writer.write_marks([LIGHT, ARMED])
    writer.write_event("clock", "Time 0 is then.", {"zero_at_s": 1.7e9})
    export_csv(SavedSession.open(folder), tmp_path / "traces.csv")
    with (tmp_path / "traces.marks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["time_s"] for row in rows] == ["12.500000", "-60.000000"]
    with pytest.raises(SessionError, match="exists already"):
        export_csv(SavedSession.open(folder), tmp_path / "traces.csv")
    export_csv(SavedSession.open(folder), tmp_path / "traces.csv", overwrite=True)


def test_a_csv_export_without_marks_is_one_table(writer, folder, tmp_path):
    write_fake_volume(writer, 0)
    assert run(["export", str(folder), str(tmp_path / "traces.csv")]) == 0
    assert [path.name for path in tmp_path.glob("*.csv")] == ["traces.csv"]


def test_the_hdf5_export_has_the_marks_as_columns(writer, folder, tmp_path):
    write_fake_volume(writer, 0)
    writer.write_marks([LIGHT, SPEED])
    export_h5(SavedSession.open(folder), tmp_path / "traces.h5")
    with h5py.File(tmp_path / "traces.h5") as file:
        table = file["marks"]
        assert table["name"].asstr()[:].tolist() == ["light", "speed"]
        assert table["note"].asstr()[0] == 'blue, "470 nm"'
        assert table["time_s"][:].tolist() == [12.5, 0.5]
        assert math.isnan(table["at_s"][1])
        assert table["volume_index"][:].tolist() == [20, -1]


def test_an_hdf5_export_without_marks_has_an_empty_table(writer, folder, tmp_path):
    write_fake_volume(writer, 0)
    export_h5(SavedSession.open(folder), tmp_path / "traces.h5")
    with h5py.File(tmp_path / "traces.h5") as file:
        assert len(file["marks/name"]) == 0


def test_deadlines_are_those_that_the_session_told_last(writer, folder):
    assert SavedSession.open(folder).deadlines == {}
    writer.write_event("deadlines", "In time.", {"deadline_s": 0.6, "n_missed": 0})
    assert SavedSession.open(folder).deadlines == {"deadline_s": 0.6, "n_missed": 0}


def test_marks_that_a_full_disk_refuses_can_be_written_again(writer, folder, monkeypatch):
    writer.write_marks([LIGHT])

    class FullDisk(io.BytesIO):
        """A file that takes one line and a bit, and then no more."""

        def __init__(self, file):
            super().__init__()
            self._file = file

        def __getattr__(self, name):
            return getattr(self._file, name)

        def seek(self, *where):
            return self._file.seek(*where)

        def write(self, data):
            self._file.write(data[: data.index(b"\n") + 5])
            raise OSError(errno.ENOSPC, "No space left on device")

        def flush(self):
            self._file.flush()

        def truncate(self, size=None):
            return self._file.truncate(size)

        def close(self):
            self._file.close()

    opened = Path.open

    def full(path, mode="r", **options):
        file = opened(path, mode, **options)
        return FullDisk(file) if mode == "ab" else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(SessionError, match="No space left"):
            writer.write_marks([SPEED, ARMED])
    writer.write_marks([SPEED, ARMED])
    names = [mark.name for mark in SavedSession.open(folder).marks()]
    assert names == ["light", "speed", "armed"]
