"""One line per requirement, none of which raises, starts or leaves anything."""

import socket

import pytest

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    Light,
    ModelError,
    RecordingError,
    SessionError,
    SettingsError,
)
from napari_acll.preprocess import save_alignment
from napari_acll.session import preflight

pytest.importorskip("zmq")  # publishing and marks from another program need it

SMALL = "simulated:volumes=5,geometry=small"
OFF = {"publish": {"mode": "off"}}


def look(recording=SMALL, out=None, **settings):
    checks = preflight(recording, settings=AcllSettings(**(OFF | settings)), out=out)
    return {check.name: check for check in checks}


def test_a_recording_that_can_be_labeled_has_no_red_line(tmp_path):
    found = look(out=tmp_path / "worm.acll")
    assert [check for check in found.values() if check.light is Light.RED] == []
    assert found["Recording"].sentence.startswith(
        "5 volumes of 24 x 70 x 108 voxels of 1.62 um, every"
    )
    assert "neurons, calibrated on" in found["Model"].sentence
    assert {"Folder", "Disk", "Device", "Memory"} <= set(found)
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_is_missing_is_red_with_the_sentence_of_the_command_line(tmp_path):
    found = look(str(tmp_path / "gone.nd2"))
    assert found["Recording"].light is Light.RED
    assert "gone.nd2" in found["Recording"].sentence
    assert found["Recording"].exit_code == RecordingError.exit_code
    assert "Crop" not in found


def test_a_crop_outside_of_the_frame_is_red():
    found = look(preprocess={"crop": {"y_start_px": 500}})
    assert found["Crop"].light is Light.RED
    assert found["Crop"].exit_code == SettingsError.exit_code


def test_what_is_left_after_crop_and_binning_is_told():
    found = look(preprocess={"crop": {"z_start_px": 4}, "bin_px": 2})
    assert "20 x 35 x 54 voxels of 1.62 x 3.24 x 3.24 um" in found["Crop"].sentence


def test_a_session_folder_that_exists_is_red(tmp_path):
    found = look(out=tmp_path)
    assert found["Folder"].light is Light.RED
    assert found["Folder"].exit_code == SessionError.exit_code
    assert "exists already" in found["Folder"].sentence


def test_a_place_where_nothing_can_be_written_is_red(tmp_path, monkeypatch):
    def refuse(*, dir):  # noqa: A002  as the library calls it
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("napari_acll.session._preflight.tempfile.TemporaryFile", refuse)
    found = look(out=tmp_path / "worm.acll")
    assert found["Folder"].light is Light.RED
    assert "Permission denied" in found["Folder"].sentence
    assert str(tmp_path) in found["Folder"].sentence


def test_without_a_session_folder_nothing_is_said_of_saving():
    assert not {"Folder", "Disk", "Publishing"} & set(look())


def test_a_model_that_is_missing_is_red(tmp_path):
    found = look(label={"model": str(tmp_path / "gone.safetensors")})
    assert found["Model"].light is Light.RED
    assert found["Model"].exit_code == ModelError.exit_code


def test_a_model_that_was_calibrated_on_simulation_only_is_flagged():
    found = look()
    assert found["Model"].light is Light.AMBER
    assert "simulation only" in found["Model"].sentence


def test_a_recording_to_come_is_armed_and_not_waited_for(tmp_path):
    live = {"is_live": True, "start_timeout_s": 77}
    found = look(str(tmp_path / "to come"), out=tmp_path / "worm.acll", source={"live": live})
    assert found["Recording"].light is Light.GREEN
    assert "77 s" in found["Recording"].sentence
    assert "left" in found["Disk"].sentence


def test_of_a_recording_to_come_it_is_told_what_is_expected(tmp_path):
    live = {"is_live": True, "expected_shape_px": (80, 630, 966)}
    found = look(str(tmp_path / "to come"), out=tmp_path / "worm.acll", source={"live": live})
    assert "80 x 630 x 966 voxels" in found["Recording"].sentence
    assert "of recording" in found["Disk"].sentence


@pytest.fixture
def taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.mark.parametrize(("mode", "light"), [("auto", Light.AMBER), ("on", Light.RED)])
def test_a_port_that_somebody_else_uses_is_told(tmp_path, taken_port, mode, light):
    publish = {"mode": mode, "address": f"tcp://127.0.0.1:{taken_port}"}
    found = look(out=tmp_path / "worm.acll", publish=publish)
    assert found["Publishing"].light is light
    assert str(taken_port) in found["Publishing"].sentence


def test_a_free_port_is_free_afterward(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    publish = {"mode": "on", "address": f"tcp://127.0.0.1:{port}"}
    for _ in range(2):
        found = look(out=tmp_path / "worm.acll", publish=publish)
        assert found["Publishing"].light is Light.GREEN


def test_marks_from_nowhere_are_flagged_and_impossible_ones_are_red(tmp_path, taken_port):
    for address, light in (
        (f"tcp://127.0.0.1:{taken_port}", Light.GREEN),
        (str(tmp_path / "stage.csv"), Light.GREEN),
        (str(tmp_path / "no folder" / "stage.csv"), Light.AMBER),
        ("carrier pigeon", Light.RED),
    ):
        found = look(out=tmp_path / "worm.acll", marks={"channels": [address]})
        assert found["Marks"].light is light, address


def test_an_alignment_file_is_read(tmp_path):
    path = tmp_path / "rig.json"
    assert look(alignment={"file": str(path)})["Alignment"].light is Light.RED
    save_alignment(ChannelAlignment.identity("made up").model_copy(update={"dy_um": 1.5}), path)
    found = look(alignment={"file": str(path)})
    assert found["Alignment"].light is Light.GREEN
    assert "+1.50 um" in found["Alignment"].sentence
