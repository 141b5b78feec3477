import csv
import errno
import json
import threading
import time

import numpy as np
import pytest
from scipy import ndimage

from napari_acll.core import (
    N_CANDIDATES,
    AcllError,
    AcllSettings,
    AlignmentError,
    AlignmentOrigin,
    AlignmentSettings,
    ChannelAlignment,
    Detections,
    DropPolicy,
    IdentitySettings,
    LabeledVolume,
    ModelError,
    NeuronTable,
    PluginError,
    RecordingError,
    RunSettings,
    SessionError,
    SettingsError,
)
from napari_acll.export import SavedSession, _columns, export_csv
from napari_acll.preprocess import load_alignment, remember_alignment, rig_name, save_alignment
from napari_acll.session import _build, build_session
from napari_acll.testing import FakeLabeler, FakeSource

RECORDING = "simulated:geometry=small,volumes=6,seed=3"
PATIENCE_S = 60.0


class SizeLabeler:
    """Names the bright things by rank of size: foolish, but fast and deterministic."""

    neurons = NeuronTable.numbered(20)

    def describe(self):
        return {"name": "size", "kind": "test", "device": "cpu"}

    def warm_up(self, spec, batch_size):
        pass

    def label(self, volumes):
        return [self._label(volume) for volume in volumes]

    def _label(self, volume):
        bright = volume.marker > volume.marker_background + 0.3 * np.ptp(volume.marker)
        found, n = ndimage.label(bright)
        sizes = np.bincount(found.ravel(), minlength=n + 1)[1:]
        keep = np.argsort(-sizes, kind="stable")[: len(self.neurons)]
        number = np.zeros(n + 1, np.uint16)
        number[keep + 1] = np.arange(1, len(keep) + 1)
        instances = number[found]
        rows = np.arange(1, len(keep) + 1, dtype=np.int32)
        centers = ndimage.center_of_mass(bright, instances, rows)
        detections = Detections(
            centroid_px=np.array(centers, np.float32).reshape(-1, 3),
            n_voxels=sizes[keep].astype(np.int32),
            neuron=rows,
            probability=np.full(len(keep), 0.5, np.float32),
            candidate_neuron=np.full((len(keep), N_CANDIDATES), -1, np.int32),
            candidate_probability=np.full((len(keep), N_CANDIDATES), np.nan, np.float32),
        )
        return LabeledVolume(
            index=volume.index, spec=volume.spec, instances=instances, detections=detections
        )


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def labeler(monkeypatch):
    labeler = SizeLabeler()
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: labeler)
    return labeler


def run(recording, out, **settings):
    session = build_session(recording, settings=AcllSettings(**settings), out=out)
    session.start()
    assert session.join(PATIENCE_S)
    return session


def test_a_replay_gives_the_same_session_twice(tmp_path):
    for name in ("a", "b"):
        run(RECORDING, tmp_path / f"{name}.acll")
        export_csv(SavedSession.open(tmp_path / f"{name}.acll"), tmp_path / f"{name}.csv")
    a, b = (SavedSession.open(tmp_path / f"{name}.acll") for name in "ab")
    assert np.isfinite(a.read("ratio")).sum() > 20
    for name in ("ratio", "activity_sum", "marker_sum", "centroid_px", "n_voxels", "time_s"):
        np.testing.assert_array_equal(a.read(name), b.read(name))
    for index in range(a.n_timepoints):
        np.testing.assert_array_equal(a.labels(index), b.labels(index))
        np.testing.assert_array_equal(a.detections(index).neuron, b.detections(index).neuron)
    assert a.alignment == b.alignment
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_the_session_says_with_what_it_was_made(tmp_path):
    session = run(RECORDING, tmp_path / "worm.acll", animal={"animal": "worm 7"})
    header = json.loads((tmp_path / "worm.acll" / "session.json").read_text())
    assert header["state"] == "finished"
    assert header["source"]["kind"]
    assert header["model"]["name"] == "size"
    assert header["neurons"] == list(SizeLabeler.neurons.names)
    assert header["rig"] == rig_name(session.source.spec)
    assert header["animal"]["animal"] == "worm 7"
    assert header["spec"]["grid"]["shape"] == list(session.spec.shape)
    assert header["settings"]["alignment"]["n_volumes"] == 5


def test_the_alignment_of_a_session_can_be_given_to_the_next_one(tmp_path):
    shift = ChannelAlignment(dx_um=1.0, is_trusted=True, origin=AlignmentOrigin.CALIBRATED)
    save_alignment(shift, tmp_path / "shift.json")
    first = run(
        RECORDING,
        tmp_path / "a.acll",
        alignment=AlignmentSettings(file=str(tmp_path / "shift.json")),
    )
    assert first.alignment is not None
    assert (first.alignment.dx_um, first.alignment.origin) == (1.0, AlignmentOrigin.LOADED)
    assert load_alignment(tmp_path / "a.acll" / "alignment.json").dx_um == 1.0


def test_without_calibration_the_last_alignment_of_the_rig_is_applied(tmp_path):
    spec = build_session(RECORDING, settings=AcllSettings(), out=None).source.spec
    shift = ChannelAlignment(dy_um=2.0, is_trusted=True, origin=AlignmentOrigin.CALIBRATED)
    remember_alignment(shift, rig_name(spec))
    session = run(RECORDING, tmp_path / "a.acll", alignment=AlignmentSettings(n_volumes=0))
    assert session.alignment is not None
    assert session.alignment.dy_um == 2.0
    assert session.alignment.origin is AlignmentOrigin.LAST_OF_RIG
    assert not session.alignment.is_trusted


def test_a_recording_too_short_to_calibrate_is_flagged(tmp_path):
    session = run("simulated:geometry=small,volumes=2,seed=3", tmp_path / "a.acll")
    assert session.alignment is not None
    assert not session.alignment.is_trusted
    export_csv(SavedSession.open(tmp_path / "a.acll"), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["alignment"], row["alignment_is_trusted"]) == ("identity", "false")


def test_the_model_is_loaded_while_a_live_recording_has_not_begun(monkeypatch, labeler):
    loaded = threading.Event()

    class Later(FakeSource):
        @property
        def spec(self):
            assert loaded.is_set()
            return self._spec

        @spec.setter
        def spec(self, spec):
            self._spec = spec

    def load(_):
        loaded.set()
        return labeler

    monkeypatch.setattr("napari_acll.label.load_labeler", load)
    source = Later([0], is_live=True)
    build_session(source, settings=AcllSettings(), out=None)
    source.close()


@pytest.mark.parametrize("is_live", [False, True])
def test_the_drop_policy_follows_the_source_unless_it_was_chosen(is_live):
    def policy(**run):
        source = FakeSource([0], is_live=is_live)
        session = build_session(source, settings=AcllSettings(run=RunSettings(**run)), out=None)
        return session.settings.run.drop_policy

    assert policy() is (DropPolicy.DROP_OLDEST if is_live else DropPolicy.BLOCK)
    assert policy(drop_policy="block") is DropPolicy.BLOCK
    assert policy(drop_policy="drop_oldest") is DropPolicy.DROP_OLDEST


def test_a_paced_replay_takes_as_long_as_the_recording():
    settings = AcllSettings(run=RunSettings(pace="recorded"), alignment={"n_volumes": 0})
    session = build_session(FakeSource(range(3)), settings=settings, out=None)
    began_s = time.monotonic()
    session.start()
    assert session.join(PATIENCE_S)
    assert session.counters.n_traced == 3
    assert time.monotonic() - began_s >= 1.0  # two periods of half a second lie in between


def test_an_identity_filter_is_found_by_its_name(monkeypatch):
    seen = []

    class Counter:
        @classmethod
        def from_settings(cls, settings, neurons):
            seen.append((settings.filter, len(neurons)))
            return cls()

        def update(self, labeled):
            seen.append(labeled.index)
            return labeled

    offered = {("identity_filters", "counter"): Counter}
    own = _build.load_stage
    monkeypatch.setattr(
        _build, "load_stage", lambda group, name: offered.get((group, name)) or own(group, name)
    )
    run(RECORDING, None, identity=IdentitySettings(filter="counter"))
    assert seen == [("counter", 20), 0, 1, 2, 3, 4, 5]


def test_an_identity_filter_that_is_not_installed_is_told(tmp_path):
    with pytest.raises(PluginError, match="nobody"):
        run(RECORDING, tmp_path / "s.acll", identity=IdentitySettings(filter="nobody"))
    assert not (tmp_path / "s.acll").exists()


def test_nothing_is_written_without_a_folder(tmp_path):
    run(RECORDING, None)
    assert {path.name for path in tmp_path.iterdir()} <= {"data"}


@pytest.mark.parametrize(
    ("error", "settings"),
    [
        (SettingsError, {"preprocess": {"crop": {"z_start_px": 500}}}),
        (AlignmentError, {"alignment": {"file": "nothing.json"}}),
    ],
)
def test_what_cannot_be_built_leaves_no_folder_and_closes_the_source(tmp_path, error, settings):
    source = FakeSource(range(3))
    with pytest.raises(error):
        build_session(source, settings=AcllSettings(**settings), out=tmp_path / "a.acll")
    assert source.closed.is_set()
    assert not (tmp_path / "a.acll").exists()


def test_a_model_that_cannot_be_loaded_leaves_no_folder(tmp_path, monkeypatch):
    def broken(_):
        raise ModelError("The checkpoint is cut short.")

    monkeypatch.setattr("napari_acll.label.load_labeler", broken)
    with pytest.raises(ModelError):
        build_session(RECORDING, settings=AcllSettings(), out=tmp_path / "a.acll")
    assert not (tmp_path / "a.acll").exists()


def test_a_session_folder_that_exists_is_refused_before_anything_is_opened(tmp_path):
    (tmp_path / "a.acll").mkdir()
    with pytest.raises(SessionError, match="exists already"):
        build_session("no such recording", settings=AcllSettings(), out=tmp_path / "a.acll")


def test_a_place_that_is_no_folder_is_refused_before_anything_is_opened(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="file is not a folder"):
        build_session("none", settings=AcllSettings(), out=tmp_path / "file" / "x" / "a.acll")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    source = FakeSource(range(2))
    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(SessionError, match=r"cannot be created \(Permission denied\)"):
        build_session(source, settings=AcllSettings(), out=tmp_path / "a.acll")
    assert source.closed.is_set()


def test_a_recording_that_cannot_be_opened_is_an_error(tmp_path):
    with pytest.raises(RecordingError):
        build_session(str(tmp_path / "no.nd2"), settings=AcllSettings(), out=None)


def test_a_failed_session_is_saved_up_to_its_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: FakeLabeler(fails_at=3))
    session = build_session(
        FakeSource(range(6)),
        settings=AcllSettings(alignment={"n_volumes": 0}),
        out=tmp_path / "a.acll",
    )
    announced = []
    session.sample_ready.connect(lambda sample: announced.append(sample.index))
    session.start()
    with pytest.raises(AcllError):
        session.join(PATIENCE_S)
    saved = SavedSession.open(tmp_path / "a.acll")
    assert saved.state == "failed"
    assert announced == [0, 1, 2]
    assert saved.status.tolist()[:4] == [1, 1, 1, 2]
    assert any(event["kind"] == "failed" for event in saved.events())
    export_csv(saved, tmp_path / "a.csv")


def test_a_disk_that_fills_keeps_every_announced_sample(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: FakeLabeler())
    settings = AcllSettings(alignment={"n_volumes": 0})
    session = build_session(FakeSource(range(50)), settings=settings, out=tmp_path / "a.acll")
    announced: list[int] = []

    def fill_after_five(*arguments, **options):
        if len(announced) >= 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*arguments, **options)

    original = _columns.overwrite_bytes
    monkeypatch.setattr(_columns, "overwrite_bytes", fill_after_five)
    session.sample_ready.connect(lambda sample: announced.append(sample.index))
    session.start()
    with pytest.raises(SessionError, match="everything up to volume 4 is safe"):
        session.join(PATIENCE_S)
    saved = SavedSession.open(tmp_path / "a.acll")
    assert announced == [0, 1, 2, 3, 4]
    assert saved.n_timepoints == 5
    assert saved.settings.source == AcllSettings().source
