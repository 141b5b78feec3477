"""`acll demo`: the main job on a simulated worm, whose truth is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_acll.cli._fresh_folder import fresh_folder
from napari_acll.cli._options import Config, Device, Model, Profile, Set
from napari_acll.cli._resolve import resolve_settings
from napari_acll.cli._run import INTERRUPTED, run_session
from napari_acll.cli._simulate import Geometry

if TYPE_CHECKING:
    from napari_acll.cli._score import Score


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")] = Path(
        "acll-demo"
    ),
    volumes: Annotated[int, typer.Option(min=2, help="Length of the recording.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another animal.")] = 0,
    geometry: Annotated[
        Geometry, typer.Option(help="Shape of the volumes; small for a quick look.")
    ] = Geometry.BINNED,
    model: Model = None,
    device: Device = None,
    config: Config = None,
    profile: Profile = None,
    set_: Set = None,
) -> None:
    """Label and trace a simulated worm; leaves a session and two pictures, and says how good.

    Needs no data, no network and no screen.
    """
    settings = resolve_settings(locals())
    folder = fresh_folder(out)
    recording = f"simulated:seed={seed},volumes={volumes},geometry={geometry}"
    session = folder / "session.acll"
    is_complete = run_session(recording, settings=settings, out=session)
    _show(session, recording, folder)
    if not is_complete:
        raise typer.Exit(INTERRUPTED)


def _show(session: Path, recording: str, folder: Path) -> None:
    from napari_acll.cli._figures import save_traces_figure, save_volume_picture
    from napari_acll.cli._score import score_session
    from napari_acll.core import SourceSettings
    from napari_acll.export import SavedSession
    from napari_acll.simulate import SimulatedSource

    saved = SavedSession.open(session)
    source = SimulatedSource.from_recording(recording, SourceSettings())
    score = score_session(saved, source)
    typer.echo(_score_sentence(score))
    traces, picture = folder / "traces.png", folder / "labeled_volume.png"
    save_traces_figure(saved, score, traces)
    save_volume_picture(saved, source, score, picture)
    for what, path in (("Session", session), ("Traces", traces), ("Labels", picture)):
        typer.echo(f"{what}: {path.resolve()}")


def _score_sentence(score: "Score") -> str:
    return (
        f"Against the simulator's truth: {score.n_right_per_volume:.0f} of"
        f" {score.n_in_view_per_volume:.0f} neurons in view got the right name"
        f" ({100 * score.accuracy:.0f} %); {100 * score.precision:.0f} % of all names given are"
        f" right; traces of well-named neurons follow the truth with a median correlation of"
        f" {score.median_correlation:.2f}."
    )
