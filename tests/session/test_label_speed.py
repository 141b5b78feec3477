"""How long labeling takes is measured, remembered for what it holds for, and told."""

import json
from pathlib import Path

import pytest
from tests.session.test_session import make_session

from napari_acll.core import (
    AcllSettings,
    Backend,
    DeadlineReport,
    Durations,
    LabelSettings,
    Light,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.session import _label_speed as module
from napari_acll.session import check_speed, measure_label_speed, measured_label_speed, preflight
from napari_acll.session._label_speed import LabelSpeed, remember_session_speed
from napari_acll.testing import FakeLabeler, FakeSource

CPU = LabelSettings(device="cpu")
STORED = VolumeSpec(grid=VoxelGrid.as_stored((8, 30, 40), (1.0, 0.5, 0.5)), period_s=0.6)


def report(label_s, n=40):
    took = Durations(n=n, p50_s=label_s, p99_s=2 * label_s, max_s=2 * label_s)
    return DeadlineReport(deadline_s=0.6, n_judged=n, stages={"label": took})


class SlowLabeler(FakeLabeler):
    """Takes as long as a clock that it advances says."""

    def __init__(self, clock):
        super().__init__()
        self._clock = clock
        self.n_labeled = 0

    def label(self, volumes):
        self.n_labeled += len(volumes)
        self._clock.now_s += 0.25 * len(volumes)
        return []


class Clock:
    now_s = 0.0

    def perf_counter(self):
        return self.now_s


@pytest.fixture
def labeler(monkeypatch):
    clock = Clock()
    made = SlowLabeler(clock)
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: made)
    monkeypatch.setattr(module, "time", clock)
    return made


def test_a_trial_is_timed_and_found_again(labeler):
    assert measured_label_speed(CPU) is None
    steps = []
    speed = measure_label_speed(CPU, progress=lambda *step: steps.append(step))
    assert speed.label_s == pytest.approx(0.25)
    assert labeler.n_labeled == speed.n_volumes + 1  # the first is still slow
    assert measured_label_speed(CPU) == speed
    assert steps[0][0] == 0
    assert steps[-1][0] == steps[-1][1]
    assert [n for n, _ in steps] == sorted({n for n, _ in steps})


def test_what_is_canceled_is_not_remembered(labeler):
    def progress(n_done, n_all):
        if n_done == n_all:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_label_speed(CPU, progress=progress)
    assert labeler.n_labeled
    assert measured_label_speed(CPU) is None


def test_it_holds_for_one_model_and_one_way_of_computing(labeler):
    del labeler
    measure_label_speed(CPU)
    assert measured_label_speed(CPU.model_copy(update={"backend": Backend.TORCH})) is None
    assert measured_label_speed(CPU.model_copy(update={"model": "other"})) is None
    assert measured_label_speed(CPU.model_copy(update={"batch_size": 4})) is not None


def test_a_live_session_is_remembered_by_what_it_labeled():
    settings = AcllSettings(label=CPU)
    cropped = settings.model_validate({"label": {"device": "cpu"}, "preprocess": {"bin_px": 2}})
    remember_session_speed(settings, STORED, report(0.3), device="cpu")
    remember_session_speed(cropped, STORED, report(0.1), device="cpu")
    assert measured_label_speed(CPU, (8, 30, 40)).label_s == 0.3
    assert measured_label_speed(CPU, (8, 15, 20)).label_s == 0.1
    assert measured_label_speed(CPU, (1, 2, 3)).label_s == 0.1  # the newest of all others
    remember_session_speed(settings, STORED, report(0.4), device="cpu")
    assert measured_label_speed(CPU, (8, 30, 40)).label_s == 0.4
    assert not measured_label_speed(CPU).is_trial


class LeavesItsGpu(FakeLabeler):
    """Says that it is on a GPU, until memory runs out there: warming up, or at a volume."""

    def __init__(self, *, fails_at):
        super().__init__()
        self._fails_at, self._device = fails_at, "cuda:0"

    def describe(self):
        return {**super().describe(), "device": self._device}

    def warm_up(self, spec, batch_size):
        super().warm_up(spec, batch_size)
        self._look(-1)

    def label(self, volumes):
        self._look(volumes[-1].index)
        return super().label(volumes)

    def _look(self, index):
        if self._fails_at is not None and index >= self._fails_at:
            self._device = "cpu"


@pytest.mark.parametrize(("fails_at", "found_on"), [(None, "cuda:0"), (-1, "cpu"), (15, None)])
def test_the_speed_of_a_session_is_kept_for_the_device_that_did_the_work(
    fails_at, found_on, monkeypatch
):
    monkeypatch.setattr("napari_acll.label.used_device", lambda device: device)
    settings = AcllSettings.model_validate(
        {"label": {"device": "cuda:0"}, "run": {"drop_policy": "block"}}
    )
    source = FakeSource(range(40), is_live=True)
    session = make_session(source, labeler=LeavesItsGpu(fails_at=fails_at), settings=settings)
    session.start()
    assert source.exhausted.wait(20)
    source.close()
    assert session.join(20)
    found = {
        device: measured_label_speed(LabelSettings(device=device)) for device in ("cpu", "cuda:0")
    }
    assert [device for device, speed in found.items() if speed is not None] == (
        [found_on] if found_on else []
    )
    if found_on:
        assert found[found_on].device == found_on


def test_a_few_volumes_tell_nothing():
    remember_session_speed(AcllSettings(label=CPU), STORED, report(0.3, n=5), device="cpu")
    remember_session_speed(
        AcllSettings(label=CPU), STORED, DeadlineReport(deadline_s=0.6, stages={}), device="cpu"
    )
    assert measured_label_speed(CPU) is None


@pytest.mark.parametrize(("label_s", "light"), [(0.2, Light.GREEN), (0.55, Light.AMBER)])
def test_the_preflight_says_whether_it_keeps_up(label_s, light):
    assert check_speed(CPU, STORED) is None
    remember_session_speed(AcllSettings(label=CPU), STORED, report(label_s), device="cpu")
    check = check_speed(CPU, STORED)
    assert check.light is light
    assert f"{1000 * label_s:.0f} ms" in check.sentence
    assert "600 ms" in check.sentence
    assert ("faster device" in check.sentence) is (light is Light.AMBER)
    settings = AcllSettings(label=CPU)
    lines = preflight("simulated:volumes=5,geometry=small", settings=settings, out=None)
    names = [line.name for line in lines]
    assert names.index("Speed") == names.index("Device") + 1


def test_a_damaged_memory_is_as_none(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path))
    path = Path(tmp_path) / "label_speed.json"
    for text in ("{", "[1]", json.dumps([{"of": {}, "speed": {"label_s": 1}}])):
        path.write_text(text)
        assert measured_label_speed(CPU) is None
        assert "label_speed.json" in caplog.text
    remember_session_speed(AcllSettings(label=CPU), STORED, report(0.3), device="cpu")
    assert measured_label_speed(CPU) is not None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path / "file"))
    remember_session_speed(AcllSettings(label=CPU), STORED, report(0.3), device="cpu")
    assert "not remembered" in caplog.text


def test_a_file_that_another_program_has_open_leaves_nothing_beside_it(tmp_path, monkeypatch):
    def refuse(*_paths):
        raise PermissionError("in use")

    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(Path, "replace", refuse)
    remember_session_speed(AcllSettings(label=CPU), STORED, report(0.3), device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_the_bundled_model_is_measured_on_this_computer():
    speed = measure_label_speed(CPU)
    assert isinstance(speed, LabelSpeed)
    assert 0.005 < speed.label_s < 60
    assert speed.device == "cpu"
    assert measured_label_speed(LabelSettings(device="cpu")) == speed
