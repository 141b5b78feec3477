"""`acll run` and `acll calibrate`."""

import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_acll.cli._options import (
    NZ,
    ActivityChannel,
    AlignmentFile,
    Animal,
    Axes,
    BackfillOption,
    CalibrationVolumes,
    Condition,
    Config,
    Device,
    DropPolicyOption,
    Live,
    MarkerChannel,
    Marks,
    Model,
    Names,
    Notes,
    PaceOption,
    Profile,
    PublishOption,
    Recording,
    Set,
    Strain,
    TakesExisting,
    ZDiscard,
    ZFirst,
)
from napari_acll.cli._progress import display, losses, watch
from napari_acll.cli._quoted import quoted
from napari_acll.cli._resolve import resolve_settings
from napari_acll.core import (
    AcllSettings,
    AlignmentError,
    ChannelAlignment,
    NotBegunError,
    SessionCounters,
    SettingsError,
    VolumeSource,
)

if TYPE_CHECKING:
    from napari_acll.session import Session

INTERRUPTED = 130


def run(
    recording: Recording,
    out: Annotated[Path, typer.Option("--out", help="The session folder to make.")],
    model: Model = None,
    names: Names = None,
    config: Config = None,
    profile: Profile = None,
    device: Device = None,
    live: Live = None,
    takes_existing: TakesExisting = None,
    rearm: Annotated[
        bool,
        typer.Option(
            "--rearm",
            help="With --live: when a recording is over, wait for the next; OUT-2 and so on.",
        ),
    ] = False,
    pace: PaceOption = None,
    drop_policy: DropPolicyOption = None,
    backfill: BackfillOption = None,
    publish: PublishOption = None,
    marks: Marks = None,
    marker_channel: MarkerChannel = None,
    activity_channel: ActivityChannel = None,
    calibration_volumes: CalibrationVolumes = None,
    alignment: AlignmentFile = None,
    n_z: NZ = None,
    z_first: ZFirst = None,
    z_discard: ZDiscard = None,
    axes: Axes = None,
    animal: Animal = None,
    strain: Strain = None,
    condition: Condition = None,
    notes: Notes = None,
    set_: Set = None,
) -> None:
    """Label and trace a recording; leaves a session folder.

    Channels and volumes are counted from 0. With --live the recording is followed while the
    microscope writes it, and ends by itself. After Ctrl+C the session is closed and keeps what
    was traced.
    """
    settings = resolve_settings(locals())
    run_it = run_sessions if rearm else run_session
    if not run_it(recording, settings=settings, out=out):
        raise typer.Exit(INTERRUPTED)


def run_sessions(recording: str, *, settings: AcllSettings, out: Path) -> bool:
    """Run a session for each recording that begins; False if the user interrupted one.

    Raises
    ------
    SettingsError
        If recordings are not to be followed live.
    NotBegunError
        If not even a first one begins.
    """
    live = settings.source.live
    if not live.is_live:
        raise SettingsError("--rearm waits for recordings to come; give --live, too.")
    if not run_session(recording, settings=settings, out=out):
        return False
    armed = live.model_copy(update={"takes_existing": False})
    source = settings.source.model_copy(update={"live": armed})
    settings = settings.model_copy(update={"source": source})
    try:
        while run_session(recording, settings=settings, out=_free(out)):
            pass
    except NotBegunError as error:
        typer.echo(f"No further recording: {error}")
        return True
    return False


def _free(out: Path) -> Path:
    """Return the name of the next session, which nothing has yet."""
    names = (out.with_name(f"{out.stem}-{number}{out.suffix}") for number in count(2))
    return next(path for path in names if not path.exists())


def run_session(recording: str, *, settings: AcllSettings, out: Path) -> bool:
    """Run a session to its end and say what came of it; False if it was interrupted."""
    from napari_acll.session import build_session

    if settings.source.live.is_live:
        wait_s = settings.source.live.start_timeout_s
        typer.echo(f"Waiting up to {wait_s:g} s for {recording} to begin.", err=True)

    def say(_kind: str, message: str) -> None:
        typer.echo(message, err=True)

    return run_to_end(build_session(recording, settings=settings, out=out, tell=say), out)


def run_to_end(session: "Session", out: Path) -> bool:
    """Run a session that was not started to its end; False if it was interrupted."""
    n_before = session.counters.n_traced
    begun_s = time.perf_counter()

    def restart_clock(kind: str, _message: str) -> None:
        nonlocal begun_s
        if kind == "ready":  # what warming up takes says nothing about a long recording
            begun_s = time.perf_counter()

    session.event.connect(restart_clock)
    is_complete = watch(session, n_volumes=session.source.spec.n_volumes)
    seconds = time.perf_counter() - begun_s
    typer.echo(f"Session {out}: {_summary(session.counters, n_before, seconds)}.")
    if session.deadlines.deadline_s is not None and session.deadlines.sentence():
        typer.echo(session.deadlines.sentence())
    if session.alignment is not None:
        typer.echo(f"Alignment of the channels: {alignment_sentence(session.alignment)}.")
    if is_complete:
        typer.echo(f"Next: acll export {quoted(out)} traces.csv")
    return is_complete


def _summary(counters: SessionCounters, n_before: int, seconds: float) -> str:
    n_now = counters.n_traced + counters.n_backfilled - n_before
    speed = n_now / seconds if seconds > 0 else 0.0
    return (
        f"{counters.n_traced} volumes traced{losses(counters)}, {speed:.2f} per second once warm"
    )


def alignment_sentence(alignment: ChannelAlignment) -> str:
    """Return an alignment in words, without a full stop."""
    moved = (
        f"shift {alignment.dy_um:.3f} um in y and {alignment.dx_um:.3f} um in x, rotation"
        f" {alignment.theta_deg:.3f} degrees"
    )
    trust = "trusted" if alignment.is_trusted else "NOT trusted"
    note = f" ({alignment.note.rstrip('.')})" if alignment.note else ""
    return f"{moved}; {alignment.origin}, {trust}{note}"


def calibrate(
    recording: Recording,
    out: Annotated[Path, typer.Option("--out", help="The alignment file to write (.json).")],
    config: Config = None,
    profile: Profile = None,
    marker_channel: MarkerChannel = None,
    activity_channel: ActivityChannel = None,
    calibration_volumes: CalibrationVolumes = None,
    n_z: NZ = None,
    z_first: ZFirst = None,
    z_discard: ZDiscard = None,
    axes: Axes = None,
    set_: Set = None,
) -> None:
    """Estimate how the two channels of a recording lie on each other; leaves an alignment file.

    Give the file to `acll run --alignment` for other recordings of the same rig.
    """
    from napari_acll.preprocess import save_alignment

    result = _calibrated(recording, resolve_settings(locals()))
    if not result.is_trusted:
        raise AlignmentError(
            "The channels could not be aligned well enough to be trusted"
            f" ({result.note.rstrip('.') or 'no agreement'}); nothing was saved. Use a recording"
            " with more cells that both channels show."
        )
    save_alignment(result, out)
    typer.echo(f"Alignment {out}: {alignment_sentence(result)}.")


def _calibrated(recording: str, settings: AcllSettings) -> ChannelAlignment:
    from napari_acll.session import calibrate_recording

    with display(None) as shown:

        def tell(source: VolumeSource) -> None:
            for note in source.notes:
                shown.note(note)

        report = calibrate_recording(recording, settings, opened=tell)
    return ChannelAlignment.identity() if report is None else report.alignment
