"""The soak sees from outside what was lost and how long it took."""

import json
import sys
import threading

import numpy as np
import psutil
import pytest
import soak_run
import soak_watch

PATIENCE_S = 20.0


def test_samples_are_seen_when_their_status_is_on_disk(tmp_path):
    chunks = tmp_path / "status" / "c"
    chunks.mkdir(parents=True)
    rows = np.zeros(64, np.uint8)
    seen = threading.Event()
    saved = soak_watch.Saved(tmp_path)
    try:
        for number, first in ((0, 0), (0, 60), (1, 0)):
            rows[...] = 0 if number else rows
            rows[: first + 1] = 1
            (chunks / str(number)).write_bytes(rows.tobytes())
            wanted = 64 * number + first
            for _ in range(int(PATIENCE_S / 0.01)):
                if wanted in saved.perf_s or seen.wait(0.01):
                    break
        assert set(saved.perf_s) >= {0, 30, 60, 64}
        assert saved.perf_s[0] < saved.perf_s[60] < saved.perf_s[64]
    finally:
        saved.stop()


def test_the_slope_of_memory_is_that_of_the_later_samples():
    usage = soak_watch.Usage(psutil.Process())
    usage.time_s = [float(second) for second in range(100)]
    usage.rss_mb = [500.0 if second < 20 else second / 60 for second in range(100)]
    usage.private_mb = [1.0] * 100
    usage.cpu_s = [0.5 * second for second in range(100)]
    summary = usage.summary(0.0, 100.0)
    assert summary["rss_mb_per_min"] == pytest.approx(1.0)
    assert summary["private_mb_per_min"] == pytest.approx(0.0)
    assert summary["cores"] == pytest.approx(0.5)
    assert summary["rss_mb_most"] == 500.0


def test_a_spread_leaves_out_what_is_not_known():
    assert soak_run.spread_ms([0.001, 0.002, float("nan"), 0.003])["p50_ms"] == pytest.approx(2)
    assert soak_run.spread_ms([]) == {}


def test_volumes_that_were_read_after_the_rig_freed_them_are_told(monkeypatch, tmp_path, capsys):
    complete_s = {index: 1.0 + index for index in range(50)}
    read_s = {0: 1.1, 5: 8.5, 20: 40.5, 30: 60.0}  # two, then nineteen complete behind; the end
    assert soak_run.freed_before_read(read_s, complete_s, 20) == {}
    freed = soak_run.freed_before_read(read_s, complete_s, 19)
    assert freed == {20: 19, 30: 19}
    assert soak_run.freed_before_read(read_s, complete_s, 2) == {5: 2, **freed}
    result = {key: {} for key in ("route", "state", "exit_codes", "stages", "usage")}
    result |= {"viewer": False, "counts": {}, "n_played": 50, "recording_gb_on_disk_most": 0.0}
    result |= {"last_frame_to_sample_on_disk": {}, "last_frame_to_sample_on_disk_later": {}}
    result |= {"rig_late": {}, "freed_before_read": freed}
    monkeypatch.setattr(soak_run, "run_soak", lambda _: result)
    monkeypatch.setattr(sys, "argv", ["soak_run.py", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit, match="1"):
        soak_run.main()
    assert "NOT VALID: 2 volumes, the first of them 20" in capsys.readouterr().out
    assert json.loads((tmp_path / "soak.json").read_text())["freed_before_read"]


@pytest.mark.slow
@pytest.mark.parametrize("route", ["nd2", "folder", "shm"])
def test_a_short_soak_loses_nothing_but_what_was_asked_for(tmp_path, monkeypatch, capsys, route):
    arguments = ["--route", route, "--volumes", "8", "--period", "1", "--geometry", "small"]
    arguments += ["--profile", "", "--fault", "drop-volume@5", "--warm-up-s", "3"]
    arguments += ["--folder", str(tmp_path), "--film", str(tmp_path / "film")]
    arguments += ["--run-option=--drop-policy", "--run-option=block"]
    monkeypatch.setattr(sys, "argv", ["soak_run.py", *arguments])
    soak_run.main()
    capsys.readouterr()
    result = json.loads((tmp_path / "soak.json").read_text())
    assert result["exit_codes"] == {"session": 0, "rig": 0}
    assert result["counts"]["lost"] == 1
    assert result["counts"]["skipped"] == 0
    assert result["counts"]["traced"] + result["counts"]["unlabelable"] == 7
    assert result["n_played"] == 8
    assert result["freed_before_read"] == {}
