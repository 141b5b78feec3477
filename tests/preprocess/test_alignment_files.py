import json

import pytest

from napari_acll.core import (
    AlignmentError,
    AlignmentOrigin,
    ChannelAlignment,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.preprocess import (
    applied_alignment_path,
    last_alignment,
    load_alignment,
    remember_alignment,
    rig_name,
    save_alignment,
    settle_alignment,
)

TRUSTED = ChannelAlignment(
    dy_um=1.25,
    dx_um=-3.5,
    theta_deg=0.75,
    score=0.5,
    spread_um=0.04,
    n_volumes=5,
    origin=AlignmentOrigin.CALIBRATED,
    is_trusted=True,
)
UNTRUSTED = ChannelAlignment.identity("Only 2 of 2 volumes could be used.")
STORED = VoxelGrid.as_stored((80, 636, 966), (0.54, 0.18, 0.18))
BINNED = VoxelGrid(
    shape=(64, 120, 284),
    voxel_size_um=(0.54, 0.54, 0.54),
    stored_shape=STORED.shape,
    start_px=(8, 100, 50),
    bin_px=(1, 3, 3),
)


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    folder = tmp_path / "user data"
    monkeypatch.setenv("ACLL_DATA_DIR", str(folder))
    return folder


def test_a_saved_alignment_comes_back_as_a_loaded_one(tmp_path):
    path = tmp_path / "new folder" / "alignment.json"
    save_alignment(TRUSTED, path)
    loaded = load_alignment(path)
    assert loaded.origin is AlignmentOrigin.LOADED
    assert loaded.is_trusted
    assert "alignment.json" in loaded.note
    kept = {"origin", "note"}
    assert loaded.model_dump(exclude=kept) == TRUSTED.model_dump(exclude=kept)


def test_the_file_states_formula_and_units(tmp_path):
    path = tmp_path / "alignment.json"
    save_alignment(TRUSTED, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert "q = R p + (dy_um, dx_um)" in content["formula"]
    assert "center of the full camera frame" in content["units"]
    assert content["alignment"]["dx_um"] == -3.5


def test_saving_twice_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "alignment.json"
    save_alignment(TRUSTED, path)
    save_alignment(TRUSTED.model_copy(update={"dy_um": 9.0}), path)
    assert load_alignment(path).dy_um == 9.0
    assert [file.name for file in tmp_path.iterdir()] == ["alignment.json"]


def test_a_folder_in_the_way_of_the_file_is_one_sentence(tmp_path):
    path = tmp_path / "alignment.json"
    path.mkdir()
    with pytest.raises(AlignmentError, match=r"cannot be written to .*alignment\.json"):
        save_alignment(TRUSTED, path)
    assert [file.name for file in tmp_path.iterdir()] == ["alignment.json"]


def test_a_file_in_the_way_of_the_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AlignmentError, match="choose a folder"):
        save_alignment(TRUSTED, tmp_path / "file" / "alignment.json")


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(AlignmentError, match=r"does not exist; make one with `acll calibrate`"):
        load_alignment(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON or is damaged"),
        (b"\xff\xfe\x00\x01", "not JSON or is damaged"),
        (b"[" * 100_000, "not JSON or is damaged"),
        (b"{}", "is not an alignment file"),
        (b"[1, 2]", "is not an alignment file"),
        (b" " * 1_000_001, "is not an alignment file"),
    ],
    ids=["empty", "binary", "deep", "foreign", "a list", "huge"],
)
def test_damaged_and_foreign_files_are_one_sentence(tmp_path, content, message):
    path = tmp_path / "alignment.json"
    path.write_bytes(content)
    with pytest.raises(AlignmentError, match=message) as caught:
        load_alignment(path)
    assert "\n" not in str(caught.value)


def changed_file(path, change):
    save_alignment(TRUSTED, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version=2), "is of version 2"),
        (lambda c: c.pop("alignment"), "is damaged"),
        (lambda c: c["alignment"].update(dy_um="far"), "dy_um"),
        (lambda c: c["alignment"].update(dz_um=1.0), "dz_um"),
    ],
    ids=["later version", "no alignment", "no number", "unknown key"],
)
def test_a_malformed_alignment_names_what_is_wrong(tmp_path, change, message):
    path = tmp_path / "alignment.json"
    changed_file(path, change)
    with pytest.raises(AlignmentError, match=message):
        load_alignment(path)


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "alignment.json"
    changed_file(path, lambda content: content["alignment"].update(dy_um=float("nan")))
    with pytest.raises(AlignmentError, match="dy_um"):
        load_alignment(path)


def test_a_rig_is_the_same_for_every_crop_and_binning():
    stored = VolumeSpec(grid=STORED, period_s=0.6, marker_name="TagRFP", activity_name="GCaMP")
    assert rig_name(stored) == rig_name(stored.with_grid(BINNED))
    assert rig_name(stored) == "GCaMP+TagRFP 966x636 px of 0.180 um"


def test_the_last_trusted_alignment_of_a_rig_is_remembered():
    assert last_alignment("rig A") is None
    assert remember_alignment(TRUSTED, "rig A")
    assert last_alignment("rig A") == TRUSTED
    assert last_alignment("rig B") is None


def test_rigs_whose_names_look_alike_are_kept_apart():
    remember_alignment(TRUSTED, "rig/1")
    assert last_alignment("rig-1") is None


@pytest.mark.parametrize(
    "alignment",
    [
        UNTRUSTED,
        TRUSTED.model_copy(update={"is_trusted": False}),
        TRUSTED.model_copy(update={"origin": AlignmentOrigin.LOADED}),
        TRUSTED.model_copy(update={"origin": AlignmentOrigin.LAST_OF_RIG}),
    ],
)
def test_only_trusted_calibrations_are_remembered(alignment):
    remember_alignment(TRUSTED, "rig A")
    assert not remember_alignment(alignment.model_copy(update={"dy_um": 7.0}), "rig A")
    assert last_alignment("rig A") == TRUSTED


def test_a_rig_memory_that_cannot_be_written_does_not_end_a_recording(data_dir, caplog):
    data_dir.write_text("a file where the folder should be")
    assert not remember_alignment(TRUSTED, "rig A")
    assert "not remembered" in caplog.text


def test_a_damaged_rig_memory_is_as_good_as_none(data_dir, caplog):
    remember_alignment(TRUSTED, "rig A")
    (file,) = (data_dir / "alignments").iterdir()
    file.write_text("{")
    assert last_alignment("rig A") is None
    assert "not used" in caplog.text


def test_a_trusted_calibration_is_applied_as_it_is():
    assert settle_alignment(TRUSTED, rig="rig A") is TRUSTED


def test_an_untrusted_calibration_falls_back_on_the_last_of_the_rig():
    remember_alignment(TRUSTED, "rig A")
    settled = settle_alignment(UNTRUSTED, rig="rig A")
    assert settled.origin is AlignmentOrigin.LAST_OF_RIG
    assert not settled.is_trusted
    assert (settled.dy_um, settled.theta_deg) == (TRUSTED.dy_um, TRUSTED.theta_deg)
    assert settled.note.startswith(UNTRUSTED.note)
    assert "last trusted alignment of this rig" in settled.note


def test_without_an_earlier_one_the_channels_are_taken_as_they_lie():
    guess = TRUSTED.model_copy(update={"is_trusted": False, "note": "The volumes disagree."})
    settled = settle_alignment(guess, rig="rig A")
    assert settled.origin is AlignmentOrigin.IDENTITY
    assert (settled.dy_um, settled.dx_um, settled.theta_deg) == (0.0, 0.0, 0.0)
    assert settled.note.startswith("The volumes disagree.")


def test_an_applied_alignment_is_kept_apart_from_the_last_of_the_rig():
    remember_alignment(TRUSTED, "a rig")
    moved = ChannelAlignment(dy_um=9.0, origin=AlignmentOrigin.MANUAL)
    save_alignment(moved, applied_alignment_path("a rig"))
    assert last_alignment("a rig").dy_um == TRUSTED.dy_um
    assert load_alignment(applied_alignment_path("a rig")).dy_um == 9.0
    assert applied_alignment_path("a rig") != applied_alignment_path("another rig")


def test_an_alignment_that_was_moved_by_hand_is_not_remembered_as_the_last_of_the_rig():
    assert not remember_alignment(
        ChannelAlignment(origin=AlignmentOrigin.MANUAL, is_trusted=True), "a rig"
    )
    assert last_alignment("a rig") is None
