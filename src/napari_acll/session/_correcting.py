"""Corrections of names on their way into the session and its record."""

from dataclasses import replace

from napari_acll.core import Correction, CorrectionKind, Corrections, SteadyClock
from napari_acll.session._outbox import Corrected, Event, Outbox


class Correcting:
    """Stamps corrections and keeps them before they change any volume; waits for nothing.

    What a correction changes is written after it: whatever ends the session, the record holds
    each correction by which a name in it was given.

    Parameters
    ----------
    corrections : Corrections
        Where they hold.
    outbox : Outbox
        Where they are kept.
    clock : SteadyClock
        Wall time.
    """

    def __init__(self, corrections: Corrections, *, outbox: Outbox, clock: SteadyClock) -> None:
        self.corrections = corrections
        self._outbox = outbox
        self._clock = clock

    def add(self, correction: Correction) -> None:
        """Let a correction hold from the next volume on.

        Raises
        ------
        CorrectionError
            If its names make no sense for this model, there is nothing to undo or redo, or the
            session is over.
        """
        self.corrections.add(replace(correction, at_s=self._clock.now_s()), self._keep)

    def undo(self) -> None:
        """Take back the last correction that holds.

        Raises
        ------
        CorrectionError
            If there is none, or the session is over.
        """
        self.add(Correction(kind=CorrectionKind.UNDO))

    def redo(self) -> None:
        """Let what was undone last hold again.

        Raises
        ------
        CorrectionError
            If there is nothing, or the session is over.
        """
        self.add(Correction(kind=CorrectionKind.REDO))

    def _keep(self, correction: Correction) -> bool:
        details = {
            "kind": correction.kind.value,
            "name": correction.name,
            "new_name": correction.new_name,
            "from_index": correction.from_index,
        }
        event = Event("correction", correction.sentence(), details)
        return self._outbox.add(Corrected(correction), event)
