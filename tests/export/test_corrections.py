import csv

import h5py
import numpy as np
import pytest
from tests.export.conftest import make_header

from napari_acll.core import Correction, CorrectionKind, SessionError
from napari_acll.export import SavedSession, ZarrSessionWriter, export_csv, export_h5
from napari_acll.testing import write_fake_volume

SWAP = Correction(kind=CorrectionKind.SWAP, name="AVAL", new_name="AVAR", from_index=7, at_s=1.7e9)
PIN = Correction(
    kind=CorrectionKind.PIN, name="RIBL", from_index=9, at_s=1.7e9, note="by eye, 20x"
)
UNDO = Correction(kind=CorrectionKind.UNDO, from_index=12, at_s=1.7e9 + 1, note="RIBL is pinned")


def test_corrections_come_back_as_they_were_written(writer, folder):
    writer.write_corrections([SWAP, PIN])
    writer.write_corrections([UNDO])
    assert SavedSession.open(folder).corrections() == [SWAP, PIN, UNDO]


def test_a_session_without_corrections_has_none_and_no_table(writer, folder):
    write_fake_volume(writer, 0)
    assert SavedSession.open(folder).corrections() == []
    assert not (folder / "corrections.csv").exists()


def test_the_table_is_one_that_every_program_reads(writer, folder):
    writer.write_corrections([SWAP, PIN])
    with (folder / "corrections.csv").open(encoding="utf-8", newline="") as file:
        swap, pin = csv.DictReader(file)
    assert swap == {
        "at_s": "1700000000.000000",
        "from_index": "7",
        "kind": "swap",
        "name": "AVAL",
        "new_name": "AVAR",
        "note": "",
    }
    assert (pin["kind"], pin["new_name"], pin["note"]) == ("pin", "", "by eye, 20x")


def test_a_line_that_a_crash_cut_short_is_left_out_and_gone_on_after(tmp_path):
    writer = ZarrSessionWriter.create(tmp_path / "a.acll", make_header())
    writer.write_corrections([SWAP, PIN])
    table = tmp_path / "a.acll" / "corrections.csv"
    table.write_bytes(table.read_bytes()[:-4])
    assert SavedSession.open(tmp_path / "a.acll").corrections() == [SWAP]
    writer.close(state="failed")
    again = ZarrSessionWriter.resume(tmp_path / "a.acll")
    again.write_corrections([UNDO])
    again.close(state="finished")
    assert SavedSession.open(tmp_path / "a.acll").corrections() == [SWAP, UNDO]


@pytest.mark.parametrize(
    "spoil", [b"nonsense\n1,2\n", b"at_s,from_index,kind,name,new_name,note\n1,2,squash,A,B,\n"]
)
def test_a_table_that_is_none_is_called_damaged(writer, folder, spoil):
    writer.write_corrections([SWAP])
    (folder / "corrections.csv").write_bytes(spoil)
    with pytest.raises(SessionError, match="is damaged"):
        SavedSession.open(folder).corrections()


def test_the_disk_has_a_correction_before_the_volumes_that_it_changes(writer, monkeypatch):
    synced = []
    monkeypatch.setattr("napari_acll.export._table_file.sync", lambda file: synced.append(file))
    writer.write_corrections([SWAP])
    assert len(synced) == 1


def test_the_exports_have_the_corrections_beside_the_traces(writer, folder, tmp_path):
    write_fake_volume(writer, 0)
    writer.write_corrections([SWAP, PIN])
    export_csv(SavedSession.open(folder), tmp_path / "traces.csv")
    with (tmp_path / "traces.corrections.csv").open(encoding="utf-8", newline="") as file:
        assert [row["kind"] for row in csv.DictReader(file)] == ["swap", "pin"]
    export_h5(SavedSession.open(folder), tmp_path / "traces.h5")
    with h5py.File(tmp_path / "traces.h5") as file:
        table = file["corrections"]
        assert table["kind"].asstr()[:].tolist() == ["swap", "pin"]
        assert table["new_name"].asstr()[:].tolist() == ["AVAR", ""]
        np.testing.assert_array_equal(table["from_index"][:], [7, 9])


def test_exports_without_corrections_have_no_table_and_an_empty_group(writer, folder, tmp_path):
    write_fake_volume(writer, 0)
    export_csv(SavedSession.open(folder), tmp_path / "traces.csv")
    assert [path.name for path in tmp_path.glob("*.csv")] == ["traces.csv"]
    export_h5(SavedSession.open(folder), tmp_path / "traces.h5")
    with h5py.File(tmp_path / "traces.h5") as file:
        assert len(file["corrections/kind"]) == 0
