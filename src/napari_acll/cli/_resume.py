"""`acll resume`."""

from pathlib import Path
from typing import Annotated

import typer

from napari_acll.cli._options import Device
from napari_acll.cli._run import INTERRUPTED, run_to_end
from napari_acll.core import AcllSettings, Backfill


def resume(
    session: Annotated[Path, typer.Argument(help="A session folder that nothing writes.")],
    backfill: Annotated[
        Backfill,
        typer.Option(
            "--backfill", help="When skipped volumes are labeled, where the recording has them."
        ),
    ] = Backfill.AT_END,
    device: Device = None,
) -> None:
    """Go on with a session that was interrupted: a kill, a crash, a full disk, Ctrl+C.

    Recording, settings, model and alignment are those of the session, and nothing that it holds
    is changed. Of a session that has ended, the skipped volumes are labeled.
    """
    from napari_acll.session import resume_session

    def adjust(settings: AcllSettings) -> AcllSettings:
        label = settings.label.model_copy(update={"device": device} if device else {})
        return settings.model_copy(update={"label": label})

    if not run_to_end(resume_session(session, backfill=backfill, adjust=adjust), session):
        raise typer.Exit(INTERRUPTED)
