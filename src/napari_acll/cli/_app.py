"""The command `acll` and its subcommands; each module of commands imports what it needs late."""

from typing import Annotated

import typer

from napari_acll import __version__
from napari_acll.cli._bench import bench
from napari_acll.cli._calibrate_names import calibrate_names
from napari_acll.cli._check import check
from napari_acll.cli._compare import compare
from napari_acll.cli._demo import demo
from napari_acll.cli._evaluate import evaluate
from napari_acll.cli._export import export
from napari_acll.cli._info import info
from napari_acll.cli._models import models
from napari_acll.cli._probe import probe
from napari_acll.cli._refine import refine
from napari_acll.cli._report import report
from napari_acll.cli._resume import resume
from napari_acll.cli._rig import rig
from napari_acll.cli._run import calibrate, run
from napari_acll.cli._selftest import selftest
from napari_acll.cli._settings import settings
from napari_acll.cli._simulate import simulate
from napari_acll.cli._train import train

app = typer.Typer(
    name="acll",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-acll {__version__}")
        raise typer.Exit


@app.callback()
def acll(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log details; show where an error comes from.")
    ] = False,
) -> None:
    """Name the neurons of a moving worm, and trace them.

    Exit codes: 0 it worked, 1 unforeseen error, 2 wrong usage, 3 recording, 4 model, 5 settings,
    6 session folder, table or output, 7 alignment, 8 plug-in, 130 interrupted.
    """


_COMMANDS = (
    demo,
    check,
    run,
    resume,
    calibrate,
    calibrate_names,
    info,
    probe,
    bench,
    selftest,
    export,
    refine,
    compare,
    evaluate,
    report,
    simulate,
    rig,
    train,
    settings,
)
for command in _COMMANDS:
    app.command()(command)
app.add_typer(models)
