import csv
import locale
import sys

import h5py
import numpy as np
import pytest

from napari_acll.core import ChannelAlignment, SessionError, VolumeStatus
from napari_acll.export import (
    CSV_COLUMNS,
    SavedSession,
    export_csv,
    export_h5,
    export_nwb,
    export_session,
)
from napari_acll.testing import expected_ratio, fake_sample, write_fake_volume

EXPORTS = [export_csv, export_h5, export_nwb]


@pytest.fixture
def saved(writer, folder) -> SavedSession:
    writer.write_alignment(ChannelAlignment(origin="calibrated", is_trusted=True))
    write_fake_volume(writer, 0)
    write_fake_volume(writer, 1)
    writer.skip(2, VolumeStatus.LOST)
    writer.skip(3, VolumeStatus.SKIPPED)
    write_fake_volume(writer, 4)
    return SavedSession.open(folder)


def rows_of(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_begins_with_the_columns_that_scripts_rely_on(saved, tmp_path):
    export_csv(saved, tmp_path / "out.csv")
    header = (tmp_path / "out.csv").read_text().splitlines()[0].split(",")
    assert header[:12] == [
        "volume_index",
        "time_s",
        "neuron_time_s",
        "neuron",
        "ratio",
        "activity",
        "marker",
        "confidence",
        "z_px",
        "y_px",
        "x_px",
        "n_voxels",
    ]
    assert tuple(header) == CSV_COLUMNS


def test_there_is_one_row_per_volume_and_neuron_of_the_model(saved, tmp_path):
    export_csv(saved, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert [(row["volume_index"], row["neuron"]) for row in rows] == [
        (str(index), name) for index in range(5) for name in ("AVAL", "AVAR", "RIBL", "OLLR")
    ]


def test_values_read_back_as_what_was_traced(saved, tmp_path):
    export_csv(saved, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    sample = fake_sample(4)
    for row, i in zip(rows[16:19], range(3), strict=True):
        for name in ("ratio", "activity", "marker", "confidence"):
            assert np.float32(row[name]) == getattr(sample, name)[i]
        assert float(row["time_s"]) == 2.0
        assert float(row["neuron_time_s"]) == pytest.approx(sample.neuron_time_s[i], abs=1e-6)
        assert [float(row[f"{axis}_px"]) for axis in "zyx"] == sample.centroid_px[i].tolist()
        assert row["n_voxels"] == "18"
        assert row["volume_status"] == "traced"
        assert (row["alignment"], row["alignment_is_trusted"]) == ("calibrated", "true")
        assert np.float32(row["ratio_sd"]) == sample.ratio_sd[i]
        assert row["flags"] == ("", "impulse overlapped", "cut_off")[i]


def test_absent_neurons_and_volumes_have_empty_fields(saved, tmp_path):
    export_csv(saved, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    absent = rows[3]
    assert absent["neuron"] == "OLLR"
    values = (
        "neuron_time_s",
        "ratio",
        "activity",
        "marker",
        "confidence",
        "z_px",
        "y_px",
        "x_px",
        "n_voxels",
        "ratio_sd",
        "flags",
    )
    assert all(absent[name] == "" for name in values)
    for row, status in zip((rows[8], rows[12]), ("lost", "skipped"), strict=True):
        assert all(row[name] == "" for name in (*values, "time_s"))
        assert row["volume_status"] == status


def test_the_same_session_gives_the_same_bytes_in_every_locale(saved, tmp_path):
    export_csv(saved, tmp_path / "a.csv")
    before = locale.setlocale(locale.LC_ALL)
    for name in ("de_DE.UTF-8", "C.UTF-8", "C"):
        try:
            locale.setlocale(locale.LC_ALL, name)
            break
        except locale.Error:
            continue
    try:
        export_csv(saved, tmp_path / "b.csv")
    finally:
        locale.setlocale(locale.LC_ALL, before)
    content = (tmp_path / "a.csv").read_bytes()
    assert content == (tmp_path / "b.csv").read_bytes()
    assert b"\r" not in content
    assert content.endswith(b"\n")


def test_a_long_session_is_exported_whole(writer, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_acll.export._csv.TIMEPOINTS_PER_CHUNK", 4)
    n = 2 * 4 + 3
    for index in range(n):
        write_fake_volume(writer, index)
    export_csv(SavedSession.open(folder), tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert len(rows) == 4 * n
    ratios = np.array([float(row["ratio"] or "nan") for row in rows]).reshape(n, 4)
    expected = [expected_ratio(index) for index in range(n)]
    np.testing.assert_allclose(ratios[:, :3], expected, rtol=1e-6)


def test_the_hdf5_file_holds_the_original_signal(saved, tmp_path):
    export_h5(saved, tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        signal = file["signal"][:]
        assert signal.shape == (5, 5)
        assert signal.dtype == np.float32
        assert np.isnan(signal[0]).all()
        np.testing.assert_allclose(signal[1:4, 4], expected_ratio(4), rtol=1e-6)
        assert np.isnan(signal[:, 2:4]).all()
        assert [name.decode() for name in file["neurons"]] == ["AVAL", "AVAR", "RIBL", "OLLR"]
        np.testing.assert_array_equal(file["ratio"][:].T, signal[1:])
        assert file["status"][:].tolist() == [1, 1, 3, 2, 1]
        assert file["detections/neuron"].shape == (12,)
        assert "worm 7" in file.attrs["session"]


def test_an_empty_session_can_be_exported(writer, folder, tmp_path):
    del writer
    export_csv(SavedSession.open(folder), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == ",".join(CSV_COLUMNS) + "\n"
    export_h5(SavedSession.open(folder), tmp_path / "out.h5")
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["signal"].shape == (5, 0)


@pytest.mark.parametrize("export", EXPORTS)
def test_an_existing_file_is_kept_unless_it_may_be_replaced(saved, tmp_path, export):
    out = tmp_path / "out"
    out.write_text("precious")
    with pytest.raises(SessionError, match="exists already"):
        export(saved, out)
    assert out.read_text() == "precious"
    export(saved, out, overwrite=True)
    assert out.read_bytes() != b"precious"


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_that_fails_leaves_no_half_file(saved, folder, tmp_path, export):
    chunk = folder / "marker" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])
    with pytest.raises(SessionError, match="damaged"):
        export(saved, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["worm.acll"]


@pytest.mark.parametrize("export", EXPORTS)
def test_a_place_that_cannot_be_written_is_named(saved, tmp_path, export):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SessionError, match="cannot be written"):
        export(saved, tmp_path / "file" / "out")


@pytest.mark.parametrize("name", ["out.csv", "out.h5"])
def test_the_name_of_the_file_says_what_is_written(saved, folder, tmp_path, name):
    told = export_session(folder, tmp_path / name)
    assert told == f"{tmp_path / name}: 5 volumes, 4 neurons."
    write = export_csv if name.endswith("csv") else export_h5
    write(saved, tmp_path / f"again_{name}")
    assert (tmp_path / name).read_bytes() == (tmp_path / f"again_{name}").read_bytes()


@pytest.mark.usefixtures("saved")
def test_a_name_that_says_nothing_is_refused(folder, tmp_path):
    with pytest.raises(SessionError, match=r"must end in \.csv, \.h5 or \.nwb"):
        export_session(folder, tmp_path / "out.txt")


@pytest.mark.parametrize("export", EXPORTS)
def test_progress_goes_up_to_the_end(saved, tmp_path, export):
    told = []
    export(saved, tmp_path / "out", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_that_is_canceled_leaves_nothing(saved, tmp_path, export):
    def cancel(_part_done):
        raise LookupError

    before = set(tmp_path.iterdir())
    with pytest.raises(LookupError):
        export(saved, tmp_path / "out", progress=cancel)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("export", EXPORTS)
def test_what_the_system_refuses_is_told_in_its_words(saved, tmp_path, export):
    with pytest.raises(SessionError, match="cannot be written") as refused:
        export(saved, tmp_path / ("a" * 250 + ".out"))  # longer than a file system takes
    assert "synchronously" not in str(refused.value)  # as HDF5 says it
    assert ".partial" not in str(refused.value)
    assert not list(tmp_path.glob("*.out"))


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("suffix", [".csv", ".h5", ".nwb"])
def test_a_place_with_spaces_and_letters_of_all_kinds_is_taken(folder, tmp_path, suffix):
    out = tmp_path / "Ünïcode ordner" / f"tr aces é{suffix}"
    export_session(folder, out)
    assert out.stat().st_size > 0


def test_without_pynwb_the_message_says_what_to_install(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynwb", None)
    monkeypatch.delitem(sys.modules, "napari_acll.export._nwb_file", raising=False)
    with pytest.raises(SessionError, match=r'pip install "napari-acll\[nwb\]"'):
        export_nwb(saved, tmp_path / "out.nwb")
    assert not (tmp_path / "out.nwb").exists()
