"""`acll bench`: how fast a session is on this machine."""

import json
from pathlib import Path
from typing import Annotated

import typer

from napari_acll.cli._options import Config, Device, Model, Profile, Set
from napari_acll.cli._progress import volume_bar
from napari_acll.cli._resolve import resolve_settings
from napari_acll.core import SessionError


def bench(
    recording: Annotated[
        str | None,
        typer.Argument(
            help="A finished recording, or 'simulated:geometry=binned'."
            "  [default: simulated raw full frames]"
        ),
    ] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report (.json), too.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option("--compare", metavar="EARLIER.json", help="Compare with an earlier report."),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=5, help="Volumes to measure.")] = 30,
    model: Model = None,
    device: Device = None,
    config: Config = None,
    profile: Profile = None,
    set_: Set = None,
) -> None:
    """Measure every stage and the whole loop on this machine, and say whether it keeps up.

    Takes about two minutes. In the same run the steps of the original pipeline are done on the
    same volume; the last column says how many times our computing time they take.
    """
    from napari_acll.bench import bench as measure
    from napari_acll.bench import compared, read_report, report_lines

    before = None if compare is None else read_report(compare)
    if json_ is not None:
        _refuse_unwritable(json_)
    settings = resolve_settings(
        {"model": model, "device": device, "config": config, "profile": profile, "set_": set_}
    )
    with volume_bar(n) as advance:
        report = measure(recording, settings, n_volumes=n, tell=typer.echo, progress=advance)
    typer.echo("\n".join(report_lines(report)))
    if before is not None:
        typer.echo("\n".join(compared(report, before)))
    if json_ is not None:
        _write(json_, report)
        typer.echo(f"Report: {json_}")


def _refuse_unwritable(path: Path) -> None:
    """Raise before minutes are spent on a report that could not be written.

    Raises
    ------
    SessionError
        If the file exists, or cannot be made.
    """
    if path.exists():
        raise SessionError(f"{path} exists already; choose another name with --json.")
    _write_text(path, "")
    path.unlink()


def _write(path: Path, report: dict[str, object]) -> None:
    _write_text(path, json.dumps(report, indent=1))


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SessionError(
            f"Cannot write {path} ({error.strerror}); choose another place with --json."
        ) from error
