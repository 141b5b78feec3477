import errno
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import zarr
from tests.export.conftest import make_header

from napari_acll.core import (
    ChannelAlignment,
    RunSettings,
    SessionError,
    SessionWriter,
    VolumeStatus,
)
from napari_acll.export import SavedSession, ZarrSessionWriter, _store
from napari_acll.export._layout import TIMEPOINTS_PER_CHUNK
from napari_acll.testing import (
    SessionWriterContract,
    expected_ratio,
    fake_labeled,
    fake_sample,
    fake_volume,
    write_fake_volume,
)


class TestZarrSessionWriter(SessionWriterContract):
    def make_writer(self, folder: Path) -> SessionWriter:
        return ZarrSessionWriter.create(folder / "contract.acll", make_header())


def test_a_python_user_reads_it_with_plain_zarr(writer, folder):
    for index in (0, 1):
        write_fake_volume(writer, index)
    group = zarr.open_group(folder, mode="r")
    assert group.attrs["neurons"] == ["AVAL", "AVAR", "RIBL", "OLLR"]
    np.testing.assert_allclose(group["ratio"][:2, :3], [expected_ratio(0), expected_ratio(1)])
    assert group["status"][:3].tolist() == [1, 1, 0]
    np.testing.assert_array_equal(group["labels"][1], fake_labeled(fake_volume(1)).labels(4))
    of_volume_1 = group["detections/volume_index"][:] == 1
    assert group["detections/neuron"][:][of_volume_1].tolist() == [3, 2, 1, 0]
    assert group["detections/candidate_neuron"][:][of_volume_1][0].tolist() == [3, 1, 0, -1, -1]


def test_all_that_was_written_comes_back(writer, folder):
    writer.write_alignment(ChannelAlignment(dy_um=0.5, n_volumes=5))
    for index in range(3):
        write_fake_volume(writer, index)
    writer.skip(3, VolumeStatus.LOST)
    writer.skip(4, VolumeStatus.SKIPPED)
    write_fake_volume(writer, 5)
    writer.write_event("lost", "Volume 3 was lost.", {"index": 3})
    saved = SavedSession.open(folder)
    assert saved.status.tolist() == [1, 1, 1, 3, 2, 1]
    for index in (0, 1, 2, 5):
        sample = fake_sample(index)
        for name in (
            "ratio",
            "activity",
            "marker",
            "activity_sum",
            "marker_sum",
            "confidence",
            "n_voxels",
            "neuron_time_s",
            "centroid_px",
        ):
            np.testing.assert_array_equal(
                saved.read(name, index, index + 1)[0], getattr(sample, name), err_msg=name
            )
        assert saved.read("time_s")[index] == index * 0.5
        np.testing.assert_array_equal(
            saved.labels(index), fake_labeled(fake_volume(index)).labels(4)
        )
        found = fake_labeled(fake_volume(index)).detections
        np.testing.assert_array_equal(saved.detections(index).neuron, found.neuron)
        np.testing.assert_array_equal(saved.detections(index).centroid_px, found.centroid_px)
        np.testing.assert_array_equal(
            saved.detections(index).candidate_probability, found.candidate_probability
        )
    np.testing.assert_allclose(saved.read("timings_s")[0], [0.01, 0.02, 0, 0.1, 0.003, 0.133])
    assert np.isnan(saved.read("ratio", 3, 5)).all()
    assert len(saved.detections(3)) == 0
    assert not saved.labels(3).any()
    assert saved.alignment == ChannelAlignment(dy_um=0.5, n_volumes=5)
    assert saved.events()[-1]["kind"] == "lost"
    assert saved.events()[-1]["details"] == {"index": 3}
    assert saved.header["model"]["sha256"] == "0" * 64
    assert saved.header["animal"]["animal"] == "worm 7"
    assert saved.settings.animal.animal == "worm 7"


def test_it_grows_past_its_first_chunks(folder, monkeypatch):
    monkeypatch.setattr("napari_acll.export._arrays.TIMEPOINTS_PER_CHUNK", 4)
    writer = ZarrSessionWriter.create(folder, make_header())
    n = 2 * 4 + 3
    for index in range(n):
        write_fake_volume(writer, index)
    writer.close(state="finished")
    saved = SavedSession.open(folder)
    assert saved.n_timepoints == n
    expected = np.array([expected_ratio(index) for index in range(n)])
    np.testing.assert_allclose(saved.read("ratio")[:, :3], expected, rtol=1e-6)
    assert saved.n_detections == 4 * n
    np.testing.assert_array_equal(saved.labels(n - 1), fake_labeled(fake_volume(0)).labels(4))


def test_detections_may_fill_several_chunks(folder, monkeypatch):
    monkeypatch.setattr("napari_acll.export._arrays.DETECTIONS_PER_CHUNK", 3)
    writer = ZarrSessionWriter.create(folder, make_header())
    for index in range(5):
        write_fake_volume(writer, index)
    writer.close(state="finished")
    saved = SavedSession.open(folder)
    for index in range(5):
        assert saved.detections(index).neuron.tolist() == [3, 2, 1, 0]
    assert saved.read_detections("volume_index", 0, 20).tolist() == sorted([0, 1, 2, 3, 4] * 4)


def test_a_reader_sees_only_complete_volumes_while_it_grows(folder, monkeypatch):
    monkeypatch.setattr("napari_acll.export._arrays.TIMEPOINTS_PER_CHUNK", 4)
    writer = ZarrSessionWriter.create(folder, make_header())
    for index in range(4 + 2):
        write_fake_volume(writer, index)
        saved = SavedSession.open(folder)
        assert saved.n_timepoints == index + 1
        assert saved.state == "running"
        np.testing.assert_allclose(
            saved.read("ratio", index, index + 1)[0, :3], expected_ratio(index), rtol=1e-6
        )
    writer.close(state="finished")


def test_status_is_written_last(writer, folder, monkeypatch):
    write_fake_volume(writer, 0)
    written = []
    original = _store.overwrite_bytes

    def note(path, offset, data, **options):
        written.append(path.relative_to(folder).parts[0])
        original(path, offset, data, **options)

    monkeypatch.setattr("napari_acll.export._columns.overwrite_bytes", note)
    write_fake_volume(writer, 1)
    assert written.index("status") == len(written) - 1
    assert {"ratio", "detections", "time_s"} <= set(written)


def test_label_maps_can_be_left_out(folder):
    writer = ZarrSessionWriter.create(folder, make_header(save_labels=False))
    write_fake_volume(writer, 0)
    writer.close(state="finished")
    saved = SavedSession.open(folder)
    assert not saved.has_labels
    with pytest.raises(SessionError, match="save_labels"):
        saved.labels(0)
    assert saved.settings.run == RunSettings(save_labels=False)


def test_nothing_is_ever_overwritten(folder):
    folder.mkdir()
    (folder / "precious.txt").write_text("data")
    with pytest.raises(SessionError, match="exists already and nothing is ever overwritten"):
        ZarrSessionWriter.create(folder, make_header())
    assert [path.name for path in folder.iterdir()] == ["precious.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SessionError, match="cannot be created"):
        ZarrSessionWriter.create(tmp_path / "file" / "worm.acll", make_header())


@pytest.mark.parametrize("state", ["finished", "failed"])
def test_the_last_state_is_kept(folder, state):
    writer = ZarrSessionWriter.create(folder, make_header())
    assert SavedSession.open(folder).state == "running"
    writer.close(state=state)
    header = json.loads((folder / "session.json").read_text())
    assert header["state"] == state
    assert header["ended_at"] >= header["started_at"]
    assert {"python", "numpy", "torch", "napari-acll"} <= set(header["versions"])


def fill_after(n_writes: int, monkeypatch) -> None:
    """Let the disk fill up after some writes; as on a real disk, half of the next one arrives."""
    left = [n_writes]

    def filling(write):
        def wrapped(*arguments, **options):
            *where, data = arguments
            left[0] -= 1
            if left[0] < 0:
                if write is _store.overwrite_bytes:
                    write(*where, bytes(data)[: len(data) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(*arguments, **options)

        return wrapped

    for name in ("overwrite_bytes", "replace_bytes"):
        wrapped = filling(getattr(_store, name))
        for module in ("_columns", "_store", "_writer"):
            monkeypatch.setattr(f"napari_acll.export.{module}.{name}", wrapped, raising=False)


@pytest.mark.parametrize("n_writes", [0, 1, 7, 20])
@pytest.mark.parametrize("n_before", [2, 4], ids=["in a chunk", "at a new chunk"])
def test_a_full_disk_names_the_last_safe_volume_and_keeps_it(
    folder, monkeypatch, n_writes, n_before
):
    monkeypatch.setattr("napari_acll.export._arrays.TIMEPOINTS_PER_CHUNK", 4)
    writer = ZarrSessionWriter.create(folder, make_header())
    for index in range(n_before):
        write_fake_volume(writer, index)
    last = n_before - 1
    with monkeypatch.context() as patch:
        fill_after(n_writes, patch)
        with pytest.raises(
            SessionError, match=f"everything up to volume {last} is safe"
        ) as raised:
            write_fake_volume(writer, n_before)
        assert "No space left on device" in str(raised.value)
        with pytest.raises(SessionError):
            writer.close(state="failed")
    saved = SavedSession.open(folder)
    assert saved.n_timepoints == n_before
    np.testing.assert_allclose(saved.read("ratio")[last, :3], expected_ratio(last), rtol=1e-6)
    assert saved.detections(last).neuron.tolist() == [3, 2, 1, 0]
    assert not list(folder.rglob("*.partial"))


def write_until_full(writer) -> int:
    for index in range(10_000):
        try:
            write_fake_volume(writer, index)
        except SessionError as error:
            if "No space left on device" not in str(error):
                raise
            return index
    pytest.fail("the disk never filled")


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0,
    reason="a really full disk needs root on Linux, to mount a small one",
)
def test_a_really_full_disk_loses_nothing_that_was_written(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        writer = ZarrSessionWriter.create(disk / "worm.acll", make_header())
        index = write_until_full(writer)
        with suppress(SessionError):  # the disk is full: the state may not fit either
            writer.close(state="failed")
        saved = SavedSession.open(disk / "worm.acll")
        assert saved.n_timepoints == index > 0
        expected = np.array([expected_ratio(i) for i in range(index)])
        np.testing.assert_allclose(saved.read("ratio")[:, :3], expected, rtol=1e-6)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_reader_that_holds_a_file_for_a_moment_is_waited_for(writer, folder, monkeypatch):
    original, refusals = Path.replace, [3]

    def busy(path, target):
        if refusals[0] > 0:
            refusals[0] -= 1
            raise PermissionError(errno.EACCES, "somebody reads it, as on Windows")
        return original(path, target)

    monkeypatch.setattr(Path, "replace", busy)
    write_fake_volume(writer, 0)
    assert refusals == [0]
    assert SavedSession.open(folder).n_timepoints == 1


KILLED = """
import sys
from tests.export.conftest import make_header
from napari_acll.export import ZarrSessionWriter
from napari_acll.testing import write_fake_volume
writer = ZarrSessionWriter.create(sys.argv[1], make_header())
for index in range(100_000):
    write_fake_volume(writer, index)
    print(index, flush=True)
"""


def test_a_killed_process_loses_nothing_that_was_written(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with process:
        for line in process.stdout:
            if int(line) >= TIMEPOINTS_PER_CHUNK + 5:
                break
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        last = int(line)
    saved = SavedSession.open(folder)
    assert saved.state == "interrupted"
    assert saved.n_timepoints > last
    expected = np.array([expected_ratio(index) for index in range(saved.n_timepoints)])
    np.testing.assert_allclose(saved.read("ratio")[:, :3], expected, rtol=1e-6)
    assert set(saved.status.tolist()) == {VolumeStatus.TRACED}
