"""`acll selftest` on the CPU, with and without a window, and when something goes wrong."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_acll.cli._fresh_folder import fresh_folder
from napari_acll.cli._main import run
from napari_acll.core import AcllSettings, Detections, VolumeStatus
from napari_acll.export import SessionHeader, ZarrSessionWriter
from napari_acll.selftest import Job, selftest, text_lines
from napari_acll.selftest import _selftest as whole
from napari_acll.selftest._alike import shares_alike
from napari_acll.selftest._children import run_child, why_no_window
from napari_acll.selftest._report import verdict_of
from napari_acll.testing import FakeLabeler, fake_spec, write_fake_volume

pytestmark = pytest.mark.timeout(400)  # a handful of fresh processes, one of them with a viewer
N_VOLUMES = 4
PLAIN = AcllSettings.model_validate({"label": {"device": "cpu", "backend": "torch"}})
QUICK = "simulated:geometry=small,motion=still"
PARTS = ("device", "session", "labeling", "calibration", "identity", "traces", "saving")


def findings(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in report["findings"]}


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the command left its report of a session without a window."""
    out = tmp_path_factory.mktemp("selftest")
    words = ["selftest", "--device", "cpu", "--out", str(out), "--no-window"]
    words += ["--volumes", str(N_VOLUMES), "--recording", QUICK, "--set", "label.backend=torch"]
    assert run(words) == 0
    return out / "run_001"


def test_every_part_of_a_session_was_tried(folder: Path) -> None:
    report = read(folder)
    found = findings(report)
    assert report["verdict"].startswith("Passed")
    assert {*PARTS, "names alike"} <= set(found)
    assert all(finding["is_ok"] for finding in found.values())
    assert f"{N_VOLUMES} of {N_VOLUMES} volumes" in found["labeling"]["sentence"]
    assert "100.0% of the names" in found["names alike"]["sentence"]
    assert report["why_no_window"] == "It was asked for without a window."


def test_the_report_says_how_long_on_what_and_with_how_much_memory(folder: Path) -> None:
    report = read(folder)
    took = report["times_ms"]
    assert 0 < took["label"]["p50"] <= took["label"]["p99"] <= took["label"]["max"]
    assert took["all of ours"]["p50"] >= took["label"]["p50"]
    assert report["facts"]["versions"]["torch"]
    assert report["facts"]["versions"]["torch_cuda"]
    assert isinstance(report["facts"]["machine"]["cards"], list)
    assert report["memory"]["process_mb"] > 50
    assert report["model"]["device"] == "cpu"


def test_what_is_sent_is_one_file_without_the_session(folder: Path) -> None:
    with zipfile.ZipFile(folder.with_name("run_001.zip")) as archive:
        names = set(archive.namelist())
        text = archive.read("run_001/report.txt").decode()
    assert names == {"run_001/report.json", "run_001/report.txt", "run_001/report.html"}
    assert text.startswith("Passed")
    assert (folder / "session.acll" / "session.json").is_file()


def test_nothing_of_the_users_is_used_or_changed(folder: Path) -> None:
    assert folder.is_dir()
    assert not any(Path(os.environ["ACLL_DATA_DIR"]).iterdir())


def test_it_runs_in_the_docks_of_a_viewer(tmp_path: Path) -> None:
    if why_no_window():
        pytest.skip(why_no_window())
    report = selftest(QUICK, PLAIN, n_volumes=N_VOLUMES, out=new(tmp_path), tell=lambda _: None)
    found = findings(report)
    assert found["window"]["is_ok"], report["steps"]
    assert report["verdict"].startswith("Passed")
    step = next(step for step in report["steps"] if step["name"] == "window")
    assert f"{N_VOLUMES} of {N_VOLUMES} traced" in step["told"]["window"]["volumes"]
    assert (tmp_path / "out" / "window.png").stat().st_size > 10_000


def new(folder: Path) -> Path:
    out = folder / "out"
    out.mkdir()
    return out


def test_a_device_that_is_not_there_is_reported(tmp_path: Path) -> None:
    settings = AcllSettings.model_validate({"label": {"device": "cuda:7"}})
    report = selftest(
        QUICK, settings, n_volumes=2, out=new(tmp_path), has_window=False, tell=lambda _: None
    )
    assert report["verdict"].startswith("Failed: device, session")
    assert "cuda:7" in findings(report)["device"]["sentence"]
    step = next(step for step in report["steps"] if step["name"] == "session")
    assert "ModelError" in step["trace"]
    assert "Traceback" in "\n".join(text_lines(report))
    assert "Traceback" not in "\n".join(text_lines(report, has_traces=False))
    assert "cuda:7" in (tmp_path / "out" / "report.txt").read_text(encoding="utf-8")
    assert (tmp_path / "out.zip").is_file()


def test_a_step_that_ends_without_a_word_is_reported(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("import os; os.abort()", encoding="utf-8")
    result = run_in(tmp_path, "dies")
    assert not result.is_ok
    assert "ended with code" in result.error
    if sys.platform != "win32":
        assert "Aborted" in result.trace  # what faulthandler says of it


def test_a_step_that_does_not_end_is_ended(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(
        "import time; print('waiting', flush=True); time.sleep(60)", encoding="utf-8"
    )
    result = run_in(tmp_path, "waits", most_s=5.0)
    assert not result.is_ok
    assert "did not end within 5 s" in result.error
    assert "waiting" in result.trace


def run_in(folder: Path, module: str, most_s: float = 60.0) -> Any:
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder)
    try:
        return run_child(
            "step", module, [], result=folder / "result.json", private=folder, most_s=most_s
        )
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def test_an_error_that_nobody_foresaw_still_leaves_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(whole, "_fill", fail)
    report = selftest(QUICK, PLAIN, n_volumes=2, out=new(tmp_path), tell=lambda _: None)
    assert report["verdict"] == "Failed: self-test."
    assert "of all things" in (tmp_path / "out" / "report.txt").read_text(encoding="utf-8")


def saved_session(path: Path, status: VolumeStatus | None) -> Job:
    """A session of two volumes, traced ones if they have no other status, and its job."""
    spec = fake_spec()
    header = SessionHeader(
        neurons=FakeLabeler().neurons,
        stored_spec=spec,
        spec=spec,
        settings=PLAIN,
        source={"kind": "fake", "path": "nowhere"},
        source_notes=(),
        model=FakeLabeler().describe(),
        rig="",
    )
    writer = ZarrSessionWriter.create(path, header)
    for index in range(2):
        if status is None:
            write_fake_volume(writer, index)
        else:
            writer.skip(index, status)
    writer.close(state="finished")
    return Job(
        recording="",
        settings=PLAIN,
        session=path,
        screenshot=path,
        result=path,
        n_volumes=2,
        n_compared=1,
    )


def of_session(job: Job) -> dict[str, Any]:
    report: dict[str, Any] = {"findings": [], "n_volumes": job.n_volumes, "period_ms": 600.0}
    whole._add_session(report, job)
    return report


def test_a_session_in_which_nothing_was_traced_fails_in_that_part(tmp_path: Path) -> None:
    report = of_session(saved_session(tmp_path / "worm.acll", VolumeStatus.SKIPPED))
    assert not findings(report)["labeling"]["is_ok"]
    assert "0 of 2 volumes" in findings(report)["labeling"]["sentence"]
    assert report["is_in_time"] is False
    assert verdict_of(report).startswith("Failed: labeling")


def test_times_are_held_against_the_period_of_the_recording(tmp_path: Path) -> None:
    report = of_session(saved_session(tmp_path / "worm.acll", None))
    assert report["period_ms"] == 500.0
    took = report["times_ms"]["all of ours"]["p99"]
    assert report["is_in_time"] is (took <= 500.0)


def test_a_report_that_is_left_without_its_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "run_001.zip").write_bytes(b"sent already")
    assert fresh_folder(tmp_path) == tmp_path / "run_002"
    assert fresh_folder(tmp_path) == tmp_path / "run_003"


def test_without_a_screen_it_says_why() -> None:
    words = "from napari_acll.selftest._children import why_no_window as w; print(w())"
    bare = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    told = subprocess.check_output([sys.executable, "-c", words], env=bare, text=True)
    if sys.platform.startswith("linux"):
        assert "screen" in told or "Qt" in told


def detections(position: Any, neuron: Any) -> Detections:
    none = Detections.none()
    n = len(neuron)
    n_candidates = none.candidate_neuron.shape[1]
    return Detections(
        centroid_px=np.asarray(position, np.float32).reshape(-1, 3),
        n_voxels=np.ones(n, np.int32),
        neuron=np.asarray(neuron, np.int32),
        probability=np.ones(n, np.float32),
        candidate_neuron=np.full((n, n_candidates), -1, np.int32),
        candidate_probability=np.full((n, n_candidates), np.nan, np.float32),
    )


def test_shares_count_what_only_one_found_and_names_that_only_one_gave() -> None:
    first = detections([[0, 0, 0], [9, 9, 9], [20, 0, 0], [30, 0, 0]], [1, 2, 0, 4])
    second = detections([[0, 0, 0.5], [9, 9, 9], [20, 0, 0], [33, 0, 0]], [1, 5, 0, 4])
    found = shares_alike([(first, second)])
    assert found == {"n_nuclei": 4, "same_nuclei": 0.75, "same_names": 0.5}
    assert shares_alike([(first, first)])["same_names"] == 1.0
    nothing = detections([], [])
    assert shares_alike([(first, nothing)])["same_nuclei"] == 0.0
