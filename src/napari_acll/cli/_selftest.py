"""`acll selftest`: a whole session on this machine, and a report of it to send."""

from pathlib import Path
from typing import Annotated

import typer

from napari_acll.cli._options import Config, Device, Model, Profile, Set
from napari_acll.cli._resolve import resolve_settings

FAILED = 1
_SIMULATED = "simulated:volumes={}"


def selftest(
    out: Annotated[Path, typer.Option("--out", help="Folder in which the report is made.")] = Path(
        "acll-selftest"
    ),
    volumes: Annotated[int, typer.Option(min=2, help="Length of the recording.")] = 12,
    has_window: Annotated[
        bool, typer.Option("--window/--no-window", help="Whether napari is opened for it.")
    ] = True,
    recording: Annotated[
        str | None,
        typer.Option(help="What is played.  [default: a simulated worm]"),
    ] = None,
    model: Model = None,
    device: Device = None,
    config: Config = None,
    profile: Profile = None,
    set_: Set = None,
) -> None:
    """Run a whole session on this machine and device, and write a report that you can send.

    A simulated worm is calibrated, labeled, followed, traced and saved, in the docks of napari if
    there is a screen; then the labels of the device are compared with those of the CPU. The
    report is written whatever happens, and none of your settings is used or changed.
    """
    from napari_acll.cli._fresh_folder import fresh_folder
    from napari_acll.selftest import selftest as run
    from napari_acll.selftest import text_lines

    settings = resolve_settings(
        {"model": model, "device": device, "config": config, "profile": profile, "set_": set_}
    )
    folder = fresh_folder(out)
    report = run(
        recording or _SIMULATED.format(volumes),
        settings,
        n_volumes=volumes,
        out=folder,
        has_window=has_window,
        tell=typer.echo,
    )
    typer.echo("\n".join(text_lines(report, has_traces=False)))
    typer.echo(f"Report: {folder.with_name(folder.name + '.zip').resolve()}")
    if report["verdict"].startswith("Failed"):
        raise typer.Exit(FAILED)
