"""`acll check`: whether a session could start now."""

from pathlib import Path
from typing import Annotated

import typer

from napari_acll.cli._options import (
    NZ,
    ActivityChannel,
    AlignmentFile,
    Axes,
    Config,
    Device,
    Live,
    MarkerChannel,
    Marks,
    Model,
    Names,
    Profile,
    PublishOption,
    Recording,
    Set,
    TakesExisting,
    ZDiscard,
    ZFirst,
)
from napari_acll.cli._resolve import resolve_settings
from napari_acll.core import Light

_SIGNS = {Light.GREEN: "ok   ", Light.AMBER: "note ", Light.RED: "STOP "}


def check(
    recording: Recording,
    out: Annotated[
        Path | None, typer.Option("--out", help="The session folder that is going to be made.")
    ] = None,
    model: Model = None,
    names: Names = None,
    config: Config = None,
    profile: Profile = None,
    device: Device = None,
    live: Live = None,
    takes_existing: TakesExisting = None,
    publish: PublishOption = None,
    marks: Marks = None,
    marker_channel: MarkerChannel = None,
    activity_channel: ActivityChannel = None,
    alignment: AlignmentFile = None,
    n_z: NZ = None,
    z_first: ZFirst = None,
    z_discard: ZDiscard = None,
    axes: Axes = None,
    set_: Set = None,
) -> None:
    """Look at what a session needs, one line per requirement; nothing is started.

    Takes the options of `acll run`. Without --out the lines about saving are left out. If a line
    says STOP, a session would not start, and the exit code is that of the first such line.
    """
    from napari_acll.session import preflight

    checks = preflight(recording, settings=resolve_settings(locals()), out=out)
    for line in checks:
        typer.echo(f"{_SIGNS[line.light]} {line.name}: {line.sentence}")
    codes = [line.exit_code for line in checks if line.light is Light.RED]
    if codes:
        raise typer.Exit(codes[0])
