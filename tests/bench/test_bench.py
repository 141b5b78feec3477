"""One measurement of a small recording by the command, and the guard against getting slower."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from napari_acll.bench import bench
from napari_acll.bench._startup import start_up
from napari_acll.cli._main import run
from napari_acll.core import (
    AcllSettings,
    ModelError,
    RecordingError,
    SessionError,
    SettingsError,
    VolumeSpec,
    VoxelGrid,
)

N_VOLUMES = 5
LEAST_RATIO = 60.0
"""The steps of the original took 310 times as much computing when this was written; a guard with
so generous a bound goes off for a mistake, not for another machine."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("bench") / "report.json"
    words = ["bench", "simulated:geometry=binned,motion=still", "--json", str(path)]
    words += [
        "--n",
        str(N_VOLUMES),
        "--set",
        "label.backend=torch",
        "--set",
        "source.period_s=0.1",
    ]
    told = io.StringIO()
    with redirect_stdout(told):
        assert run(words) == 0
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return kept | {"told": told.getvalue()}


def test_every_stage_was_measured_for_every_volume(report: dict[str, Any]) -> None:
    stages = report["stages"]
    assert {"read", "crop, bin, background", "label", "trace", "save"} <= set(stages)
    assert {"label: network", "label: peaks and instances", "label: names"} <= set(stages)
    for times in stages.values():
        assert times["wall_ms"]["n"] == N_VOLUMES - 1  # the first warms up
        assert 0 <= times["cpu_ms"]["p50"] <= times["cpu_ms"]["max"]


def test_the_steps_of_labeling_add_up_to_it(report: dict[str, Any]) -> None:
    stages = report["stages"]
    parts = [
        times["cpu_ms"]["p50"] for name, times in stages.items() if name.startswith("label: ")
    ]
    assert sum(parts) == pytest.approx(stages["label"]["cpu_ms"]["p50"], rel=0.25)


def test_a_whole_session_ran_and_every_volume_was_traced(report: dict[str, Any]) -> None:
    assert report["n_traced"] == N_VOLUMES
    took = report["end_to_end_ms"]
    assert 0 < took["p50"] <= took["p95"] <= took["p99"] <= took["max"]
    assert took["p50"] > report["stages"]["label: network"]["wall_ms"]["p50"] / 5
    assert report["deadline_ms"] == pytest.approx(100.0)
    assert report["memory_mb"] > 50


def test_a_fresh_process_was_ready(report: dict[str, Any]) -> None:
    start = report["start_up_s"]
    assert 0 < start["import_s"] < start["ready_s"]
    assert 0 < start["warm_up_s"] < start["ready_s"]


def test_it_says_what_it_was_made_with(report: dict[str, Any]) -> None:
    assert report["model"]["backend"] == "torch"
    assert report["labeled_shape"] == [80, 210, 322]
    assert report["versions"]["torch"]
    assert report["machine"]["n_cores_of_the_machine"] >= 1
    assert report["settings"]["label"]["backend"] == "torch"
    assert "last slice to sample" in report["told"]


def test_our_path_is_far_from_as_slow_as_the_original(report: dict[str, Any]) -> None:
    assert report["ratios"]["label"] > LEAST_RATIO
    assert report["ratios"]["whole volume"] > LEAST_RATIO


def test_a_whole_session_is_far_from_as_slow_as_the_original(report: dict[str, Any]) -> None:
    # by the clock, the waiting of volumes that come every 0.1 s included
    assert report["end_to_end_ratio"] > LEAST_RATIO / 3
    theirs = sum(step["wall_ms"] for step in report["reference"] if not step["is_once"])
    assert report["end_to_end_ratio"] == pytest.approx(theirs / report["end_to_end_ms"]["p50"])


def test_a_recording_that_is_not_there_is_declined(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nothing\.nd2"):
        bench(str(tmp_path / "nothing.nd2"), AcllSettings(), n_volumes=5, tell=lambda _: None)


def test_a_report_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("{}", encoding="utf-8")
    assert run(["bench", "--json", str(path)]) == SessionError.exit_code
    assert path.read_text(encoding="utf-8") == "{}"


def test_a_report_that_cannot_be_written_is_refused_before_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_acll.bench.bench", lambda *_, **__: pytest.fail("it measured"))
    path = tmp_path / "no-folder" / "report.json"
    assert run(["bench", "--json", str(path)]) == SessionError.exit_code


def test_a_model_that_cannot_be_used_is_told_in_one_sentence() -> None:
    spec = VolumeSpec(grid=VoxelGrid.as_stored((4, 8, 8), (1.0, 1.0, 1.0)), period_s=0.6)
    settings = AcllSettings.model_validate({"label": {"device": "cuda:99"}})
    with pytest.raises(ModelError, match=r"^Device cuda:99 was asked for"):
        start_up(settings, spec)


def test_only_a_report_can_be_compared_with(tmp_path: Path) -> None:
    path = tmp_path / "earlier.json"
    path.write_text("{}", encoding="utf-8")
    assert run(["bench", "--compare", str(path)]) == SettingsError.exit_code
