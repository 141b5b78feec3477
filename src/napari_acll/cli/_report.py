"""`acll report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    session: Annotated[Path, typer.Argument(help="A session folder, also one that still grows.")],
    out: Annotated[
        Path | None,
        typer.Argument(help="The page to write (.html); beside the session if not given."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the page if it exists.")
    ] = False,
) -> None:
    """Write what a session tells of its own traces as a page; needs no truth and no recording.

    Coverage, confidence and noise of each neuron, what was lost, whether ratios go with motion or
    brightness, how left and right agree, and the forecast beside what came.
    """
    from napari_acll.evaluation import session_sentence, write_session_report
    from napari_acll.export import SavedSession

    saved = SavedSession.open(session)
    page = out or session.with_name(f"{session.name}.report.html")
    measures = write_session_report(saved, page, overwrite=overwrite)
    typer.echo(session_sentence(measures))
    typer.echo(f"Report: {page}")
