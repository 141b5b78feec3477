"""`acll calibrate-names`."""

from pathlib import Path
from typing import Annotated

import typer

from napari_acll.cli._quoted import quoted


def calibrate_names(
    session: Annotated[str, typer.Argument(help="Session folder, or recording.")],
    names: Annotated[
        Path,
        typer.Option(
            "--names",
            help="Table (.csv) of checked names: volume, name, z_px, y_px, x_px; right names as"
            " well as corrected ones.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The model file to write (.safetensors).")],
    model: Annotated[
        str | None, typer.Option("--model", help="The model.  [default: that of the session]")
    ] = None,
    rig: Annotated[
        str, typer.Option("--rig", help="What the rig is called.  [default: as in the session]")
    ] = "",
) -> None:
    """Make the probabilities of a model hold on your rig, with names that you checked.

    The names that the model gives stay the same; how sure it says it is changes.
    """
    from napari_acll.training import calibrate_names as calibrate

    result = calibrate(session, names, out=out, model=model, rig=rig)
    typer.echo(result.summary())
    typer.echo(f"Model {out}. Next: acll run RECORDING --out worm.acll --model {quoted(out)}")
