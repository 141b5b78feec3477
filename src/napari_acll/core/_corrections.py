"""The corrections of one session, and the volumes that they change."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import itemgetter

from napari_acll.core._corrected import corrected
from napari_acll.core._correction import Correction, CorrectionKind, CorrectionState
from napari_acll.core._errors import CorrectionError
from napari_acll.core._labels import LabeledVolume
from napari_acll.core._neurons import NeuronTable


class Corrections:
    """All corrections so far, and which of them hold from which volume on.

    Made by any thread, applied by another: a correction holds from the next volume that is
    corrected on, and for no volume before, whenever that is labeled. Corrections are applied in
    the order in which they were made, each to the names that the ones before it give; mutes last.

    Parameters
    ----------
    neurons : NeuronTable
        The neurons of the model.

    Examples
    --------
    >>> corrections = Corrections(NeuronTable(("AVAL", "AVAR")))
    >>> swap = corrections.add(Correction(kind=CorrectionKind.SWAP, name="AVAL"))
    >>> (swap.new_name, swap.from_index)
    ('AVAR', 0)
    """

    def __init__(self, neurons: NeuronTable) -> None:
        self.neurons = neurons
        self._lock = threading.Lock()
        self._next_index = 0
        self._history: tuple[Correction, ...] = ()
        self._holding: tuple[Correction, ...] = ()
        self._undone: tuple[Correction, ...] = ()
        self._timeline: list[tuple[int, CorrectionState]] = [(0, CorrectionState())]

    @property
    def history(self) -> tuple[Correction, ...]:
        """Everything that was done, in order, undoing and redoing included."""
        return self._history

    @property
    def holding(self) -> tuple[Correction, ...]:
        """The corrections that hold now, in order."""
        return self._holding

    @property
    def undone(self) -> tuple[Correction, ...]:
        """What can be redone, the next one last."""
        return self._undone

    @property
    def state(self) -> CorrectionState:
        """What holds for the next volume."""
        return self._timeline[-1][1]

    def state_at(self, index: int) -> CorrectionState:
        """Return what holds for a volume."""
        timeline = self._timeline
        place = bisect_right(timeline, index, key=itemgetter(0)) - 1
        return timeline[max(place, 0)][1]

    def add(
        self, correction: Correction, keep: Callable[[Correction], bool] | None = None
    ) -> Correction:
        """Let a correction hold from the next volume on.

        Parameters
        ----------
        correction : Correction
            What is corrected.
        keep : callable, optional
            Called with it before any volume is changed; returns False if it cannot be kept.

        Returns
        -------
        Correction
            With the volume from which it holds.

        Raises
        ------
        CorrectionError
            If its names make no sense for this model, there is nothing to undo or redo, or it
            cannot be kept.
        """
        with self._lock:
            complete = self._described(correction.completed(self.neurons))
            last_index = self._history[-1].from_index if self._history else 0
            made = replace(complete, from_index=max(self._next_index, last_index))
            if keep is not None and not keep(made):
                raise CorrectionError(
                    f"The session is over, so it was not kept that {made.phrase()}; correct the"
                    " exported table instead."
                )
            self._take(made)
        return made

    def restore(self, history: Iterable[Correction], *, next_index: int) -> None:
        """Let the corrections of an interrupted session hold as they did.

        Parameters
        ----------
        history : iterable of Correction
            What was done, in order.
        next_index : int
            Number of the volume to go on with.

        Raises
        ------
        CorrectionError
            If they are not those of a session with this model.
        """
        with self._lock:
            for correction in history:
                self._described(correction.completed(self.neurons))
                self._take(correction)
            self._next_index = next_index

    def apply(self, labeled: LabeledVolume) -> LabeledVolume:
        """Return a volume with the corrections that hold for it.

        Parameters
        ----------
        labeled : LabeledVolume
            As the model, or the identity filter, left it; it is not changed.
        """
        with self._lock:
            self._next_index = max(self._next_index, labeled.index + 1)
            state = self.state_at(labeled.index)
        if not state.renamings and not state.muted:
            return labeled
        detections = corrected(labeled.detections, state, self.neurons)
        return replace(labeled, detections=detections, said=labeled.by_model)

    def _described(self, correction: Correction) -> Correction:
        """Say of which correction it is that an undo or redo speaks."""
        if correction.kind is CorrectionKind.UNDO:
            meant, what = self._holding, "undo"
        elif correction.kind is CorrectionKind.REDO:
            meant, what = self._undone, "redo"
        else:
            return correction
        if not meant:
            raise CorrectionError(f"There is no correction to {what}.")
        return replace(correction, note=correction.note or meant[-1].phrase())

    def _take(self, made: Correction) -> None:
        if made.kind is CorrectionKind.UNDO:
            self._holding, self._undone = self._holding[:-1], (*self._undone, self._holding[-1])
        elif made.kind is CorrectionKind.REDO:
            self._holding, self._undone = (*self._holding, self._undone[-1]), self._undone[:-1]
        else:
            self._holding, self._undone = (*self._holding, made), ()
        self._history = (*self._history, made)
        state = CorrectionState.of(self._holding)
        self._timeline = [*self._timeline, (made.from_index, state)]
