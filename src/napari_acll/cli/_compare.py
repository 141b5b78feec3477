"""`acll compare`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_acll.core import SettingsError

N_TOLD = 10
"""Neurons that are printed without --all: the worst ones."""


Session = Annotated[Path, typer.Argument(help="A session folder, or whatever OTHER may be.")]
Other = Annotated[
    Path,
    typer.Argument(
        help="ANTSUN's *-data.h5; a CSV file with a column time_s or volume_index and one per"
        " neuron, or as `acll export` writes it; or another session.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for comparison.html, comparison.csv and .json."),
]
Labels = Annotated[
    Path | None,
    typer.Option(help="Names of the columns of *-data.h5. [default: labels.json beside it]"),
]
By = Annotated[
    Literal["volume", "time"] | None,
    typer.Option(
        help="What makes timepoints the same. [default: volume, where both count volumes]"
    ),
]
Quantity = Annotated[
    str, typer.Option(help="What is compared of sessions: ratio, activity, marker, ...")
]
MaxLag = Annotated[int, typer.Option(min=0, help="Greatest lag that is tried, in volumes.")]
ShowsAll = Annotated[bool, typer.Option("--all", help="Print all neurons, not the ten worst.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a comparison that is there.")
]


def compare(
    session: Session,
    other: Other,
    out: Out = None,
    labels: Labels = None,
    by: By = None,
    quantity: Quantity = "ratio",
    max_lag: MaxLag = 10,
    shows_all: ShowsAll = False,
    overwrite: Overwrite = False,
) -> None:
    """Compare the traces of a session with those of another pipeline, neuron by neuron.

    For each neuron that both have: correlation, the lag at which it is best, and the scale; and
    which names would agree better if they were exchanged.
    """
    from napari_acll.evaluation import (
        AlignedBy,
        agreement_rows,
        check_new_comparison,
        compare_traces,
        comparison_sentence,
        exchange_sentence,
        has_numbered_columns,
        read_traces,
        write_comparison,
    )

    if labels is not None and not (has_numbered_columns(session) or has_numbered_columns(other)):
        raise SettingsError(
            f"{labels} was given for the columns of an ANTSUN file (.h5), and neither {session}"
            f" nor {other} is one; leave out --labels."
        )
    if out is not None:
        check_new_comparison(out, overwrite=overwrite)
    found = compare_traces(
        read_traces(session, labels=labels, quantity=quantity),
        read_traces(other, labels=labels, quantity=quantity),
        by=None if by is None else AlignedBy(by),
        max_lag=max_lag,
    )
    # before anything is printed: whoever reads that may stop (`| head`)
    page = None if out is None else write_comparison(found, out, overwrite=overwrite)
    for note in found.notes:
        typer.echo(f"acll: {note}", err=True)
    typer.echo(comparison_sentence(found))
    for line in _lines(agreement_rows(found.neurons), shows_all=shows_all):
        typer.echo(line)
    for item in found.exchanges:
        typer.echo(exchange_sentence(item))
    if page is None:
        typer.echo("Next: the same with --out FOLDER for figures and the whole table.")
        return
    typer.echo(f"Comparison: {page}")


def _lines(rows: list[list[str]], *, shows_all: bool) -> list[str]:
    from napari_acll.evaluation import AGREEMENT_HEADER

    shown = rows if shows_all else rows[:N_TOLD]
    table = [list(AGREEMENT_HEADER), *shown]
    widths = [max(len(row[column]) for row in table) for column in range(len(AGREEMENT_HEADER))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
    n_left = len(rows) - len(shown)
    return [*lines, f"... and {n_left} that agree better (--all)."] if n_left else lines
