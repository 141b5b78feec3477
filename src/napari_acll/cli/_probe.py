"""`acll probe`: how a microscope writes its ND2 files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_acll.core import LiveSettings, RecordingError

_DEFAULTS = LiveSettings()
_NOT_THERE_YET = "FileNotFoundError"


def probe(
    recording: Annotated[
        Path, typer.Argument(help="The ND2 file that the microscope is going to write, or writes.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The report to write (.json).  [default: NAME.probe.json]"),
    ] = None,
    start_timeout_s: Annotated[
        float, typer.Option(min=0.0, help="How long the file is waited for, in s.")
    ] = _DEFAULTS.start_timeout_s,
    idle_timeout_s: Annotated[
        float, typer.Option(min=0.1, help="Silence after which it is over, in s.")
    ] = _DEFAULTS.idle_timeout_s,
) -> None:
    """Watch a recording read-only, and write a report on how it is written.

    Start it, then a test recording of a minute. The report holds names, sizes and times of the
    parts of the file, no pixels: send it to the makers of this program if a growing file cannot
    be followed on your rig. After Ctrl+C the report is of what was seen.
    """
    from napari_acll.sources import Nd2Probe

    target = out or Path(f"{recording.stem}.probe.json")
    if target.exists():
        raise RecordingError(f"{target} exists already; choose another name with --out.")
    watched = Nd2Probe(recording)
    typer.echo(f"Waiting for {recording}; end with Ctrl+C.")
    try:
        watched.watch(start_timeout_s=start_timeout_s, idle_timeout_s=idle_timeout_s)
    except KeyboardInterrupt:
        typer.echo("Stopped.")
    report = watched.report()
    _write(target, report)
    typer.echo("\n".join(_lines(report)))
    typer.echo(f"Report: {target}")


def _write(target: Path, report: Mapping[str, object]) -> None:
    try:
        target.write_text(json.dumps(report, indent=1), encoding="utf-8")
    except OSError as error:
        raise RecordingError(
            f"Cannot write {target} ({error.strerror}); choose another place with --out."
        ) from error


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a user wants to know of a report."""
    frames, size, geometry = report["frames"], report["size"], report["geometry"]
    yield f"End: {report['end']}"
    yield f"Frames: {frames['n_frames']}; {_spread(frames['interval_by_file_ms'])} ms by the file"
    for what, n_times in report["refusals"].items():
        if not what.startswith(_NOT_THERE_YET):
            yield f"Refused: {what} ({n_times} times)"
    if not frames["n_frames"]:
        return
    yield f"Seen later than the earliest by: {_spread(frames['delay_beyond_the_least_ms'])} ms"
    yield f"Reserved ahead of what was written: {size['most_bytes_ahead_of_chunks']} bytes"
    yield f"Folder shows too little by up to: {size['most_bytes_that_the_folder_lags']} bytes"
    by_head = geometry.get("size_by_head")
    if by_head is None:
        yield "Rows and columns: NOT told before the end; give source.live.frame_size_px"
    else:
        yield f"Rows and columns: {by_head[0]} x {by_head[1]}, told while recording"
    changed, checked = frames["n_changed_after_they_seemed_whole"], frames["n_looked_at_again"]
    yield f"Frames that changed after they seemed whole: {changed} of {checked}"
    yield f"Places that were no chunk: {report['n_resyncs']}"


def _spread(quantiles: Mapping[str, float] | None) -> str:
    if quantiles is None:
        return "no times"
    return f"median {quantiles['median']:g}, 95 % {quantiles['p95']:g}, most {quantiles['max']:g}"
