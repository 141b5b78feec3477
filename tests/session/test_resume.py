"""Going on with a session that was interrupted, with every kind of source."""

import json
import shutil
import threading

import numpy as np
import pytest
from tests.session.test_build import SizeLabeler

from napari_acll.core import (
    AcllSettings,
    Backend,
    Backfill,
    Correction,
    CorrectionKind,
    RecordingError,
    SessionError,
    SourceSettings,
    VolumeStatus,
)
from napari_acll.export import SavedSession
from napari_acll.session import _volume_queue, build_session, resume_session
from napari_acll.simulate import SimulatedSource, write_array, write_nd2, write_nd2_folder
from napari_acll.sources._nd2_tail import Nd2Tail

N_VOLUMES = 9
RECORDING = f"simulated:geometry=small,volumes={N_VOLUMES},seed=3"
PATIENCE_S = 60.0
EACH_BY_ITSELF = {"filter": "none"}
"""Names of volumes that are labeled late are then those that they would have had in time."""
VALUES = ("ratio", "activity_sum", "marker_sum", "confidence", "centroid_px", "n_voxels")


class CountingLabeler(SizeLabeler):
    """Says which volumes it labeled; may play a kill, which ends the session's saving there."""

    def __init__(self):
        self.labeled = []

    def label(self, volumes):
        self.labeled += [volume.index for volume in volumes]
        return super().label(volumes)


@pytest.fixture(autouse=True)
def labeler(monkeypatch):
    labeler = CountingLabeler()
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: labeler)
    return labeler


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Return the same recording as a file, a folder and an array."""
    folder = tmp_path_factory.mktemp("recordings")
    source = SimulatedSource.from_recording(RECORDING, SourceSettings())
    write_nd2(source, folder / "worm.nd2", N_VOLUMES)
    write_nd2_folder(source, folder / "worm", N_VOLUMES)
    write_array(source, folder / "worm.npy", N_VOLUMES)
    return folder


def settings_for(kind, identity=None, *, trace=None, **run):
    live = {"is_live": True, "takes_existing": True, "idle_timeout_s": 1.0}
    source = {"live": live} if kind.startswith("growing") else {}
    if kind == "array":
        source = {"axes": "TCZYX", "period_s": 0.6, "voxel_size_um": (1.62, 1.62, 1.62)}
    return AcllSettings(
        source=source,
        alignment={"n_volumes": 3},
        # each of its values rests on one volume, so that all can be the same as before
        trace=trace or {"estimator": "ratio"},
        run={"drop_policy": "block", **run},
        identity=identity or {},
    )


def path_of(kind, recordings):
    names = {"nd2": "worm.nd2", "folder": "worm", "array": "worm.npy"}
    if kind == "simulated":
        return RECORDING
    return str(recordings / names[kind.removeprefix("growing-")])


def run_to_end(session):
    session.start()
    assert session.join(PATIENCE_S)
    return session


def undisturbed(kind, recordings, out, **options):
    settings = settings_for(kind, **options)
    run_to_end(build_session(path_of(kind, recordings), settings=settings, out=out))
    return SavedSession.open(out)


def cut(folder, n_volumes):
    """Take back all after some volumes, as if the session had been killed there."""
    header = json.loads((folder / "session.json").read_text())
    header |= {"state": "running", "ended_at": None}
    (folder / "session.json").write_text(json.dumps(header))
    status = (folder / "status" / "c" / "0").read_bytes()
    (folder / "status" / "c" / "0").write_bytes(
        status[:n_volumes] + bytes(len(status) - n_volumes)
    )
    if n_volumes == 0:
        (folder / "alignment.json").unlink()


KINDS = ("simulated", "nd2", "folder", "array", "growing-nd2", "growing-folder")


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_where_it_stood_and_ends_like_an_undisturbed_one(
    kind, recordings, tmp_path, labeler
):
    expected = undisturbed(kind, recordings, tmp_path / "a.acll")
    shutil.copytree(tmp_path / "a.acll", tmp_path / "b.acll")
    cut(tmp_path / "b.acll", 4)
    labeler.labeled.clear()
    session = run_to_end(resume_session(tmp_path / "b.acll"))
    assert labeler.labeled == [4, 5, 6, 7, 8]  # nothing twice, and no calibration
    saved = SavedSession.open(tmp_path / "b.acll")
    assert saved.state == "finished"
    assert saved.status.tolist() == [VolumeStatus.TRACED] * N_VOLUMES
    for name in VALUES:
        np.testing.assert_array_equal(saved.read(name), expected.read(name), err_msg=name)
    np.testing.assert_allclose(saved.read("time_s"), expected.read("time_s"), atol=1e-6)
    assert saved.alignment == expected.alignment
    assert session.counters.n_traced == N_VOLUMES
    np.testing.assert_array_equal(session.store.ratio.T, expected.read("ratio"))
    assert any(event["kind"] == "resumed" for event in saved.events())


def test_the_trace_engine_begins_anew_with_values_for_all_neurons(tmp_path):
    settings = settings_for("simulated", trace={"estimator": "engine"})
    run_to_end(build_session(RECORDING, settings=settings, out=tmp_path / "a.acll"))
    shutil.copytree(tmp_path / "a.acll", tmp_path / "b.acll")
    cut(tmp_path / "b.acll", 4)
    run_to_end(resume_session(tmp_path / "b.acll"))
    a, b = (SavedSession.open(tmp_path / f"{name}.acll") for name in "ab")
    for name in ("activity_sum", "marker_sum", "activity", "marker"):
        np.testing.assert_array_equal(b.read(name), a.read(name), err_msg=name)
    before, after = a.read("ratio"), b.read("ratio")
    np.testing.assert_array_equal(after[:4], before[:4])
    np.testing.assert_array_equal(np.isfinite(after), np.isfinite(before))
    # the first volume after the interruption has the plain ratio
    np.testing.assert_allclose(after[4], b.read("activity")[4] / b.read("marker")[4], rtol=1e-5)
    assert np.isfinite(b.read("ratio_sd")[4:]).sum() == np.isfinite(after[4:]).sum()


def test_identities_go_on_with_what_the_model_and_a_person_said_before_the_interruption(
    recordings, tmp_path
):
    session = build_session(
        path_of("nd2", recordings), settings=settings_for("nd2"), out=tmp_path / "a.acll"
    )
    one, other = session.neurons.names[:2]
    session.correct(Correction(kind=CorrectionKind.SWAP, name=one, new_name=other))
    run_to_end(session)
    shutil.copytree(tmp_path / "a.acll", tmp_path / "b.acll")
    cut(tmp_path / "b.acll", 5)
    run_to_end(resume_session(tmp_path / "b.acll"))
    whole, resumed = (SavedSession.open(tmp_path / f"{name}.acll") for name in "ab")
    for name in VALUES:
        np.testing.assert_array_equal(resumed.read(name), whole.read(name), err_msg=name)
    said, given = whole.said(8), whole.detections(8)
    assert not np.array_equal(said.neuron, given.neuron)
    assert {1, 2} <= set(said.neuron.tolist())


def test_a_session_of_a_version_that_kept_less_goes_on(recordings, tmp_path):
    undisturbed("nd2", recordings, tmp_path / "a.acll")
    for folder in (tmp_path / "a.acll" / "detections").glob("model_*"):
        shutil.rmtree(folder)
    cut(tmp_path / "a.acll", 5)
    run_to_end(resume_session(tmp_path / "a.acll"))
    saved = SavedSession.open(tmp_path / "a.acll")
    assert saved.status.tolist() == [VolumeStatus.TRACED] * N_VOLUMES
    np.testing.assert_array_equal(saved.said(7).neuron, saved.detections(7).neuron)


def test_corrections_of_before_the_interruption_hold_on_and_can_still_be_undone(
    recordings, tmp_path
):
    settings = settings_for("nd2", identity=EACH_BY_ITSELF)
    plain = build_session(path_of("nd2", recordings), settings=settings, out=tmp_path / "p.acll")
    run_to_end(plain)
    expected = SavedSession.open(tmp_path / "p.acll")
    session = build_session(path_of("nd2", recordings), settings=settings, out=tmp_path / "a.acll")
    one, other = session.neurons.names[:2]
    swap = Correction(kind=CorrectionKind.SWAP, name=one, new_name=other)
    session.correct(swap)
    run_to_end(session)
    for n_done in (6, 4):
        cut(tmp_path / "a.acll", n_done)
        run_to_end(resume_session(tmp_path / "a.acll"))
    saved = SavedSession.open(tmp_path / "a.acll")
    swapped = expected.read("ratio")[:, [1, 0, *range(2, 20)]]
    np.testing.assert_array_equal(saved.read("ratio"), swapped)
    cut(tmp_path / "a.acll", 7)
    resumed = resume_session(tmp_path / "a.acll")
    assert [made.name for made in resumed.corrections.holding] == [one]
    resumed.undo_correction()
    run_to_end(resumed)
    saved = SavedSession.open(tmp_path / "a.acll")
    np.testing.assert_array_equal(saved.read("ratio")[:7], swapped[:7])
    np.testing.assert_array_equal(saved.read("ratio")[7:], expected.read("ratio")[7:])
    assert [(made.kind, made.from_index) for made in saved.corrections()] == [
        ("swap", 0),
        ("undo", 7),
    ]


@pytest.mark.parametrize("kind", ["simulated", "growing-nd2"])
def test_calibration_that_was_interrupted_starts_over(kind, recordings, tmp_path):
    expected = undisturbed(kind, recordings, tmp_path / "a.acll")
    shutil.copytree(tmp_path / "a.acll", tmp_path / "b.acll")
    cut(tmp_path / "b.acll", 0)
    assert SavedSession.open(tmp_path / "b.acll").alignment is None
    run_to_end(resume_session(tmp_path / "b.acll"))
    saved = SavedSession.open(tmp_path / "b.acll")
    assert saved.alignment == expected.alignment
    np.testing.assert_array_equal(saved.read("ratio"), expected.read("ratio"))


def test_a_session_may_be_interrupted_again_and_again(recordings, tmp_path):
    expected = undisturbed("nd2", recordings, tmp_path / "a.acll")
    shutil.copytree(tmp_path / "a.acll", tmp_path / "b.acll")
    for n_done in (1, 3, 8):
        cut(tmp_path / "b.acll", n_done)
        run_to_end(resume_session(tmp_path / "b.acll"))
    saved = SavedSession.open(tmp_path / "b.acll")
    np.testing.assert_array_equal(saved.read("ratio"), expected.read("ratio"))


def test_a_session_that_the_user_stopped_goes_on(tmp_path, labeler, monkeypatch):
    session = build_session(RECORDING, settings=settings_for("simulated"), out=tmp_path / "a.acll")
    is_stopped, original = threading.Event(), labeler.label

    def label(volumes):
        if volumes[0].index > 5:
            assert is_stopped.wait(PATIENCE_S)
        return original(volumes)

    def stop(sample):
        if sample.index == 3:
            session.stop()
            is_stopped.set()

    monkeypatch.setattr(labeler, "label", label)
    session.sample_ready.connect(stop)
    run_to_end(session)
    monkeypatch.setattr(labeler, "label", original)
    assert session.counters.n_traced < N_VOLUMES
    run_to_end(resume_session(tmp_path / "a.acll", backfill=Backfill.AT_END))
    saved = SavedSession.open(tmp_path / "a.acll")
    whole = {VolumeStatus.TRACED, VolumeStatus.BACKFILLED}
    assert saved.n_timepoints == N_VOLUMES
    assert set(saved.status.tolist()) <= whole


def test_a_finished_session_gets_its_skipped_volumes_and_keeps_all_else(
    recordings, tmp_path, labeler
):
    expected = undisturbed(
        "growing-folder", recordings, tmp_path / "a.acll", identity=EACH_BY_ITSELF
    )
    shutil.copytree(tmp_path / "a.acll", tmp_path / "b.acll")
    status = tmp_path / "b.acll" / "status" / "c" / "0"
    content = bytearray(status.read_bytes())
    content[5:7] = bytes([VolumeStatus.SKIPPED] * 2)
    status.write_bytes(content)
    before = SavedSession.open(tmp_path / "b.acll")
    assert np.isnan(before.read("ratio")[5:7]).all()  # whatever lies there was not decided
    assert not before.labels(5).any()
    labeler.labeled.clear()
    session = run_to_end(resume_session(tmp_path / "b.acll", backfill=Backfill.AT_END))
    assert labeler.labeled == [5, 6]
    saved = SavedSession.open(tmp_path / "b.acll")
    assert saved.status.tolist() == [1, 1, 1, 1, 1, 5, 5, 1, 1]
    np.testing.assert_array_equal(saved.read("ratio"), expected.read("ratio"))
    np.testing.assert_array_equal(saved.detections(5).neuron, expected.detections(5).neuron)
    assert (session.counters.n_skipped, session.counters.n_backfilled) == (2, 2)
    labeler.labeled.clear()
    run_to_end(resume_session(tmp_path / "b.acll", backfill=Backfill.AT_END))
    assert labeler.labeled == []


@pytest.mark.parametrize("kind", ["growing-nd2", "growing-folder"])
def test_a_live_recording_gives_what_was_skipped_once_more(
    kind, recordings, tmp_path, labeler, monkeypatch
):
    expected = undisturbed(kind, recordings, tmp_path / "a.acll", identity=EACH_BY_ITSELF)
    # else all may wait that come before the model is warm, however many these are
    monkeypatch.setattr(_volume_queue, "_MOST_AHEAD", 1)
    settings = settings_for(
        kind, drop_policy="drop_oldest", queue_capacity=1, identity=EACH_BY_ITSELF
    )
    session = build_session(path_of(kind, recordings), settings=settings, out=tmp_path / "b.acll")
    all_read = threading.Event()
    original = labeler.label

    def slow(volumes):  # the first volume takes as long as all others need to come
        if volumes[0].index == 0:
            assert all_read.wait(PATIENCE_S)
        return original(volumes)

    labeler.label = slow
    session.start()
    while session.counters.n_read < N_VOLUMES:
        all_read.wait(0.01)
    all_read.set()
    assert session.join(PATIENCE_S)
    saved = SavedSession.open(tmp_path / "b.acll")
    assert session.counters.n_skipped > 3
    assert session.counters.n_backfilled == session.counters.n_skipped
    assert saved.n_timepoints == N_VOLUMES
    for name in ("marker_sum", "centroid_px", "time_s"):
        np.testing.assert_array_equal(saved.read(name), expected.read(name), err_msg=name)


def test_files_that_were_deleted_behind_the_reader_do_not_shift_what_follows(recordings, tmp_path):
    expected = undisturbed(
        "growing-folder", recordings, tmp_path / "a.acll", identity=EACH_BY_ITSELF
    )
    folder = tmp_path / "worm"
    shutil.copytree(recordings / "worm", folder)
    settings = settings_for("growing-folder", identity=EACH_BY_ITSELF)
    run_to_end(build_session(str(folder), settings=settings, out=tmp_path / "b.acll"))
    cut(tmp_path / "b.acll", 4)
    for number in (1, 2, 3, 4, 6):  # volume 5 was deleted before it was read
        (folder / f"worm_t{number:04d}.nd2").unlink()
    run_to_end(resume_session(tmp_path / "b.acll"))
    saved = SavedSession.open(tmp_path / "b.acll")
    assert saved.status.tolist() == [1, 1, 1, 1, 1, 3, 1, 1, 1]
    came = saved.status == VolumeStatus.TRACED
    np.testing.assert_array_equal(saved.read("ratio")[came], expected.read("ratio")[came])
    np.testing.assert_allclose(
        saved.read("time_s")[came], expected.read("time_s")[came], atol=1e-3
    )


def test_a_live_recording_that_did_not_go_on_is_over(recordings, tmp_path):
    folder = tmp_path / "worm"
    shutil.copytree(recordings / "worm", folder)
    settings = settings_for("growing-folder")
    run_to_end(build_session(str(folder), settings=settings, out=tmp_path / "a.acll"))
    cut(tmp_path / "a.acll", N_VOLUMES)
    shutil.rmtree(folder)
    folder.mkdir()
    run_to_end(resume_session(tmp_path / "a.acll"))
    saved = SavedSession.open(tmp_path / "a.acll")
    assert saved.state == "finished"
    assert saved.n_timepoints == N_VOLUMES
    assert any("did not go on" in str(event["message"]) for event in saved.events())


def test_a_live_session_that_the_user_stopped_follows_on(recordings, tmp_path):
    settings = settings_for("growing-folder")
    path = path_of("growing-folder", recordings)
    session = build_session(path, settings=settings, out=tmp_path / "a.acll")
    session.sample_ready.connect(lambda sample: sample.index == 2 and session.stop())
    run_to_end(session)
    assert SavedSession.open(tmp_path / "a.acll").state == "finished"
    resumed = resume_session(tmp_path / "a.acll")
    assert resumed.settings.source.live.is_live
    run_to_end(resumed)
    again = resume_session(tmp_path / "a.acll")
    assert not again.settings.source.live.is_live  # now it is over
    again.stop()
    assert SavedSession.open(tmp_path / "a.acll").n_timepoints == N_VOLUMES


def test_a_file_of_another_animal_at_the_same_place_is_refused(recordings, tmp_path):
    undisturbed("nd2", recordings, tmp_path / "a.acll")
    cut(tmp_path / "a.acll", 4)
    file = tmp_path / "a.acll" / "session.json"
    header = json.loads(file.read_text())
    header["source"]["start_julian_day"] -= 0.5
    file.write_text(json.dumps(header))
    with pytest.raises(SessionError, match="began at another time"):
        resume_session(tmp_path / "a.acll")


def test_a_session_goes_on_with_the_backend_that_it_began_with(tmp_path, monkeypatch):
    class Rounding(SizeLabeler):
        def describe(self):
            return {**super().describe(), "backend": "torch-bf16", "why_backend": "It is faster."}

    asked = []
    monkeypatch.setattr(
        "napari_acll.label.load_labeler", lambda label: asked.append(label.backend) or Rounding()
    )
    run_to_end(build_session(RECORDING, settings=settings_for(""), out=tmp_path / "a.acll"))
    cut(tmp_path / "a.acll", 4)
    run_to_end(resume_session(tmp_path / "a.acll"))
    assert asked == [Backend.AUTO, Backend.TORCH_BF16]
    events = SavedSession.open(tmp_path / "a.acll").events()
    assert next(e["message"] for e in events if e["kind"] == "backend") == "It is faster."


def test_another_model_is_refused_and_the_session_stays_as_it_was(tmp_path, monkeypatch):
    run_to_end(build_session(RECORDING, settings=settings_for(""), out=tmp_path / "a.acll"))
    cut(tmp_path / "a.acll", 4)

    class Other(SizeLabeler):
        def describe(self):
            return {"name": "other", "kind": "test", "sha256": "f" * 64}

    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: Other())
    with pytest.raises(SessionError, match="put the old one back"):
        resume_session(tmp_path / "a.acll")
    assert SavedSession.open(tmp_path / "a.acll").state == "interrupted"
    assert SavedSession.open(tmp_path / "a.acll").n_timepoints == 4


def test_a_recording_that_is_gone_or_another_is_refused(recordings, tmp_path):
    shutil.copy(recordings / "worm.nd2", tmp_path / "worm.nd2")
    settings = settings_for("nd2")
    run_to_end(
        build_session(str(tmp_path / "worm.nd2"), settings=settings, out=tmp_path / "a.acll")
    )
    cut(tmp_path / "a.acll", 4)
    (tmp_path / "worm.nd2").unlink()
    with pytest.raises(RecordingError):
        resume_session(tmp_path / "a.acll")
    other = "simulated:geometry=binned,volumes=2,seed=3"
    write_nd2(SimulatedSource.from_recording(other, SourceSettings()), tmp_path / "worm.nd2", 1)
    with pytest.raises(SessionError, match="another recording"):
        resume_session(tmp_path / "a.acll")
    assert SavedSession.open(tmp_path / "a.acll").state == "interrupted"


def test_without_its_recording_a_damaged_session_keeps_all_that_is_whole(recordings, tmp_path):
    shutil.copy(recordings / "worm.nd2", tmp_path / "worm.nd2")
    folder = tmp_path / "a.acll"
    run_to_end(build_session(str(tmp_path / "worm.nd2"), settings=settings_for("nd2"), out=folder))
    whole = SavedSession.open(folder)
    chunk = next(file for file in (folder / "ratio" / "c").rglob("*") if file.is_file())
    chunk.write_bytes(b"no chunk")
    (tmp_path / "worm.nd2").unlink()
    with pytest.raises(RecordingError):
        resume_session(folder)
    kept = SavedSession.open(folder)
    assert (kept.state, kept.n_timepoints) == ("finished", N_VOLUMES)
    assert np.array_equal(kept.status, whole.status)
    assert np.array_equal(kept.read("confidence"), whole.read("confidence"), equal_nan=True)


def test_a_recording_of_a_program_cannot_be_opened_by_name(tmp_path):
    source = SimulatedSource.from_recording(RECORDING, SourceSettings())
    run_to_end(build_session(source, settings=settings_for(""), out=tmp_path / "a.acll"))
    cut(tmp_path / "a.acll", 4)
    with pytest.raises(SessionError, match="held in memory"):
        resume_session(tmp_path / "a.acll")


def test_two_sessions_never_go_on_with_one_folder(tmp_path):
    session = build_session(RECORDING, settings=settings_for(""), out=tmp_path / "a.acll")
    with pytest.raises(SessionError, match="being written by another program"):
        resume_session(tmp_path / "a.acll")
    run_to_end(session)


def test_paths_in_the_settings_are_found_from_another_folder(tmp_path, monkeypatch):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "names.txt").write_text("AVAL")
    monkeypatch.chdir(tmp_path / "lab")
    settings = settings_for("").model_copy(
        update={"label": AcllSettings(label={"names_file": "names.txt"}).label}
    )
    run_to_end(build_session(RECORDING, settings=settings, out=tmp_path / "a.acll"))
    cut(tmp_path / "a.acll", 8)
    monkeypatch.chdir(tmp_path)
    session = resume_session(tmp_path / "a.acll")
    assert session.settings.label.names_file == str(tmp_path / "lab" / "names.txt")
    assert session.settings.label.model == "default"
    run_to_end(session)


def test_of_what_was_taken_before_a_growing_file_is_read_for_its_times_only(
    recordings, tmp_path, monkeypatch
):
    undisturbed("growing-nd2", recordings, tmp_path / "a.acll")
    cut(tmp_path / "a.acll", 7)
    n_bytes = [0]
    original = Nd2Tail.read_into

    def count(tail, chunk, view):
        n_bytes[0] += len(view)
        original(tail, chunk, view)

    monkeypatch.setattr(Nd2Tail, "read_into", count)
    run_to_end(resume_session(tmp_path / "a.acll"))
    frame_bytes = 8 + 70 * 108 * 2 * 2
    assert n_bytes[0] < 2.5 * 24 * frame_bytes  # two volumes of nine
    assert SavedSession.open(tmp_path / "a.acll").n_timepoints == N_VOLUMES
