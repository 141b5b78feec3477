"""A measurement as a file and as a table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_acll.core import SettingsError

FORMAT = "acll-bench/1"
_END_TO_END = "last slice to sample"
_WIDTH = 26
_ON_CARD = (
    "The network runs on a card, whose time is in no column but those by the clock; the reference"
    " runs on the CPU here, so the ratio of label says nothing."
)
_COMPARED = ("cpu", "n_cores", "memory_gb")


def ratios(
    stages: Mapping[str, Mapping[str, Any]], reference: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return how many times the computing time of each stage the reference takes.

    Parameters
    ----------
    stages : mapping
        `stages` of a report.
    reference : sequence of mapping
        `reference` of a report.

    Returns
    -------
    dict of str to float
        By stage; `whole volume` is the sum of the stages that have a counterpart. What is done
        for the first ten volumes only has no part in it.
    """
    theirs: dict[str, float] = {}
    for step in reference:
        if not step["is_once"]:
            theirs[step["stage"]] = theirs.get(step["stage"], 0.0) + step["cpu_ms"]
    ours = {stage: stages[stage]["cpu_ms"]["p50"] for stage in theirs}
    found = {stage: theirs[stage] / max(ours[stage], 1e-6) for stage in theirs}
    return {**found, "whole volume": sum(theirs.values()) / max(sum(ours.values()), 1e-6)}


def end_to_end_ratio(p50_ms: float, reference: Sequence[Mapping[str, Any]]) -> float:
    """Return how many times as long the reference takes for a volume by the clock.

    Parameters
    ----------
    p50_ms : float
        From the last slice of a volume to its sample, in a whole session.
    reference : sequence of mapping
        `reference` of a report; its steps follow each other.
    """
    theirs = sum(float(step["wall_ms"]) for step in reference if not step["is_once"])
    return theirs / max(p50_ms, 1e-6)


def report_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a report for people.

    Parameters
    ----------
    report : mapping
        What `bench` returns.
    """
    made_on, start = report["machine"], report["start_up_s"]
    shape, labeled = (
        " x ".join(map(str, report[key])) for key in ("stored_shape", "labeled_shape")
    )
    yield f"{report['recording']}: {report['n_volumes']} volumes of {shape} voxels"
    yield f"labeled as {labeled}, backend {report['model'].get('backend', 'of the model')}"
    yield (
        f"{made_on['cpu']}, {made_on['n_cores'] or made_on['n_cores_of_the_machine']} cores,"
        f" {made_on['busy_before']:.0f} % busy with other work"
    )
    yield ""
    head = "".join(f"{key:>9}" for key in ("p50", "p95", "p99", "max"))
    yield f"{'ms':<{_WIDTH}}{head}{'computing':>11}{'reference':>11}"
    for name, times in report["stages"].items():
        yield _line(name, times["wall_ms"], times["cpu_ms"]["p50"], report["ratios"].get(name))
    whole = report.get("end_to_end_ratio", report["ratios"]["whole volume"])
    yield _line(_END_TO_END, report["end_to_end_ms"], None, whole)
    yield ""
    if str(report["model"].get("device", "cpu")) != "cpu":
        yield _ON_CARD
    yield "Reference, ms of computing for one volume (how often ours: the column above):"
    for step in report["reference"]:
        once = "; first 10 volumes only" if step["is_once"] else ""
        yield f"  {step['name']:<32}{step['cpu_ms']:>11.0f}  {step['how']}{once}"
    yield ""
    yield (
        f"{report['volumes_per_s']:.1f} volumes/s at most; at the recording's pace"
        f" {report['cores_at_pace']:.2f} cores, {report['memory_mb']:.0f} MB{_of_card(report)}."
    )
    yield (
        f"Ready {start['ready_s']:.1f} s after the start ({start['warm_up_s']:.1f} s of it warming"
        f" up); import napari_acll {start['import_s']:.2f} s."
    )
    yield verdict(report)


def _of_card(report: Mapping[str, Any]) -> str:
    on_card = report.get("card_memory_mb")
    return f", {on_card:.0f} MB of the card" if on_card else ""


def _line(name: str, wall: Mapping[str, float], cpu_ms: float | None, ratio: float | None) -> str:
    shown = "".join(f"{wall[key]:>9.1f}" for key in ("p50", "p95", "p99", "max"))
    computing = "" if cpu_ms is None else f"{cpu_ms:.1f}"
    times = "" if ratio is None else f"x {ratio:.3g}"
    return f"{name:<{_WIDTH}}{shown}{computing:>11}{times:>11}"


def verdict(report: Mapping[str, Any]) -> str:
    """Return in one sentence whether a session keeps up.

    Parameters
    ----------
    report : mapping
        What `bench` returns.
    """
    took, deadline_ms = report["end_to_end_ms"], report["deadline_ms"]
    spread = (
        f"99 % of the volumes take {took['p99']:.0f} ms, a volume comes every {deadline_ms:.0f}"
    )
    if report["is_in_time"]:
        return f"In time: {spread} ({took['p99'] / deadline_ms:.0%} of it)."
    if 1e3 / report["volumes_per_s"] <= deadline_ms:
        return f"Late at times, but it keeps up: {spread}."
    return f"Too slow: {spread}, and no more than {report['volumes_per_s']:.1f} a second are done."


def read_report(path: Path) -> dict[str, Any]:
    """Return an earlier report.

    Parameters
    ----------
    path : Path
        JSON file that `acll bench` wrote.

    Raises
    ------
    SettingsError
        If it is none.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read ({error}); give a file that acll bench --json wrote."
        ) from error
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise SettingsError(f"{path} is no report of acll bench (format {FORMAT}); give one.")
    return report


def compared(now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that compare two reports.

    Parameters
    ----------
    now, before : mapping
        Reports.
    """
    other = [key for key in _COMPARED if now["machine"].get(key) != before["machine"].get(key)] + [
        key for key in ("labeled_shape", "stored_shape") if now[key] != before[key]
    ]
    yield f"Against the earlier report (commit {before['commit'] or 'unknown'}):"
    if other:
        yield f"  Not made alike: {', '.join(other)} differ; the ratios mean little."
    yield f"  {'computing, ms':<{_WIDTH}}{'before':>9}{'now':>9}{'ratio':>9}"
    for name in now["stages"]:
        if name in before["stages"]:
            pair = [report["stages"][name]["cpu_ms"]["p50"] for report in (before, now)]
            yield _pair(name, *pair)
    yield _pair(_END_TO_END, before["end_to_end_ms"]["p50"], now["end_to_end_ms"]["p50"])


def _pair(name: str, before_ms: float, now_ms: float) -> str:
    ratio = now_ms / max(before_ms, 1e-6)
    return f"  {name:<{_WIDTH}}{before_ms:>9.1f}{now_ms:>9.1f}{ratio:>9.2f}"
