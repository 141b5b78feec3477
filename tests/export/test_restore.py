"""What a writer leaves that is killed, or whose machine loses its power, and how it goes on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.export.conftest import make_header

from napari_acll.core import ChannelAlignment, SessionError, VolumeStatus
from napari_acll.export import SavedSession, ZarrSessionWriter, _store
from napari_acll.testing import write_fake_volume

N_VOLUMES = 6
PER_CHUNK = 4
ARRAYS = ("ratio", "activity_sum", "n_voxels", "time_s", "neuron_time_s", "centroid_px")


class Killed(BaseException):
    """Nothing in the program runs after it."""


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch):
    monkeypatch.setattr("napari_acll.export._arrays.TIMEPOINTS_PER_CHUNK", PER_CHUNK)
    monkeypatch.setattr("napari_acll.export._arrays.DETECTIONS_PER_CHUNK", 7)


def kill(writer: ZarrSessionWriter) -> None:
    """Let go of what the system takes from a process that is killed, and of nothing else."""
    writer._lock.release()


def kill_at(n_writes: int, monkeypatch, *, share: float) -> None:
    """Let a write to the disk be the last one, and only a part of it arrive."""
    left = [n_writes]

    def dying(write):
        def wrapped(*arguments, **options):
            left[0] -= 1
            if left[0] >= 0:
                return write(*arguments, **options)
            if left[0] == -1:
                *where, data = arguments
                part = bytes(data)[: int(share * len(data))]
                if write is _store.overwrite_bytes:
                    write(*where, part)
                else:
                    where[0].with_name(f".{where[0].name}.torn.partial").write_bytes(part)
            raise Killed

        return wrapped

    for name in ("overwrite_bytes", "replace_bytes"):
        wrapped = dying(getattr(_store, name))
        for module in ("_columns", "_store", "_writer"):
            monkeypatch.setattr(f"napari_acll.export.{module}.{name}", wrapped, raising=False)


def interrupted(folder: Path, n_volumes: int) -> None:
    """Leave a session that was killed after some volumes."""
    writer = ZarrSessionWriter.create(folder, make_header())
    writer.write_event("ready", "Ready.", {})
    writer.write_alignment(ChannelAlignment(dy_um=0.5, n_volumes=5))
    for index in range(n_volumes):
        write_fake_volume(writer, index)
    kill(writer)


def go_on(folder: Path) -> None:
    """Resume a session and write what is left of the recording."""
    writer = ZarrSessionWriter.resume(folder)
    n_done = SavedSession.open(folder).n_timepoints
    writer.write_event("resumed", "Goes on.", {})
    for index in range(n_done, N_VOLUMES):
        write_fake_volume(writer, index)
    writer.close(state="finished")


def check_complete(folder: Path, undisturbed: Path) -> None:
    saved, expected = SavedSession.open(folder), SavedSession.open(undisturbed)
    assert saved.state == "finished"
    assert saved.status.tolist() == [VolumeStatus.TRACED] * N_VOLUMES
    check_rows(saved, expected, range(N_VOLUMES))
    assert saved.alignment == expected.alignment
    assert [event["kind"] for event in saved.events()][-1] == "resumed"
    assert not list(folder.rglob("*.partial"))


def check_rows(saved: SavedSession, expected: SavedSession, rows) -> None:
    rows = list(rows)
    for name in ARRAYS:
        a, b = (one.read(name)[rows] for one in (saved, expected))
        np.testing.assert_array_equal(a, b, err_msg=name)
    for index in rows[-2:]:
        np.testing.assert_array_equal(saved.labels(index), expected.labels(index))
    for name in ("neuron", "centroid_px", "candidate_probability"):
        a, b = (of_rows(one, name, rows) for one in (saved, expected))
        np.testing.assert_array_equal(a, b, err_msg=name)


def of_rows(saved: SavedSession, name: str, rows: list[int]) -> np.ndarray:
    volume = saved.read_detections("volume_index", 0, saved.n_detections)
    column = saved.read_detections(name, 0, saved.n_detections)
    return np.concatenate([column[:0], *(column[volume == row] for row in rows)])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "worm.acll"
    interrupted(folder, N_VOLUMES)
    go_on(folder)
    return folder


@pytest.mark.parametrize("n_before", [2, PER_CHUNK], ids=["in a chunk", "at a new chunk"])
def test_a_kill_at_any_write_loses_the_volume_in_flight_only(
    folder, tmp_path, undisturbed, monkeypatch, n_before
):
    interrupted(folder, n_before)
    n_writes = 0
    while True:  # one write later each time, until the volume is complete
        copy = tmp_path / f"{n_writes}.acll"
        shutil.copytree(folder, copy)
        writer = ZarrSessionWriter.resume(copy)
        with monkeypatch.context() as patch:
            kill_at(n_writes, patch, share=(0.0, 0.5, 1.0)[n_writes % 3])
            try:
                write_fake_volume(writer, n_before)
            except Killed:
                is_complete = False
            else:
                is_complete = True
        kill(writer)
        saved = SavedSession.open(copy)
        assert saved.state == "interrupted"
        assert saved.n_timepoints in (n_before, n_before + 1)
        check_rows(saved, SavedSession.open(undisturbed), range(saved.n_timepoints))
        if n_writes % 4 == 0 or is_complete:
            go_on(copy)
            check_complete(copy, undisturbed)
        shutil.rmtree(copy)
        if is_complete:
            break
        n_writes += 1
    assert n_writes > 20  # every array was reached


def files_of(folder: Path) -> list[Path]:
    """Return the files that a power cut may cut short: all but those replaced with a sync."""
    names = ("session.json", "alignment.json", "zarr.json", "writer.lock")
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in names
    )


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_a_file_that_a_power_cut_cut_short_costs_the_volumes_in_it_only(
    folder, tmp_path, undisturbed, share
):
    interrupted(folder, PER_CHUNK + 1)
    files = files_of(folder)
    assert len(files) > 40
    for number, name in enumerate(files):
        copy = tmp_path / f"{number}.acll"
        shutil.copytree(folder, copy)
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[: int(share * len(content))])
        saved = SavedSession.open(copy)
        whole = np.flatnonzero(saved.status == VolumeStatus.TRACED)
        check_rows(saved, SavedSession.open(undisturbed), whole.tolist())
        shutil.rmtree(copy) if number % 4 else check_goes_on(copy, undisturbed)


def check_goes_on(folder: Path, undisturbed: Path) -> None:
    go_on(folder)
    again = SavedSession.open(folder)
    assert again.n_timepoints == N_VOLUMES
    whole = np.flatnonzero(again.status == VolumeStatus.TRACED)
    check_rows(again, SavedSession.open(undisturbed), whole.tolist())
    assert set(again.status.tolist()) <= {VolumeStatus.TRACED, VolumeStatus.SKIPPED}


def test_a_label_map_that_never_reached_the_disk_takes_its_volume_back(folder, undisturbed):
    interrupted(folder, 3)
    (folder / "labels" / "c" / "2" / "0" / "0" / "0").write_bytes(b"")
    assert SavedSession.open(folder).n_timepoints == 2
    go_on(folder)
    check_complete(folder, undisturbed)


def test_pages_of_zeros_that_a_power_cut_left_are_no_events(folder):
    interrupted(folder, 1)
    with (folder / "events.jsonl").open("ab") as events:
        events.write(b'{"at": "2026-01-01"\n' + bytes(512) + b"\n" + bytes(100))
    assert [event["kind"] for event in SavedSession.open(folder).events()] == ["ready"]
    go_on(folder)
    assert [event["kind"] for event in SavedSession.open(folder).events()] == ["ready", "resumed"]


def test_a_kill_while_the_folder_is_made_leaves_no_session_and_does_not_block_the_next(
    folder, monkeypatch
):
    for n_writes in range(0, 40, 3):
        with monkeypatch.context() as patch:
            kill_at(n_writes, patch, share=0.5)
            try:
                writer = ZarrSessionWriter.create(folder, make_header())
            except Killed:
                assert not folder.exists()
            else:
                kill(writer)
                break
    assert SavedSession.open(folder).state == "interrupted"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_reading_an_interrupted_session_twice_gives_the_same(folder):
    interrupted(folder, 3)
    first = SavedSession.open(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = SavedSession.open(folder)
    assert {path: path.read_bytes() for path in before} == before
    np.testing.assert_array_equal(first.read("ratio"), again.read("ratio"))


def test_an_interrupted_session_that_may_only_be_read_is_read(folder, monkeypatch):
    interrupted(folder, 3)

    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr("napari_acll.export._saved_session.WriterLock", refuse)
    saved = SavedSession.open(folder)
    assert (saved.state, saved.n_timepoints) == ("interrupted", 3)


def test_two_programs_never_write_one_session(writer, folder):
    write_fake_volume(writer, 0)
    with pytest.raises(SessionError, match=r"being written by another program \(process \d+ on"):
        ZarrSessionWriter.resume(folder)
    write_fake_volume(writer, 1)
    assert SavedSession.open(folder).state == "running"
    assert SavedSession.open(folder).n_timepoints == 2


HOLDING = """
import sys
from tests.export.conftest import make_header
from napari_acll.export import ZarrSessionWriter
from napari_acll.testing import write_fake_volume
writer = ZarrSessionWriter.create(sys.argv[1], make_header())
write_fake_volume(writer, 0)
print("ready", flush=True)
sys.stdin.readline()
"""


def test_the_lock_of_a_process_that_was_killed_is_free(folder):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout.readline() == "ready\n"
        assert SavedSession.open(folder).state == "running"
        with pytest.raises(SessionError, match=f"process {process.pid} "):
            ZarrSessionWriter.resume(folder)
        process.kill()
        process.wait()
    assert SavedSession.open(folder).state == "interrupted"
    writer = ZarrSessionWriter.resume(folder)
    write_fake_volume(writer, 1)
    writer.close(state="finished")
    assert SavedSession.open(folder).n_timepoints == 2


def test_a_session_without_a_lock_file_that_says_it_runs_was_interrupted(folder):
    interrupted(folder, 1)
    (folder / "writer.lock").unlink()
    assert SavedSession.open(folder).state == "interrupted"


def test_a_file_system_without_locks_is_written_to_all_the_same(folder, monkeypatch, caplog):
    def unsupported(*_, **__):
        raise OSError("no locks available")

    for module in ("core._file_lock", "export._lock"):
        monkeypatch.setattr(f"napari_acll.{module}.lock_file", unsupported)
    writer = ZarrSessionWriter.create(folder, make_header())
    (folder / ".status.torn.partial").write_bytes(b"of a write that goes on just now")
    assert SavedSession.open(folder).state == "running"  # nobody knows: it is left alone
    assert (folder / ".status.torn.partial").exists()
    writer.close(state="finished")
    assert "knows no locks" in caplog.text


def test_a_session_of_another_computer_is_not_put_in_order_by_a_reader(folder):
    interrupted(folder, 2)
    owner = json.dumps({"process": 1, "computer": "the rig"})
    (folder / "writer.lock").write_text(owner)
    (folder / ".status.torn.partial").write_bytes(b"")
    assert SavedSession.open(folder).state == "interrupted"
    assert (folder / ".status.torn.partial").exists()
    go_on(folder)
    assert not (folder / ".status.torn.partial").exists()


def test_a_resumed_session_keeps_its_header(folder):
    interrupted(folder, 1)
    before = json.loads((folder / "session.json").read_text())
    go_on(folder)
    after = json.loads((folder / "session.json").read_text())
    assert after["ended_at"] is not None
    for key in before.keys() - {"state", "ended_at"}:
        assert after[key] == before[key], key


def test_a_session_with_another_state_is_what_it_was_before(folder):
    interrupted(folder, 1)
    writer = ZarrSessionWriter.resume(folder)
    assert writer.ended_as == "interrupted"
    writer.close(state="failed")
    writer = ZarrSessionWriter.resume(folder)
    assert writer.ended_as == "failed"
    writer.close(state="finished")


def test_what_waits_for_the_disk_gives_the_same_session(tmp_path, undisturbed):
    folder = tmp_path / "synced.acll"
    writer = ZarrSessionWriter.create(folder, make_header(waits_for_disk=True))
    for index in range(N_VOLUMES):
        write_fake_volume(writer, index)
    writer.close(state="finished")
    check_rows(SavedSession.open(folder), SavedSession.open(undisturbed), range(N_VOLUMES))


LATER = ("ratio_sd", "flags", "activity_background", "marker_background", "light_factor")


@pytest.mark.parametrize("n_before", [2, PER_CHUNK + 1], ids=["in a chunk", "beyond a chunk"])
def test_a_session_of_an_earlier_version_is_read_and_gone_on_with(folder, undisturbed, n_before):
    interrupted(folder, n_before)
    for name in (*LATER, "novelty"):
        shutil.rmtree(folder / name)
    header = json.loads((folder / "session.json").read_text())
    del header["settings"]["trace"]["estimator"], header["settings"]["trace"]["corrects_light"]
    (folder / "session.json").write_text(json.dumps(header))
    saved = SavedSession.open(folder)
    assert saved.n_timepoints == n_before
    assert saved.settings.trace.estimator == "ratio"
    assert np.isnan(saved.read("ratio_sd")).all()
    assert not saved.read("flags").any()
    assert (saved.read("light_factor") == 1).all()
    go_on(folder)
    check_complete(folder, undisturbed)
    saved = SavedSession.open(folder)
    assert np.isnan(saved.read("ratio_sd")[:n_before]).all()
    np.testing.assert_allclose(
        saved.read("light_factor"), [1.0] * n_before + [0.9] * (6 - n_before)
    )
    assert (saved.read("flags")[n_before:, 1] == 5).all()
    for name in LATER:  # a kill before the first new row must not take back the old ones
        assert len(saved.read(name)) == N_VOLUMES


def test_an_old_session_that_may_only_be_read_has_the_columns_too(folder):
    interrupted(folder, 2)
    ZarrSessionWriter.resume(folder).close(state="finished")
    for name in LATER:
        shutil.rmtree(folder / name)
    saved = SavedSession.open(folder)
    assert saved.read("ratio_sd").shape == saved.read("ratio").shape
    assert saved.read("marker_background").shape == (2,)
    assert not (folder / "flags").exists()
