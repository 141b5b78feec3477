import json
import shutil

import numpy as np
import pytest

from napari_acll.core import SessionError
from napari_acll.export import SavedSession
from napari_acll.testing import expected_ratio, write_fake_volume


def test_a_session_without_volumes_is_empty(writer, folder):
    del writer
    saved = SavedSession.open(folder)
    assert saved.n_timepoints == 0
    assert saved.read("ratio").shape == (0, 4)
    assert saved.n_detections == 0
    assert saved.alignment is None
    assert saved.events() == []


def test_refresh_looks_again(writer, folder):
    saved = SavedSession.open(folder)
    write_fake_volume(writer, 0)
    assert saved.n_timepoints == 0
    np.testing.assert_allclose(saved.refresh().read("ratio")[0, :3], expected_ratio(0))


def test_an_event_that_a_crash_cut_short_is_left_out(writer, folder):
    writer.write_event("ready", "Ready.", {})
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"at": "2026-01-')
    assert [event["kind"] for event in SavedSession.open(folder).events()] == ["ready"]


def test_a_path_without_a_session_is_named(tmp_path):
    with pytest.raises(SessionError, match="no session"):
        SavedSession.open(tmp_path / "nothing.acll")
    with pytest.raises(SessionError, match=r"holds no session\.json"):
        SavedSession.open(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(SessionError, match="not a session"):
        SavedSession.open(tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "was not written by this program"),
        ('{"format": "something"}', "was not written by this program"),
        ('{"format": "napari-acll session", "format_version": 99}', "format version 99"),
    ],
)
def test_a_foreign_header_is_refused(tmp_path, content, message):
    (tmp_path / "session.json").write_text(content)
    with pytest.raises(SessionError, match=message):
        SavedSession.open(tmp_path)


def test_a_header_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "session.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SessionError, match="cannot be read"):
        SavedSession.open(tmp_path)


@pytest.mark.parametrize("victim", ["ratio/zarr.json", "ratio/c/0/0", "labels/c/0/0/0/0"])
def test_a_damaged_file_is_an_error_and_not_a_wrong_value(writer, folder, victim):
    write_fake_volume(writer, 0)
    file = folder / victim
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    saved = SavedSession.open(folder)
    with pytest.raises(SessionError, match="damaged"):
        saved.labels(0) if victim.startswith("labels") else saved.read("ratio")


def test_a_session_whose_arrays_are_gone_is_damaged(writer, folder):
    write_fake_volume(writer, 0)
    (folder / "zarr.json").unlink()
    with pytest.raises(SessionError, match="damaged"):
        SavedSession.open(folder)


def test_settings_of_another_version_are_still_there_as_text(writer, folder):
    del writer
    file = folder / "session.json"
    header = json.loads(file.read_text())
    header["settings"]["run"]["a_setting_of_tomorrow"] = 1
    file.write_text(json.dumps(header))
    saved = SavedSession.open(folder)
    with pytest.raises(SessionError, match="do not fit this version"):
        _ = saved.settings
    assert saved.header["settings"]["run"]["a_setting_of_tomorrow"] == 1


def test_what_it_does_not_have_is_an_error(writer, folder):
    write_fake_volume(writer, 0)
    saved = SavedSession.open(folder)
    with pytest.raises(KeyError, match="no 'speed'"):
        saved.read("speed")
    with pytest.raises(KeyError, match="speed"):
        saved.read_detections("speed", 0, 1)
    with pytest.raises(IndexError, match="0 to 0"):
        saved.labels(1)
    with pytest.raises(IndexError):
        saved.detections(-1)


def test_a_session_of_a_version_that_knew_no_novelty_is_read(writer, folder):
    for index in range(3):
        write_fake_volume(writer, index)
    shutil.rmtree(folder / "novelty")
    novelty = SavedSession.open(folder).read("novelty")
    assert novelty.shape == (3,)
    assert np.isnan(novelty).all()


def test_the_probability_of_the_other_side_stands_where_a_neuron_was_named(writer, folder):
    for index in range(3):
        write_fake_volume(writer, index)
    saved = SavedSession.open(folder)
    swapped = saved.side_swap_probability()
    np.testing.assert_array_equal(np.isfinite(swapped), np.isfinite(saved.read("confidence")))
    np.testing.assert_array_equal(saved.side_swap_probability(1, 3), swapped[1:3])
