"""A writer that may be unable to write for a while, and what waits for it."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from napari_acll.core import RunSettings, SessionWriter
from napari_acll.session._outbox import Aligned, Corrected, Event, Item, Traced

_log = logging.getLogger(__name__)

RETRY_S = 1.0
"""Time between two tries to write: often enough for a person, seldom enough for a dead share."""
_HOLD_ON_S = 5.0
"""A hiccup of a disk or share is over by then; after it, results go to the fallback folder."""
_LIVE_WAIT_S = 600.0
_SAMPLE_BYTES = 20_000
"""The values of one volume, without its label map."""
_BYTES_PER_MB = 1_000_000

Fallback: TypeAlias = Callable[[], SessionWriter | None]
"""Makes the writer of another folder; None if there is no other place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a writer that cannot write is tried again, and what may wait meanwhile.

    Parameters
    ----------
    wait_s : float
        Time until it is given up, in s; 0: at the first error.
    spool_mb : float
        Memory for what waits, in MB.
    fallback : callable, optional
        Makes the writer of another folder.
    """

    wait_s: float = 0.0
    spool_mb: float = 1024.0
    fallback: Fallback | None = None


def patience_of(run: RunSettings, *, is_live: bool, fallback: Fallback | None) -> Patience:
    """Return how long a writer is tried again; a replay can be repeated, a recording cannot.

    Parameters
    ----------
    run : RunSettings
        The settings.
    is_live : bool
        Whether the source is live.
    fallback : callable, optional
        Makes the writer of another folder.
    """
    usual_s = _LIVE_WAIT_S if is_live else 0.0
    wait_s = usual_s if run.disk_wait_s is None else run.disk_wait_s
    return Patience(wait_s=wait_s, spool_mb=run.spool_mb, fallback=fallback)


class Sink:
    """Hands items to one writer in order; what cannot be written waits in memory.

    Only what the operating system refuses is tried again: a full disk may be cleared, a share may
    come back. Any other error of a writer is raised at once.

    Parameters
    ----------
    writer : SessionWriter
        Where results are kept.
    patience : Patience
        How long it is tried again.
    tell : callable
        Called with an event that cannot wait until it is written, too.
    clock_s : callable
        Monotonic time in s.
    """

    def __init__(
        self,
        writer: SessionWriter,
        patience: Patience,
        *,
        tell: Callable[[Event], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.writer = writer
        self.n_kept = 0
        self._patience = patience
        self._fallback = patience.fallback
        self._tell = tell
        self._clock_s = clock_s
        self._waiting: deque[tuple[Item, bool]] = deque()
        self._lasting: list[Item] = []
        self._n_bytes = 0
        self._n_without_labels = 0
        self._stalled_s: float | None = None
        self._tried_s = 0.0

    @property
    def is_stalled(self) -> bool:
        """Whether the last try failed and another one is due."""
        return self._stalled_s is not None

    @property
    def is_full(self) -> bool:
        """Whether nothing more may wait: even without label maps the memory is used up."""
        return self.is_stalled and self._n_bytes > self._patience.spool_mb * _BYTES_PER_MB

    def put(self, item: Item) -> None:
        """Add an item and write all that can be written.

        Raises
        ------
        Exception
            If the writer cannot be used any longer.
        """
        self._append(item, is_counted=True)
        self.flush()

    def flush(self) -> None:
        """Write what waits, if it is time to try.

        Raises
        ------
        Exception
            If the writer cannot be used any longer; what waits is lost.
        """
        now_s = self._clock_s()
        if self._stalled_s is not None and now_s - self._tried_s < RETRY_S:
            return
        self._tried_s = now_s
        try:
            self._write_all()
        except Exception as error:
            if not _is_refused_by_the_system(error):
                raise
            self._hold_on(error, now_s)
        else:
            self._mention_recovery(now_s)

    def _write_all(self) -> None:
        while self._waiting:
            item, is_counted = self._waiting[0]
            item.hand_to(self.writer)
            self._waiting.popleft()
            self._n_bytes -= _bytes_of(item)
            self.n_kept += is_counted
            if isinstance(item, Aligned | Corrected):
                self._lasting.append(item)

    def _hold_on(self, error: Exception, now_s: float) -> None:
        if self._stalled_s is None and self._patience.wait_s > 0:
            self._stalled_s = now_s
            self._note(
                f"{_without_advice(error)} What is traced waits in memory and is tried again for"
                f" {self._patience.wait_s:g} s: free space or bring the disk back."
            )
        stalled_s = now_s if self._stalled_s is None else self._stalled_s
        if now_s - stalled_s >= min(_HOLD_ON_S, self._patience.wait_s) and self._moved_on():
            return
        if now_s - stalled_s >= self._patience.wait_s:
            raise error

    def _moved_on(self) -> bool:
        """Go on with another writer if there is one; return whether there is."""
        if self._fallback is None:
            return False
        try:
            writer = self._fallback()
        except Exception:  # noqa: BLE001  a place that is no better is no reason to give up
            _log.debug("There is no other place for the session.", exc_info=True)
            return False
        if writer is None:
            return False
        before, self.writer, self._fallback = self.writer, writer, None
        _close_quietly(before)
        place = getattr(writer, "path", "another place")
        self._waiting.extendleft((item, False) for item in reversed(self._lasting))
        self._lasting.clear()
        self._note(
            f"The session goes on in {place}; what was written before stays where it is. Export"
            " both."
        )
        self._tried_s -= RETRY_S  # at once
        self.flush()
        return True

    def _mention_recovery(self, now_s: float) -> None:
        if self._stalled_s is None:
            return
        seconds, self._stalled_s = now_s - self._stalled_s, None
        without = (
            f", but {self._n_without_labels} of them without their label maps"
            if self._n_without_labels
            else ""
        )
        self._n_without_labels = 0
        self._note(
            f"The session folder can be written again after {seconds:.1f} s; all results that"
            f" waited are in it{without}."
        )
        self.flush()

    def _note(self, message: str) -> None:
        event = Event("disk", message, {"n_waiting": len(self._waiting)})
        self._tell(event)
        self._append(event, is_counted=False)

    def _append(self, item: Item, *, is_counted: bool) -> None:
        self._waiting.append((item, is_counted))
        self._n_bytes += _bytes_of(item)
        if self.is_full:
            self._give_up_label_maps()

    def _give_up_label_maps(self) -> None:
        """Drop the oldest label maps until there is room, or none is left."""
        for position, (item, is_counted) in enumerate(self._waiting):
            if not self.is_full:
                return
            if isinstance(item, Traced) and item.keeps_labels:
                bare = replace(item, labeled=item.labeled_without_map(), keeps_labels=False)
                self._n_bytes += _bytes_of(bare) - _bytes_of(item)
                self._n_without_labels += 1
                self._waiting[position] = bare, is_counted


def _bytes_of(item: Item) -> int:
    if not isinstance(item, Traced):
        return 0
    return _SAMPLE_BYTES + (item.labeled.instances.nbytes if item.keeps_labels else 0)


def _is_refused_by_the_system(error: Exception) -> bool:
    return isinstance(error, OSError) or isinstance(error.__cause__, OSError)


def _without_advice(error: Exception) -> str:
    """Return the first part of an error's message: what follows says to start a new session."""
    return str(error).partition(";")[0].rstrip(".") + "."


def _close_quietly(writer: SessionWriter) -> None:
    try:
        writer.close(state="failed")
    except Exception:  # noqa: BLE001  it could not be written before, either
        return
