import numpy as np
import pytest
from tests.sources.recordings import random_counts, write_nd2, write_npy_files

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.simulate import SimulatedSource
from napari_acll.sources import ArraySource, FolderSource, Nd2Source, open_source


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
