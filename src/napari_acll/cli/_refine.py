"""`acll refine`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_acll.cli._options import Device
from napari_acll.cli._progress import steps_bar
from napari_acll.cli._quoted import quoted
from napari_acll.core import AcllSettings

if TYPE_CHECKING:
    from napari_acll.session import Refinement


def refine(
    session: Annotated[Path, typer.Argument(help="A session folder that nothing writes.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The folder to make. [default: SESSION-refined.acll]"),
    ] = None,
    relabel: Annotated[
        bool,
        typer.Option(
            "--relabel",
            help="Make the masks once more with the model of the session: saved label maps hold"
            " named nuclei only. Takes as long as labeling did.",
        ),
    ] = False,
    recording: Annotated[
        bool,
        typer.Option(
            "--recording/--no-recording",
            help="Take the values from the recording once more, if it is still there.",
        ),
    ] = True,
    device: Device = None,
) -> None:
    """Name the neurons of a session once more, by all of its volumes, earlier and later ones.

    Leaves a session of its own beside it, with a table of all names that were changed; the session
    itself stays as it is. After Ctrl+C the same command goes on where it stood.
    """
    from napari_acll.session import refine_session

    def adjust(settings: AcllSettings) -> AcllSettings:
        label = settings.label.model_copy(update={"device": device} if device else {})
        return settings.model_copy(update={"label": label})

    with steps_bar() as tell:
        done = refine_session(
            session,
            out,
            uses_recording=recording,
            relabels=relabel,
            adjust=adjust,
            tell=tell,
        )
    _tell(session, done, has_relabeled=relabel)


def _tell(session: Path, done: "Refinement", *, has_relabeled: bool) -> None:
    typer.echo(f"Session {done.path}: {done.sentence()}")
    if done.n_without_values and not has_relabeled:
        typer.echo("With --relabel the model makes masks, and so values, for those, too.")
    typer.echo(f"What was changed: {done.path / 'revisions.csv'}, {done.n_revisions} rows.")
    typer.echo(f"Next: acll compare {quoted(session)} {quoted(done.path)}")
