"""A session as NWB, judged by the reader and the validator of the standard."""

import errno
import json
import re
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.export.conftest import make_header

from napari_acll.core import (
    ChannelAlignment,
    Correction,
    Mark,
    SessionError,
    TraceFlag,
    VolumeStatus,
)
from napari_acll.export import SavedSession, ZarrSessionWriter, export_nwb, export_session
from napari_acll.testing import expected_ratio, fake_sample, write_fake_volume

pynwb = pytest.importorskip("pynwb")
NAMES = ["AVAL", "AVAR", "RIBL", "OLLR"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("nwb") / "worm.acll"
    writer = ZarrSessionWriter.create(folder, make_header())
    writer.write_alignment(ChannelAlignment(origin="calibrated", is_trusted=True))
    write_fake_volume(writer, 0)
    write_fake_volume(writer, 1)
    writer.skip(2, VolumeStatus.LOST)
    writer.skip(3, VolumeStatus.SKIPPED)
    write_fake_volume(writer, 4)
    light = Mark(channel="key", name="light", value=2.0, time_s=1.25, at_s=1e9)
    writer.write_marks([light, Mark(channel="key", name="tap", at_s=1e9)])
    swap = Correction(kind="swap", name="AVAL", new_name="AVAR", from_index=1, at_s=1e9)
    writer.write_corrections([swap])
    writer.write_event("ready", "Ready.", {"n": 1})
    writer.close(state="finished")
    return folder


@pytest.fixture(scope="module")
def saved(folder) -> SavedSession:
    return SavedSession.open(folder)


@pytest.fixture(scope="module")
def exported(saved) -> Path:
    out = saved.path.with_suffix(".nwb")
    export_nwb(saved, out)
    return out


@pytest.fixture
def content(exported):
    with pynwb.NWBHDF5IO(exported, "r") as io:
        yield io.read()


def series(content, name):
    ophys = content.processing["ophys"]
    inside = ophys["Fluorescence"].roi_response_series
    return inside[name] if name in inside else ophys[name]


def test_the_file_is_valid_nwb(exported):
    assert pynwb.validate(path=str(exported)) == []


def test_a_file_that_lacks_what_the_standard_wants_is_found(exported, tmp_path):
    shutil.copy(exported, tmp_path / "worm.nwb")
    with h5py.File(tmp_path / "worm.nwb", "r+") as file:
        del file["processing/ophys/Fluorescence/ratio/rois"]
    assert pynwb.validate(path=str(tmp_path / "worm.nwb"))


def test_each_neuron_is_a_region_with_its_name(content):
    ratio = series(content, "ratio")
    table = ratio.rois.table
    assert list(table["neuron_name"][:]) == NAMES
    assert ratio.rois.data[:].tolist() == [0, 1, 2, 3]
    assert table["n_volumes"][:].tolist() == [3, 3, 3, 0]


def test_values_read_back_as_what_was_traced(content):
    sample = fake_sample(4)
    for name in ("ratio", "activity_sum", "marker_sum", "confidence", "ratio_sd", "n_voxels"):
        data = series(content, name).data
        assert data.shape == (5, 4)
        np.testing.assert_array_equal(data[4], getattr(sample, name))
    np.testing.assert_allclose(series(content, "ratio").data[4, :3], expected_ratio(4), rtol=1e-6)
    flags = series(content, "flags").data[4].tolist()
    assert flags == [0, TraceFlag.IMPULSE | TraceFlag.OVERLAPPED, TraceFlag.CUT_OFF, 0]


def test_volumes_without_values_keep_their_row_and_are_told(content):
    ratio = series(content, "ratio")
    assert np.isnan(ratio.data[2:4]).all()
    np.testing.assert_allclose(ratio.timestamps[:], [0, 0.5, 1, 1.5, 2])
    described = [ratio.control_description[value] for value in ratio.control[:]]
    assert described == ["traced", "traced", "lost", "skipped", "traced"]
    gaps = content.invalid_times.to_dataframe()
    assert gaps["start_time"].tolist() == [1.0, 1.5]
    assert gaps["stop_time"].tolist() == [1.5, 2.0]
    assert [list(tags) for tags in gaps["tags"]] == [["lost"], ["skipped"]]


def test_all_series_share_one_clock(exported):
    with h5py.File(exported) as file:
        ophys = file["processing/ophys"]
        assert ophys["positions/timestamps"] == ophys["Fluorescence/ratio/timestamps"]
        assert ophys["confidence/timestamps"] == ophys["Fluorescence/ratio/timestamps"]


def test_positions_are_in_meters_and_xyz(content, saved):
    position = series(content, "positions")
    size_um = np.array(saved.header["spec"]["grid"]["voxel_size_um"])
    expected_um = fake_sample(4).centroid_px[0] * size_um
    assert position.unit == "meters"
    found_um = position.data[4, 0] * position.conversion * 1e6
    np.testing.assert_allclose(found_um, expected_um[::-1], rtol=1e-5)


def test_masks_are_where_the_neurons_are(content, saved):
    table = series(content, "ratio").rois.table
    labels = saved.labels(int(table["mask_volume"][1]))
    mask = table["voxel_mask"][1]
    found = {(int(v["z"]), int(v["y"]), int(v["x"])) for v in mask}
    assert found == {tuple(place) for place in np.argwhere(labels == 2).tolist()}
    assert len(table["voxel_mask"][3]) == 0


def test_marks_are_intervals_on_the_same_clock(content):
    marks = content.intervals["marks"].to_dataframe()
    assert marks[["start_time", "stop_time", "mark", "value"]].values.tolist() == [
        [1.25, 1.25, "light", 2.0]
    ]
    assert "1 marks without a time" in content.intervals["marks"].description


def test_animal_device_and_provenance_are_there(content, saved):
    assert content.subject.subject_id == "worm 7"
    assert content.subject.species == "Caenorhabditis elegans"
    assert "a rig" in content.devices["microscope"].description
    assert content.data_collection == "A note."
    assert dict(content.was_generated_by[:])["numpy"] == np.__version__
    module = content.processing["provenance"]
    told = dict(zip(module["provenance"]["key"][:], module["provenance"]["value"][:], strict=True))
    assert json.loads(told["settings.trace.estimator"]) == saved.settings.trace.estimator
    assert json.loads(told["alignment.origin"]) == "calibrated"
    assert json.loads(told["source.kind"]) == "fake"
    assert list(module["corrections"]["neuron"][:]) == ["AVAL"]
    assert "Ready." in list(module["events"]["message"][:])


def test_the_same_session_is_the_same_session_in_every_export(saved, content, tmp_path):
    export_nwb(saved, tmp_path / "again.nwb")
    with pynwb.NWBHDF5IO(tmp_path / "again.nwb", "r") as io:
        again = io.read()
        assert again.identifier == content.identifier
        assert again.session_start_time == content.session_start_time


def test_what_an_archive_wants_can_be_filled_in(exported, tmp_path):
    """As the how-to says."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "share-as-nwb.md").read_text("utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shutil.copy(exported, tmp_path / "worm.nwb")
    exec(script.replace("worm.nwb", str(tmp_path / "worm.nwb")), {})  # noqa: S102
    with pynwb.NWBHDF5IO(tmp_path / "worm.nwb", "r") as io:
        assert io.read().subject.age == "P3D"


def test_without_label_maps_a_mask_is_the_voxel_at_the_center(tmp_path):
    with_labels = make_header(save_labels=False)
    writer = ZarrSessionWriter.create(tmp_path / "bare.acll", with_labels)
    write_fake_volume(writer, 0)
    writer.close(state="finished")
    export_session(tmp_path / "bare.acll", tmp_path / "bare.nwb")
    with pynwb.NWBHDF5IO(tmp_path / "bare.nwb", "r") as io:
        mask = series(io.read(), "ratio").rois.table["voxel_mask"][1]
        assert [tuple(voxel) for voxel in mask] == [(9, 6, 2, 1.0)]


def test_a_session_without_volumes_is_valid_too(tmp_path):
    ZarrSessionWriter.create(tmp_path / "empty.acll", make_header()).close(state="finished")
    export_session(tmp_path / "empty.acll", tmp_path / "empty.nwb")
    assert pynwb.validate(path=str(tmp_path / "empty.nwb")) == []


def test_a_long_session_is_written_in_blocks(tmp_path, monkeypatch):
    writer = ZarrSessionWriter.create(tmp_path / "long.acll", make_header())
    for module in ("_nwb_series", "_nwb_rois"):
        monkeypatch.setattr(f"napari_acll.export.{module}.TIMEPOINTS_PER_CHUNK", 4)
    for index in range(11):
        write_fake_volume(writer, index)
    writer.close(state="finished")
    longest = 0
    read = SavedSession.read

    def watched(saved, name, start=0, stop=None):
        nonlocal longest
        rows = read(saved, name, start, stop)
        longest = max(longest, len(rows) if rows.ndim > 1 else 0)
        return rows

    monkeypatch.setattr(SavedSession, "read", watched)
    export_session(tmp_path / "long.acll", tmp_path / "long.nwb")
    assert longest == 4
    with pynwb.NWBHDF5IO(tmp_path / "long.nwb", "r") as io:
        ratio = series(io.read(), "ratio").data[:]
    expected = [expected_ratio(index) for index in range(11)]
    np.testing.assert_allclose(ratio[:, :3], expected, rtol=1e-6)


def test_a_full_disk_is_told_in_one_sentence(folder, tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    with pytest.raises(SessionError, match="cannot be written \\(No space left on device\\)"):
        export_session(folder, tmp_path / "out.nwb")
    assert not list(tmp_path.iterdir())


def test_a_session_that_cannot_be_read_is_not_called_a_file_that_cannot_be_written(
    folder, tmp_path, monkeypatch
):
    read = SavedSession.read

    def fails_later(saved, name, start=0, stop=None):
        if name == "marker" and stop != 1:  # the first row is read before the file is made
            raise SessionError("The session is damaged.") from OSError(errno.EIO, "gone")
        return read(saved, name, start, stop)

    monkeypatch.setattr(SavedSession, "read", fails_later)
    with pytest.raises(SessionError, match="damaged"):
        export_session(folder, tmp_path / "out.nwb")
    assert not list(tmp_path.iterdir())


def test_without_pynwb_the_way_to_install_it_is_told(folder, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "napari_acll.export._nwb_file", raising=False)
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(SessionError, match=r'pip install "napari-acll\[nwb\]"'):
        export_session(folder, tmp_path / "out.nwb")
    assert not (tmp_path / "out.nwb").exists()
