"""What is played, where to, and what came of it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from napari_acll.core import RecordingError
from napari_acll.rig._film import FilmInfo
from napari_acll.rig._holes import can_free_parts

_HEAD_BYTES = 4096
_RESERVE_BYTES = 1 << 28


class RouteName(StrEnum):
    """The ways in which a microscope hands its volumes over."""

    ND2 = "nd2"
    FOLDER = "folder"
    SHM = "shm"
    ZMQ = "zmq"


@dataclass(frozen=True, slots=True, kw_only=True)
class RigPlan:
    """One recording to play.

    Parameters
    ----------
    out : str
        File, folder, `shm:NAME` or `tcp://HOST:PORT`.
    route : RouteName
        How.
    n_volumes : int
        Length of the recording.
    period_s : float or None
        From one volume to the next; None: as the film was recorded.
    n_kept : int
        Volumes that stay on the disk behind the newest one.
    faults : sequence of str
        See `FaultPlan`.
    log : Path
        Table of what was complete when.
    wait_s : float
        How long a reader is waited for, where it can be told whether there is one.
    delay_s : float
        From when the file, folder or address is there to when the first volume begins.
    """

    out: str
    route: RouteName
    n_volumes: int
    period_s: float | None = None
    n_kept: int = 20
    faults: Sequence[str] = ()
    log: Path
    wait_s: float = 60.0
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RigResult:
    """What was played.

    Parameters
    ----------
    n_volumes : int
        Volumes that were handed over.
    n_left_out : int
        Volumes that were dropped on request.
    n_bytes : int
        Bytes of pixels.
    seconds : float
        How long it took.
    late_ms : sequence of float
        How long after its time each volume was complete.
    core_share : float
        Computing time by the time it took; 1 is a whole core.
    is_interrupted : bool
        Whether the user ended it.
    """

    n_volumes: int
    n_left_out: int
    n_bytes: int
    seconds: float
    late_ms: Sequence[float]
    core_share: float
    is_interrupted: bool = False


def route_of(out: str) -> RouteName:
    """Return the route that a name asks for; a name without suffix asks for a folder.

    Raises
    ------
    RecordingError
        If the suffix is another one than `.nd2`.
    """
    if out.startswith("shm:"):
        return RouteName.SHM
    if out.startswith("tcp://"):
        return RouteName.ZMQ
    suffix = Path(out).suffix.casefold()
    if suffix not in ("", ".nd2"):
        raise RecordingError(
            f"The name {out} does not tell how volumes are handed over; end it in .nd2, choose a"
            " folder, shm:NAME or tcp://HOST:PORT, or say it with --route."
        )
    return RouteName.ND2 if suffix else RouteName.FOLDER


def kept_on_disk(plan: RigPlan, info: FilmInfo) -> int | None:
    """Return how many volumes are kept behind the newest one, None for all.

    Raises
    ------
    RecordingError
        If the disk is too small for them.
    """
    if plan.route not in (RouteName.ND2, RouteName.FOLDER):
        return None
    folder = Path(plan.out).absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        can_free = plan.route is RouteName.FOLDER or can_free_parts(folder)
        n_free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise RecordingError(f"Cannot write into {folder} ({error.strerror}).") from error
    n_kept = min(plan.n_kept + 1, plan.n_volumes) if can_free else plan.n_volumes
    n_heads = plan.n_volumes * info.shape[0] if plan.route is RouteName.ND2 else 0
    needed = n_kept * info.volume_bytes + n_heads * _HEAD_BYTES + _RESERVE_BYTES
    if needed <= n_free_bytes:
        return plan.n_kept if can_free else None
    way_out = (
        "keep fewer volumes (--keep)"
        if can_free
        else "this file system cannot free the part of a file that was read, so that the whole"
        " recording must fit: play fewer volumes, or one file per volume"
    )
    raise RecordingError(
        f"{plan.out} needs {needed / 1e9:.1f} GB and {n_free_bytes / 1e9:.1f} GB are free;"
        f" {way_out}, or choose another disk."
    )
