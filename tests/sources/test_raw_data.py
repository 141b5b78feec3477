"""Raw data are read and never written to, blocked or locked."""

import hashlib

import pytest
from tests.sources.recordings import random_counts
from tests.sources.test_growing_folder import following
from tests.sources.test_growing_nd2 import append, live, writer_of

from napari_acll.core import SourceSettings
from napari_acll.simulate import SimulatedSource, write_nd2, write_nd2_folder
from napari_acll.sources import open_source

RECORDING = "simulated:geometry=small,volumes=3,seed=1"


def state_of(folder):
    """Return name, content and times of everything in a folder."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("kind", ["nd2", "folder"])
def test_a_replay_changes_nothing_in_the_recording(tmp_path, kind):
    made_up = SimulatedSource.from_recording(RECORDING, SourceSettings())
    folder = tmp_path / "raw"
    folder.mkdir()
    if kind == "nd2":
        path = write_nd2(made_up, folder / "worm.nd2", 3)
    else:
        path = write_nd2_folder(made_up, folder / "worm", 3)
    before = state_of(folder)
    source = open_source(str(path), SourceSettings())
    try:
        assert [volume.index for volume in source] == [0, 1, 2]
        assert state_of(folder) == before
    finally:
        source.close()
    assert state_of(folder) == before


def test_following_a_file_neither_changes_nor_locks_it(tmp_path):
    counts = random_counts(n_volumes=3)
    folder = tmp_path / "raw"
    folder.mkdir()
    writer = writer_of(folder / "a.nd2", counts)
    append(writer, counts[:1])
    before = state_of(folder)
    with live(folder / "a.nd2") as source:
        volumes = iter(source)
        assert next(volumes).index == 0
        assert state_of(folder) == before
        with (folder / "a.nd2").open("r+b"):  # whoever records can open it for writing
            append(writer, counts[1:2], time_s=lambda _, z: 2.0 + 0.1 * z)
        assert next(volumes).index == 1
        (folder / "a.nd2").unlink()  # and even delete it
    writer.abandon()


def test_following_a_folder_changes_nothing_in_it(tmp_path):
    made_up = SimulatedSource.from_recording(RECORDING, SourceSettings())
    folder = tmp_path / "raw"
    with following(folder) as reader:
        write_nd2_folder(made_up, folder, 3)
        before = state_of(folder)
        assert [reader.next().index for _ in range(3)] == [0, 1, 2]
        assert state_of(folder) == before
