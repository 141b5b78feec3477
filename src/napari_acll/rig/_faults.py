"""What goes wrong on request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from napari_acll.core import RecordingError

_FAULT = re.compile(r"([a-z-]+)@(\d+)(?::(\d+(?:\.\d+)?))?")


class FaultKind(StrEnum):
    """What can go wrong, written as `KIND@VOLUME` or `KIND@VOLUME:VALUE`."""

    DROP_FRAME = "drop-frame"
    """A slice is left out; the value is its number."""
    DROP_VOLUME = "drop-volume"
    """A volume is left out."""
    STALL = "stall"
    """Nothing is written for some seconds before the volume, and then all that is due at once."""
    CORRUPT = "corrupt"
    """The head of a frame is damaged; the value is its number."""
    HALF = "half"
    """The middle frame is written half, and the rest after some seconds."""
    LATE = "late"
    """The volume comes some seconds after its turn; those after it come in time."""
    END = "end"
    """The recording is ended before the volume."""
    CRASH = "crash"
    """Writing stops in the middle of the volume, and nothing is finished."""


ALL = frozenset(FaultKind)
WHOLE_VOLUMES = ALL - {FaultKind.CORRUPT, FaultKind.HALF, FaultKind.LATE, FaultKind.CRASH}
"""Faults of a route that hands over whole volumes."""

_SECONDS = {FaultKind.STALL: 2.0, FaultKind.HALF: 1.0, FaultKind.LATE: 1.0}
_SLICES = (FaultKind.DROP_FRAME, FaultKind.CORRUPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFaults:
    """All that goes wrong with one volume.

    Parameters
    ----------
    dropped_z, corrupt_z : tuple of int
        Slices that are left out, and whose head is damaged.
    half_s, stall_s, late_s : float
        Seconds in the middle of the middle frame, before the volume, and after its turn.
    is_dropped, is_end, is_crash : bool
        Whether it is left out, is not recorded anymore, is broken off.
    """

    dropped_z: tuple[int, ...] = ()
    corrupt_z: tuple[int, ...] = ()
    half_s: float = 0.0
    stall_s: float = 0.0
    late_s: float = 0.0
    is_dropped: bool = False
    is_end: bool = False
    is_crash: bool = False

    @property
    def lacking_z(self) -> tuple[int, ...]:
        """Slices of which no good frame is written."""
        return tuple(sorted({*self.dropped_z, *self.corrupt_z}))


class FaultPlan:
    """What goes wrong in a recording.

    Parameters
    ----------
    faults : sequence of str
        `KIND@VOLUME` or `KIND@VOLUME:VALUE`, volumes and slices counted from 0.
    n_z : int
        Slices of a volume; the middle one is meant where none is given.
    possible : set of FaultKind
        What the route can do.

    Raises
    ------
    RecordingError
        If one is not valid, or the route cannot do it.

    Examples
    --------
    >>> plan = FaultPlan(["drop-frame@3:7", "drop-frame@3:9", "stall@5"], n_z=80)
    >>> plan.of(3).dropped_z, plan.of(5).stall_s, plan.names(4)
    ((7, 9), 2.0, '')
    """

    def __init__(
        self, faults: Sequence[str], *, n_z: int, possible: frozenset[FaultKind] = ALL
    ) -> None:
        self._n_z = n_z
        self._by_volume: dict[int, VolumeFaults] = {}
        self._names: dict[int, list[str]] = {}
        for text in faults:
            kind, volume, value = _parse(text)
            if kind not in possible:
                raise RecordingError(
                    f"{text!r} is not possible here; this route knows"
                    f" {', '.join(sorted(possible))}."
                )
            if kind in _SLICES and value is not None and not (value.is_integer() and value < n_z):
                raise RecordingError(f"{text!r} names no slice; slices go from 0 to {n_z - 1}.")
            self._by_volume[volume] = self._with(self.of(volume), kind, value)
            self._names.setdefault(volume, []).append(kind)

    def of(self, volume: int) -> VolumeFaults:
        """Return what goes wrong with a volume."""
        return self._by_volume.get(volume, _NONE)

    def names(self, volume: int) -> str:
        """Return it in words, empty if nothing does."""
        return " ".join(self._names.get(volume, ()))

    def _with(self, known: VolumeFaults, kind: FaultKind, value: float | None) -> VolumeFaults:
        z = self._n_z // 2 if value is None else int(value)
        seconds = _SECONDS.get(kind, 0.0) if value is None else value
        changes: dict[FaultKind, dict[str, object]] = {
            FaultKind.DROP_FRAME: {"dropped_z": (*known.dropped_z, z)},
            FaultKind.DROP_VOLUME: {"is_dropped": True},
            FaultKind.STALL: {"stall_s": seconds},
            FaultKind.CORRUPT: {"corrupt_z": (*known.corrupt_z, z)},
            FaultKind.HALF: {"half_s": seconds},
            FaultKind.LATE: {"late_s": seconds},
            FaultKind.END: {"is_end": True},
            FaultKind.CRASH: {"is_crash": True},
        }
        return replace(known, **changes[kind])  # type: ignore[arg-type]


_NONE = VolumeFaults()


def _parse(text: str) -> tuple[FaultKind, int, float | None]:
    match = _FAULT.fullmatch(text)
    if match is None or match[1] not in set(FaultKind):
        raise RecordingError(
            f"{text!r} is no fault; expected KIND@VOLUME or KIND@VOLUME:VALUE with one of"
            f" {', '.join(FaultKind)}, such as stall@20:5."
        )
    return FaultKind(match[1]), int(match[2]), None if match[3] is None else float(match[3])
