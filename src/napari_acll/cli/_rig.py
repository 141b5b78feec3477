"""`acll rig`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_acll.cli._progress import volume_bar
from napari_acll.cli._simulate import Geometry
from napari_acll.core import RecordingError, SourceSettings

if TYPE_CHECKING:
    from napari_acll.rig import Film, RigResult

INTERRUPTED = 130

_KINDS = (
    "drop-frame, drop-volume, stall, corrupt (head of a frame), half (half-written frame), late"
    " (file), end (early), crash"
)


def rig(
    out: Annotated[
        str, typer.Argument(help="A file NAME.nd2, a folder, shm:NAME or tcp://HOST:PORT.")
    ],
    route: Annotated[
        str | None,
        typer.Option(help="nd2, folder, shm or zmq.  [default: as the name of OUT says]"),
    ] = None,
    volumes: Annotated[int, typer.Option(min=1, help="Length of the recording.")] = 1600,
    period: Annotated[
        float | None,
        typer.Option(min=0.001, help="Seconds per volume.  [default: as it was recorded]"),
    ] = None,
    geometry: Annotated[
        Geometry,
        typer.Option(help="Of the virtual worm; raw is the full frame of 80 x 630 x 966 voxels."),
    ] = Geometry.RAW,
    recording: Annotated[
        str | None,
        typer.Option(help="Play this recording instead of a virtual worm.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another animal.")] = 0,
    loop: Annotated[
        int, typer.Option(min=1, help="Different volumes, shown forwards and backwards in turn.")
    ] = 20,
    keep: Annotated[
        int,
        typer.Option(min=1, help="Volumes that stay on the disk; older ones are freed."),
    ] = 20,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help=f"KIND@VOLUME or KIND@VOLUME:VALUE (slice or seconds), any number: {_KINDS}."
        ),
    ] = None,
    film: Annotated[
        Path | None,
        typer.Option(
            help="Where the different volumes are kept for the next time.  [default: the cache"
            " folder of the user]"
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Table of what was complete when.  [default: OUT.rig.csv]"),
    ] = None,
    delay: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds between the opening of OUT and the first volume."),
    ] = 0.0,
    wait: Annotated[
        float, typer.Option(min=0.0, help="Seconds that a reader at the network is waited for.")
    ] = 60.0,
) -> None:
    """Play a virtual or recorded worm as a microscope hands its volumes over, at the true rate.

    Start `acll run --live` first, in another terminal. The disk holds the newest volumes only.
    """
    from napari_acll.rig import RigPlan, RouteName, play_film, route_of

    if route is not None and route not in set(RouteName):
        raise RecordingError(f"There is no route {route!r}; choose {', '.join(RouteName)}.")
    plan = RigPlan(
        out=out,
        route=route_of(out) if route is None else RouteName(route),
        n_volumes=volumes,
        period_s=period,
        n_kept=keep,
        faults=tuple(fault or ()),
        log=log or _log_beside(out),
        wait_s=wait,
        delay_s=delay,
    )
    played = recording or f"simulated:geometry={geometry},seed={seed},volumes={loop}"
    with _film_of(played, loop, film) as shown:
        shape = " x ".join(map(str, shown.info.shape))
        typer.echo(f"{shown.info.n_volumes} volumes of 2 x {shape} voxels in a loop.")
        with volume_bar(volumes) as advance:
            result = play_film(
                shown, plan, ready=lambda address: typer.echo(f"To {address}."), progress=advance
            )
    typer.echo("\n".join(_lines(result)))
    typer.echo(f"Log: {plan.log}")
    if result.is_interrupted:
        raise typer.Exit(INTERRUPTED)


def _log_beside(out: str) -> Path:
    if "://" in out or out.startswith("shm:"):
        return Path("rig.csv")
    return Path(f"{out}.rig.csv")


def _film_of(recording: str, n_volumes: int, folder: Path | None) -> "Film":
    """Return the film of a recording, which is made when it is asked for the first time."""
    from platformdirs import user_cache_path

    from napari_acll.rig import Film, film_folder, is_film, make_film
    from napari_acll.sources import open_source

    cache = folder or user_cache_path("napari-acll") / "rig"
    place = film_folder(cache, recording, n_volumes)
    if not is_film(place):
        typer.echo(f"Preparing {n_volumes} volumes in {place}, once.")
        source = open_source(recording, SourceSettings())
        try:
            with volume_bar(n_volumes) as advance:
                make_film(source, place, n_volumes, progress=advance)
        finally:
            source.close()
    return Film(place)


def _lines(result: "RigResult") -> list[str]:
    import numpy as np

    left_out = f" ({result.n_left_out} left out)" if result.n_left_out else ""
    lines = [
        f"{result.n_volumes} volumes{left_out}, {result.n_bytes / 1e9:.1f} GB in"
        f" {result.seconds:.1f} s: {result.n_bytes / 1e6 / max(result.seconds, 1e-9):.0f} MB/s;"
        f" {100 * result.core_share:.0f} % of a core."
    ]
    if result.late_ms:
        p50, p99 = np.percentile(result.late_ms, (50, 99))
        lines.append(
            f"Complete after its time: median {p50:.1f} ms, 99 % {p99:.1f} ms, most"
            f" {max(result.late_ms):.1f} ms."
        )
    return lines
