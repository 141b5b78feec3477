"""What a report says, from numbers that are made up."""

import json
from pathlib import Path
from typing import Any

import pytest

from napari_acll.bench import Spread, StageTimes, compared, read_report, report_lines
from napari_acll.bench._report import FORMAT, end_to_end_ratio, ratios, verdict
from napari_acll.core import SettingsError

STEPS = [
    {"name": "a", "stage": "label", "cpu_ms": 300.0, "wall_ms": 1.0, "how": "x", "is_once": False},
    {"name": "b", "stage": "label", "cpu_ms": 100.0, "wall_ms": 1.0, "how": "x", "is_once": False},
    {"name": "c", "stage": "read", "cpu_ms": 10.0, "wall_ms": 1.0, "how": "x", "is_once": False},
    {"name": "d", "stage": "", "cpu_ms": 9000.0, "wall_ms": 1.0, "how": "x", "is_once": True},
]


def stage(cpu_ms: float) -> dict[str, dict[str, float]]:
    spread = {"p50": cpu_ms, "p95": cpu_ms, "p99": cpu_ms, "max": cpu_ms, "n": 5}
    return {"wall_ms": dict(spread), "cpu_ms": dict(spread)}


def report(
    *, label_ms: float = 100.0, p99_ms: float = 150.0, per_s: float = 8.0
) -> dict[str, Any]:
    stages = {"read": stage(20.0), "label": stage(label_ms), "save": stage(3.0)}
    return {
        "format": FORMAT,
        "recording": "a.nd2",
        "n_volumes": 5,
        "stored_shape": [80, 630, 966],
        "labeled_shape": [64, 120, 284],
        "machine": {
            "cpu": "a CPU",
            "n_cores": 2,
            "memory_gb": 24.0,
            "busy_before": 3.0,
        },
        "model": {"backend": "torch"},
        "commit": None,
        "start_up_s": {"import_s": 0.1, "ready_s": 6.0, "warm_up_s": 1.0, "ready_cpu_s": 5.0},
        "end_to_end_ms": {"p50": 120.0, "p95": 140.0, "p99": p99_ms, "max": 160.0, "n": 5},
        "deadline_ms": 600.0,
        "is_in_time": p99_ms <= 600.0,
        "volumes_per_s": per_s,
        "cores_at_pace": 0.3,
        "memory_mb": 900.0,
        "stages": stages,
        "reference": STEPS,
        "ratios": ratios(stages, STEPS),
    }


def test_quantiles_are_those_of_evenly_spaced_times() -> None:
    spread = Spread.of([i / 1000 for i in range(101)])
    assert (spread.p50, spread.p95, spread.p99, spread.max) == pytest.approx((50, 95, 99, 100))
    assert Spread.of([0.001, float("nan")]).n == 1
    with pytest.raises(ValueError, match="at least one"):
        Spread.of([float("nan")])


def test_a_timed_call_gives_its_result_and_counts_its_computing() -> None:
    times = StageTimes()
    assert times.timed("sum", lambda: sum(range(300_000))) == 299_999 * 150_000
    wall, cpu = times.spreads()["sum"]
    assert cpu.p50 > 0
    assert wall.p50 > 0
    assert wall.n == cpu.n == 1


def test_ratios_are_of_computing_time_and_leave_out_what_is_done_once() -> None:
    found = ratios(report()["stages"], STEPS)
    assert found == pytest.approx({"label": 4.0, "read": 0.5, "whole volume": 410 / 120})


@pytest.mark.parametrize(
    ("p99_ms", "per_s", "begins"),
    [(150.0, 8.0, "In time"), (700.0, 8.0, "Late at times"), (5000.0, 0.5, "Too slow")],
)
def test_the_verdict_says_whether_it_keeps_up(p99_ms: float, per_s: float, begins: str) -> None:
    assert verdict(report(p99_ms=p99_ms, per_s=per_s)).startswith(begins)


def test_the_table_shows_every_stage_with_its_ratio() -> None:
    text = "\n".join(report_lines(report()))
    rows = [line for line in text.splitlines() if line.startswith(("read", "label ", "save"))]
    assert [row.split()[0] for row in rows] == ["read", "label", "save"]
    assert rows[1].endswith("x 4")
    assert "last slice to sample" in text
    assert "8.0 volumes/s" in text


def test_two_reports_are_compared_stage_by_stage(tmp_path: Path) -> None:
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(report(label_ms=200.0)), encoding="utf-8")
    lines = list(compared(report(), read_report(path)))
    (row,) = [line for line in lines if line.strip().startswith("label")]
    assert row.split()[1:] == ["200.0", "100.0", "0.50"]
    assert not any("Not made alike" in line for line in lines)


def test_reports_of_different_machines_are_not_compared_silently() -> None:
    other = report() | {"machine": {**report()["machine"], "cpu": "another CPU"}}
    assert any("Not made alike: cpu" in line for line in compared(report(), other))


def test_end_to_end_is_compared_by_the_clock_without_what_is_done_once() -> None:
    assert end_to_end_ratio(0.5, STEPS) == pytest.approx(3 / 0.5)
    text = "\n".join(report_lines(report() | {"end_to_end_ratio": 123.0}))
    (row,) = [line for line in text.splitlines() if line.startswith("last slice")]
    assert row.endswith("x 123")


def test_on_a_card_it_is_said_what_the_columns_leave_out() -> None:
    on_card = report() | {"model": {"device": "cuda:0"}, "card_memory_mb": 812.0}
    text = "\n".join(report_lines(on_card))
    assert "The network runs on a card" in text
    assert "812 MB of the card" in text
    assert "card" not in "\n".join(report_lines(report()))


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "something else"}'])
def test_a_file_that_is_no_report_is_declined(tmp_path: Path, text: str) -> None:
    path = tmp_path / "no.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"no\.json"):
        read_report(path)
