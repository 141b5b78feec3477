"""How long a folder could not be reached."""

from pathlib import Path

from napari_acll.core import RecordingError
from napari_acll.sources._awake_clock import AwakeClock
from napari_acll.sources._errors import reason_of
from napari_acll.sources._live_notes import LiveNotes


class Outage:
    """A clock that stands while a folder cannot be reached.

    Parameters
    ----------
    folder : Path
        The folder.
    patience_s : float
        How long it is waited for, in s.
    notes : LiveNotes
        Is told when the folder is back.
    """

    def __init__(self, folder: Path, patience_s: float, notes: LiveNotes) -> None:
        self._folder = folder
        self._patience_s = patience_s
        self._notes = notes
        self._clock = AwakeClock(notes.tell)
        self._began_s: float | None = None
        self._total_s = 0.0

    def clock_s(self) -> float:
        """Return the time without all outages, in s."""
        now_s = self._clock.now_s() if self._began_s is None else self._began_s
        return now_s - self._total_s

    def go_on(self, error: OSError) -> None:
        """Take note that the folder cannot be reached.

        Raises
        ------
        RecordingError
            If that has gone on for too long.
        """
        now_s = self._clock.now_s()
        if self._began_s is None:
            self._began_s = now_s
        if now_s - self._began_s >= self._patience_s:
            raise RecordingError(
                f"{self._folder} could not be reached for {self._patience_s:g} s"
                f" ({reason_of(error)}); check the disk or the network share. What came before"
                " is kept."
            ) from error

    def end(self) -> None:
        """Take note that the folder can be reached."""
        if self._began_s is None:
            return
        outage_s = self._clock.now_s() - self._began_s
        self._total_s += outage_s
        self._began_s = None
        self._notes.tell(
            f"{self._folder} could not be reached for {outage_s:.1f} s; nothing was given up"
            " meanwhile."
        )
