"""`acll export`."""

from pathlib import Path
from typing import Annotated

import typer

from napari_acll.core import SessionError

SUFFIXES = (".csv", ".h5", ".hdf5")


def export(
    session: Annotated[Path, typer.Argument(help="A session folder, also one that still grows.")],
    out: Annotated[Path, typer.Argument(help="The file to write: .csv or .h5.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
) -> None:
    """Write the traces of a session as a table (CSV) or as HDF5.

    The CSV has one row per volume and neuron of the model, with empty fields where a neuron is
    absent; positions are voxels of the recording as stored.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise SessionError(
            f"{out} must end in .csv or .h5, which tells what to write; choose such a name."
        )
    from napari_acll.export import SavedSession, export_csv, export_h5

    write = export_csv if out.suffix.lower() == ".csv" else export_h5
    saved = SavedSession.open(session)
    write(saved, out, overwrite=overwrite)
    typer.echo(f"{out}: {saved.n_timepoints} volumes, {len(saved.neurons)} neurons.")
