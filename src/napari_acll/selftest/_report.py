"""The report of a self-test: JSON for programs, text and a page for people, a .zip to send."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_acll.core import SessionError

FORMAT = "acll-selftest/1"
JSON_FILE, TEXT_FILE, PAGE_FILE = "report.json", "report.txt", "report.html"
_PICTURE_FILE = "window.png"
_WIDTH = 14


def verdict_of(report: Mapping[str, Any]) -> str:
    """Return in one sentence what the self-test found.

    Parameters
    ----------
    report : mapping
        Findings and times.
    """
    failed = [finding["name"] for finding in report["findings"] if not finding["is_ok"]]
    if failed:
        return f"Failed: {', '.join(failed)}."
    took = report["times_ms"]["all of ours"]
    spread = f"99 % of the volumes take {took['p99']:.0f} ms of {report['period_ms']:.0f}"
    if not report["is_in_time"]:
        return f"Passed, but late: {spread}."
    return f"Passed: {spread}."


def text_lines(report: Mapping[str, Any], *, has_traces: bool = True) -> Iterator[str]:
    """Yield the lines of a report for people.

    Parameters
    ----------
    report : mapping
        What `selftest` returns.
    has_traces : bool
        Whether it tells where errors came from, which is for those to whom it is sent.
    """
    yield report["verdict"]
    yield ""
    for finding in report["findings"]:
        mark = "ok" if finding["is_ok"] else "FAILED"
        yield f"{finding['name']:<{_WIDTH}}{mark:<8}{finding['sentence']}"
    if report.get("why_no_window"):
        yield f"{'window':<{_WIDTH}}{'none':<8}{report['why_no_window']}"
    yield ""
    yield from _times(report.get("times_ms") or {}, report["period_ms"])
    yield from _about(report)
    for step in report["steps"]:
        if not step["is_ok"]:
            yield ""
            yield f"Step {step['name']}: {step['error']}"
            if has_traces:
                yield step["trace"]
    if has_traces and report.get("trace"):
        yield ""
        yield report["trace"]


def _times(times_ms: Mapping[str, Mapping[str, float]], period_ms: float) -> Iterator[str]:
    if not times_ms:
        return
    yield f"{'ms':<{_WIDTH}}{'p50':>9}{'p99':>9}{'max':>9}{'of the period':>15}"
    for name, took in times_ms.items():
        shown = "".join(f"{took[key]:>9.1f}" for key in ("p50", "p99", "max"))
        yield f"{name:<{_WIDTH}}{shown}{took['p99'] / period_ms:>15.0%}"
    yield "(all of ours: preprocess, label and trace; read and wait depend on when volumes come)"
    yield ""


def _about(report: Mapping[str, Any]) -> Iterator[str]:
    about = report.get("facts") or {}
    machine, versions = about.get("machine") or {}, about.get("versions") or {}
    model = report.get("model") or {}
    yield f"napari-acll {report['version']}, {report['written']}, commit {about.get('commit')}"
    yield f"{report['recording']}, device {report['device']}"
    yield f"{machine.get('cpu')}, {machine.get('memory_gb')} GB, {machine.get('system')}"
    if machine.get("busy_before") is not None:
        yield f"{machine['busy_before']:.0f} % busy with other work before the self-test"
    yield f"Model {model.get('name')} on {model.get('device')}, backend {model.get('backend')}"
    if model.get("why_backend"):
        yield str(model["why_backend"])
    cards = "; ".join(machine.get("cards") or ()) or "none"
    yield f"Cards: {cards} (torch built for CUDA: {versions.get('torch_cuda')})"
    if machine.get("driver"):
        yield f"Driver: {machine['driver']}"
    for what, used in (("session", report.get("memory")), ("comparison", _compared(report))):
        if used:
            parts = ", ".join(f"{name.removesuffix('_mb')} {mb} MB" for name, mb in used.items())
            yield f"Most memory of the {what}: {parts}"
    yield ", ".join(f"{name} {version}" for name, version in versions.items())


def _compared(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    used: Mapping[str, Any] | None = (report.get("alike") or {}).get("memory")
    return used


def write_report(report: Mapping[str, Any], out: Path) -> Path:
    """Write a report into a folder, and all but the session as a .zip beside it.

    Parameters
    ----------
    report : mapping
        What `selftest` returns.
    out : Path
        The folder.

    Returns
    -------
    Path
        The .zip.

    Raises
    ------
    SessionError
        If a file cannot be written.
    """
    text = "\n".join(text_lines(report)) + "\n"
    archive = out.with_name(f"{out.name}.zip")
    try:
        (out / JSON_FILE).write_text(json.dumps(report, indent=1, default=str), encoding="utf-8")
        (out / TEXT_FILE).write_text(text, encoding="utf-8")
        (out / PAGE_FILE).write_text(_page(report, text, out), encoding="utf-8")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for name in (JSON_FILE, TEXT_FILE, PAGE_FILE, _PICTURE_FILE):
                if (out / name).exists():
                    file.write(out / name, f"{out.name}/{name}")
    except OSError as error:
        raise SessionError(
            f"The report cannot be written to {out} ({error.strerror}); choose another place with"
            " --out."
        ) from error
    return archive


def _page(report: Mapping[str, Any], text: str, out: Path) -> str:
    from html import escape

    from napari_acll.evaluation import page_of, section, table

    rows = [
        (f["name"], "ok" if f["is_ok"] else "failed", f["sentence"]) for f in report["findings"]
    ]
    has_picture = (out / _PICTURE_FILE).exists()
    picture = f'<img src="{_PICTURE_FILE}" alt="The window" style="max-width:100%">'
    return page_of(
        "Self-test of napari-acll",
        summary=report["verdict"],
        terms=f"{report['recording']}, device {report['device']}, {report['written']}",
        notes=[report["why_no_window"]] if report.get("why_no_window") else [],
        sections=[
            section("What was tried", table(("Part", "", "What it did"), rows)),
            *([section("The window", picture)] if has_picture else []),
            section("All of it", f"<pre>{escape(text)}</pre>"),
        ],
    )
