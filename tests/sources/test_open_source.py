import numpy as np
import pytest
from tests.sources.recordings import random_counts, write_nd2, write_npy_files

from napari_acll.core import LiveSettings, RecordingError, SourceSettings
from napari_acll.simulate import SimulatedSource
from napari_acll.sources import (
    ArraySource,
    FolderSource,
    GrowingFolderSource,
    Nd2Source,
    open_source,
)

LIVE = SourceSettings(live=LiveSettings(is_live=True))


def open_it(recording):
    with open_source(str(recording), SourceSettings()) as source:
        return type(source)


def test_each_recording_finds_its_source(tmp_path):
    write_nd2(tmp_path / "A.ND2", random_counts())
    np.save(tmp_path / "a.npy", random_counts())
    (tmp_path / "folder").mkdir()
    write_npy_files(tmp_path / "folder", random_counts(), (1, 2, 3))
    assert open_it(tmp_path / "A.ND2") is Nd2Source
    assert open_it(tmp_path / "a.npy") is ArraySource
    assert open_it(tmp_path / "folder") is FolderSource


def test_the_simulated_worm_is_a_recording_too():
    source = open_source("simulated:volumes=2,geometry=small", SourceSettings())
    assert isinstance(source, SimulatedSource)
    source.close()


def test_a_recording_that_does_not_exist(tmp_path):
    with pytest.raises(RecordingError, match="There is no recording at"):
        open_it(tmp_path / "none.nd2")


def test_a_file_that_no_source_reads_says_why_for_each(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(RecordingError) as caught:
        open_it(tmp_path / "a.txt")
    for reason in ("nd2: its name", "folder: it is not a folder", "array: it is not a .npy"):
        assert reason in str(caught.value)


def test_the_error_of_the_source_that_can_read_it_is_passed_on(tmp_path):
    (tmp_path / "a.nd2").touch()
    with pytest.raises(RecordingError, match="is empty"):
        open_it(tmp_path / "a.nd2")


@pytest.mark.parametrize("name", ["there", "not there yet"])
def test_a_folder_is_followed_when_that_is_wanted(tmp_path, name):
    (tmp_path / "there").mkdir()
    with open_source(str(tmp_path / name), LIVE) as source:
        assert type(source) is GrowingFolderSource


def test_what_cannot_be_followed_says_why_for_each_live_source(tmp_path):
    np.save(tmp_path / "a.npy", random_counts())
    with pytest.raises(RecordingError) as caught:
        open_source(str(tmp_path / "a.npy"), LIVE)
    assert "can follow" in str(caught.value)
    assert "growing_folder: it is not a folder" in str(caught.value)
    assert " array: " not in str(caught.value)


def test_a_folder_in_a_folder_that_is_not_there_is_a_mistyped_path(tmp_path):
    with pytest.raises(RecordingError, match="there is no such folder"):
        open_source(str(tmp_path / "none" / "worm"), LIVE)


@pytest.mark.parametrize("address", ["shm:worm", "simulated:volumes=2"])
def test_an_address_is_no_folder_to_come(address, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert GrowingFolderSource.rejects(address)
