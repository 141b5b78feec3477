"""`acll export`."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    session: Annotated[Path, typer.Argument(help="A session folder, also one that still grows.")],
    out: Annotated[Path, typer.Argument(help="The file to write: .csv, .h5 or .nwb.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
) -> None:
    """Write the traces of a session as a table (CSV), as HDF5 or as NWB.

    The CSV has one row per volume and neuron of the model, with empty fields where a neuron is
    absent; positions are voxels of the recording as stored. NWB needs the extra `nwb`.
    """
    from napari_acll.export import export_session

    typer.echo(export_session(session, out, overwrite=overwrite))
