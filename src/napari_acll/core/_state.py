"""States and counters of a session."""

from dataclasses import dataclass
from enum import StrEnum


class SessionState(StrEnum):
    """Where a session stands.

    ``IDLE -> WARMING_UP -> CALIBRATING -> RUNNING -> STOPPING -> FINISHED``, and ``FAILED`` from
    anywhere.
    """

    IDLE = "idle"
    WARMING_UP = "warming up"
    CALIBRATING = "calibrating"
    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether nothing can happen anymore."""
        return self in (SessionState.FINISHED, SessionState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCounters:
    """What became of the volumes of a session; *skipped* and *lost* are different things.

    Parameters
    ----------
    n_read : int
        Volumes that the source gave.
    n_traced : int
        Volumes that were labeled, traced and handed to the writers.
    n_skipped : int
        Volumes that were read but dropped because labeling fell behind; also those that were
        labeled later.
    n_backfilled : int
        Skipped volumes that were labeled later.
    n_lost : int
        Volumes that never came: gaps in the recording.
    n_unlabelable : int
        Volumes that were judged unfit for labeling.
    n_waiting : int
        Volumes in the queue now.
    """

    n_read: int = 0
    n_traced: int = 0
    n_skipped: int = 0
    n_lost: int = 0
    n_unlabelable: int = 0
    n_backfilled: int = 0
    n_waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimings:
    """How long each stage took for one volume, in s; NaN where it did not run."""

    read_s: float
    preprocess_s: float
    wait_s: float
    label_s: float
    trace_s: float
    total_s: float
