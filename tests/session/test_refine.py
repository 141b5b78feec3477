"""A second pass over sessions whose truth is known."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from tests.identity.test_evidence_filter import NEURONS, SPEC, Worm
from tests.session.saved_sessions import make_saved

from napari_acll.cli import run
from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    Correction,
    CorrectionKind,
    RecordingError,
    RunSettings,
    SessionError,
    StageTimings,
    TraceSample,
    VolumeStatus,
)
from napari_acll.export import (
    RevisionReason,
    SavedSession,
    SessionHeader,
    ZarrSessionWriter,
    read_revisions,
)
from napari_acll.session import refine_session, refined_path, resume_session
from napari_acll.testing import FakeLabeler

N_VOLUMES = 30
TIMINGS = StageTimings(read_s=1, preprocess_s=2, wait_s=3, label_s=4, trace_s=5, total_s=15)


def record(path, worm, *, n=N_VOLUMES, corrections=()):
    """Write a session in which the value of a neuron is its true number, whatever its name."""
    header = SessionHeader(
        neurons=NEURONS,
        stored_spec=SPEC,
        spec=SPEC,
        settings=AcllSettings(run=RunSettings(save_labels=False)),
        source={"kind": "fake", "path": "nowhere"},
    )
    writer, true = ZarrSessionWriter.create(path, header), []
    writer.write_alignment(ChannelAlignment.identity())
    writer.write_corrections(corrections)
    for index in range(n):
        if index == 5:
            writer.skip(index, VolumeStatus.SKIPPED)
            true.append(np.zeros(0, np.int64))
            continue
        labeled = worm.volume(index)
        true.append(worm.last_true)
        writer.write(sample_of(labeled, worm.last_true), labeled, TIMINGS)
    writer.write_event("clock", "It is late.", {"zero_at_s": 0.0})
    writer.close(state="finished")
    return true


def sample_of(labeled, true):
    sample = TraceSample.absent(
        labeled.index, 0.6 * labeled.index, len(NEURONS), VolumeStatus.TRACED
    )
    named = np.flatnonzero(labeled.detections.neuron > 0)
    into = labeled.detections.neuron[named] - 1
    for name in ("ratio", "activity", "marker", "activity_sum", "marker_sum"):
        getattr(sample, name)[into] = true[named]
    sample.n_voxels[into] = 30
    sample.confidence[into] = labeled.detections.probability[named]
    sample.centroid_px[into] = labeled.detections.centroid_px[named]
    return sample


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = tmp_path_factory.mktemp("sessions") / "worm.acll"
    true = record(path, Worm(right=0.7, seen=0.95))
    files = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    done = refine_session(path)
    assert files == {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    return path, true, done


def share_right(saved, true):
    found = [saved.detections(index) for index in range(saved.n_timepoints)]
    right = [
        (item.neuron == number).mean()
        for item, number in zip(found, true, strict=True)
        if len(item)
    ]
    return float(np.mean(right))


def test_names_of_the_whole_recording_are_right_from_its_first_volume_on(session):
    path, true, done = session
    before, after = SavedSession.open(path), SavedSession.open(done.path)
    assert share_right(before, true) < 0.75
    assert share_right(after, true) > 0.97
    assert (after.detections(0).neuron == true[0]).mean() > 0.97


def test_the_refined_session_opens_like_any_other(session, tmp_path):
    path, _, done = session
    assert done.path == refined_path(path) == path.with_name("worm-refined.acll")
    after = SavedSession.open(done.path)
    assert (after.state, after.n_timepoints) == ("finished", N_VOLUMES)
    assert after.status[5] == VolumeStatus.SKIPPED
    assert after.header["refined_from"] == str(path)
    assert after.alignment == SavedSession.open(path).alignment
    assert [event["kind"] for event in after.events()] == ["clock", "refined"]
    assert np.array_equal(after.read("timings_s")[0], [1, 2, 3, 4, 5, 15])
    assert run(["export", str(done.path), str(tmp_path / "out.csv")]) == 0


def test_values_go_with_the_nuclei_that_they_were_taken_from(session):
    _, _, done = session
    after = SavedSession.open(done.path)
    ratio, n_voxels = after.read("ratio"), after.read("n_voxels")
    number = np.broadcast_to(np.arange(1, len(NEURONS) + 1), ratio.shape)
    has_value = np.isfinite(ratio)
    assert (ratio[has_value] == number[has_value]).mean() > 0.97
    assert np.array_equal(has_value, n_voxels > 0)
    assert np.array_equal(np.isfinite(after.read("confidence")), has_value)
    named = sum((after.detections(index).neuron > 0).sum() for index in range(N_VOLUMES))
    assert done.n_names == named
    assert done.n_without_values == named - has_value.sum()


def test_every_name_that_changed_is_in_the_table_of_revisions(session):
    path, _, done = session
    before, after = SavedSession.open(path), SavedSession.open(done.path)
    names = ("", *NEURONS.names)
    changed = set()
    for index in range(N_VOLUMES):
        old, new = before.detections(index).neuron, after.detections(index).neuron
        changed |= {(index, names[a], names[b]) for a, b in zip(old, new, strict=True) if a != b}
    revisions = read_revisions(done.path)
    assert done.n_revisions == len(revisions)
    assert sum(item.n_volumes for item in revisions) == done.n_changed
    told = {
        (index, item.before, item.after)
        for item in revisions
        for index in range(item.first_index, item.last_index + 1)
    }
    assert changed <= told
    of_evidence = [
        item
        for item in revisions
        if item.why is RevisionReason.EVIDENCE and item.before and item.after
    ]
    assert np.mean([item.n_said_after > item.n_said_before for item in of_evidence]) > 0.9


def test_a_second_run_is_refused_and_an_interrupted_one_goes_on(session, tmp_path, capsys):
    path, true, _ = session
    began = []
    with pytest.raises(SessionError, match=r"is a second pass of .* already"):
        refine_session(path, tell=lambda doing, *_: began.append(doing))
    with pytest.raises(SessionError, match="exists already"):
        refine_session(path, path, tell=lambda doing, *_: began.append(doing))
    assert not began  # it is refused before the names are looked for
    out = tmp_path / "out.acll"

    def stop(doing, n_done, _n_all):
        if doing == "Taking values" and n_done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine_session(path, out, tell=stop)
    assert SavedSession.open(out).state == "failed"
    capsys.readouterr()
    assert run(["info", str(out)]) == 0
    assert f"acll refine {path} --out {out}" in capsys.readouterr().out
    with pytest.raises(SessionError, match="is a refined session"):
        resume_session(out)
    written = []
    refine_session(path, out, tell=lambda doing, n, _: written.append((doing, n)))
    assert next(n for doing, n in written if doing == "Taking values") == 13
    whole = SavedSession.open(out)
    assert (whole.state, whole.n_timepoints) == ("finished", N_VOLUMES)
    assert share_right(whole, true) > 0.97


@pytest.fixture
def recorded(tmp_path):
    """A session beside its recording, with too few nuclei to be followed: names stay."""
    return make_saved(tmp_path)


def same_values(one, other):
    return all(
        np.array_equal(one.read(name), other.read(name), equal_nan=True)
        for name in ("ratio", "activity_sum", "n_voxels", "confidence", "centroid_px", "time_s")
    )


def test_values_are_taken_from_the_recording_once_more(recorded):
    before = SavedSession.open(recorded)
    done = refine_session(recorded)
    after = SavedSession.open(done.path)
    assert "from the recording once more, by its saved label maps" in done.how
    assert done.n_unplaced == done.n_volumes == before.n_timepoints
    assert same_values(after, before)
    assert np.array_equal(after.labels(3), before.labels(3))
    assert after.detections(2).centroid_px == pytest.approx(before.detections(2).centroid_px)


def test_without_its_recording_a_session_keeps_its_values(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: FakeLabeler())
    shutil.rmtree(tmp_path / "worm.zarr")
    done = refine_session(recorded)
    assert "The saved values stand under the names" in done.how
    assert same_values(SavedSession.open(done.path), SavedSession.open(recorded))
    with pytest.raises(RecordingError):
        refine_session(recorded, tmp_path / "other.acll", relabels=True)


def test_the_model_makes_the_masks_once_more_if_it_is_the_same(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: FakeLabeler())
    done = refine_session(recorded, relabels=True)
    assert "the masks of its model" in done.how
    assert same_values(SavedSession.open(done.path), SavedSession.open(recorded))
    other = FakeLabeler()
    other.describe = lambda: {"name": "other", "sha256": "1" * 64}
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: other)
    with pytest.raises(SessionError, match="is there now"):
        refine_session(recorded, tmp_path / "again.acll", relabels=True)


def test_masks_cannot_be_made_without_the_recording(session, tmp_path, capsys):
    out = tmp_path / "out.acll"
    words = ["refine", str(session[0]), "--out", str(out), "--relabel", "--no-recording"]
    assert run(words) == 5
    assert "leave out one of the two" in capsys.readouterr().err
    assert not out.exists()


def test_the_command_says_what_was_done(session, tmp_path, capsys):
    path, _, done = session
    assert run(["refine", str(path), "--out", str(tmp_path / "out.acll"), "--no-recording"]) == 0
    shown = capsys.readouterr()
    assert f"{done.n_nuclei} nuclei were followed through {N_VOLUMES - 1} volumes" in shown.out
    assert "the recording was not to be used" in shown.out
    assert "Following the nuclei" in shown.err


def made(kind, name, new_name="", at=0):
    return Correction(kind=kind, name=name, new_name=new_name, from_index=at, at_s=1.0)


def test_what_a_person_corrected_holds_against_the_evidence_of_all_volumes(tmp_path):
    """The model exchanges two neurons, always; from volume 20 on a person swaps them back."""
    worm = Worm(right=1.0)
    swap = made(CorrectionKind.SWAP, "N10", "N11", at=20)
    exchanged = {11: 12, 12: 11}

    class Wrong(Worm):
        def volume(self, index, **kwargs):
            labeled = super().volume(index, **kwargs)
            if index >= 20:
                return labeled  # as it was corrected
            found = labeled.detections
            swapped = {
                name: np.vectorize(lambda n: exchanged.get(n, n))(getattr(found, name)).astype(
                    np.int32
                )
                for name in ("neuron", "candidate_neuron")
            }
            return replace(labeled, detections=replace(found, **swapped))

    worm = Wrong(right=1.0)
    true = record(tmp_path / "worm.acll", worm, n=25, corrections=[swap])
    done = refine_session(tmp_path / "worm.acll")
    after = SavedSession.open(done.path)
    first = after.detections(0)
    assert set(first.neuron[np.isin(true[0], (11, 12))]) == {11, 12}
    assert (first.neuron == true[0]).all()
    assert first.probability[first.neuron == 11] == pytest.approx(0.99)
    told = [item for item in read_revisions(done.path) if item.before in ("N10", "N11")]
    assert {(item.before, item.after) for item in told} == {("N10", "N11"), ("N11", "N10")}
    assert {item.why for item in told} == {RevisionReason.CORRECTION}
    assert after.corrections() == [swap]


def test_a_correction_that_was_undone_is_no_evidence_and_a_mute_stays(tmp_path):
    corrections = [
        made(CorrectionKind.SWAP, "N10", "N11", at=4),
        made(CorrectionKind.UNDO, "", at=4),
        made(CorrectionKind.MUTE, "N20", at=10),
    ]
    true = record(tmp_path / "worm.acll", Worm(right=0.9), n=20, corrections=corrections)
    done = refine_session(tmp_path / "worm.acll")
    after = SavedSession.open(done.path)
    for index in (0, 9, 15):
        found = after.detections(index)
        expected = true[index].copy()
        if index >= 10:
            expected[expected == 21] = 0
        assert np.mean(found.neuron == expected) > 0.97
        assert (21 in found.neuron) is (index < 10)
    muted = [item for item in read_revisions(done.path) if item.why is RevisionReason.MUTE]
    assert {item.before for item in muted} <= {"N20", "N19", "N21"}
