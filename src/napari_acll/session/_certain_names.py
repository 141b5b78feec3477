"""The corrections of a session as names that hold for the whole recording."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_acll.core import Correction, CorrectionKind, Corrections, NeuronTable

if TYPE_CHECKING:
    from napari_acll.identity import CertainName

_LOOKED_AT = 10
"""Volumes after a correction in which its name is on the nucleus that the person looked at: later
the live session may have given it to another one."""


def history_of(corrections: Sequence[Correction], neurons: NeuronTable) -> Corrections:
    """Return the corrections of a session that is over.

    Parameters
    ----------
    corrections : sequence of Correction
        In the order in which they were made.
    neurons : NeuronTable
        Of the model.

    Raises
    ------
    CorrectionError
        If they are not those of a session with this model.
    """
    history = Corrections(neurons)
    history.restore(corrections, next_index=0)
    return history


def certain_names(history: Corrections, indices: Sequence[int]) -> "list[CertainName]":
    """Return the names that pins, renamings and swaps, none of them undone, vouch for.

    Parameters
    ----------
    history : Corrections
        Of the session.
    indices : sequence of int
        Numbers of the volumes that are refined, ascending.

    Returns
    -------
    list of CertainName
        In the order in which the corrections were made; positions are those in `indices`.
    """
    from napari_acll.identity import CertainName

    holding = history.holding
    found = []
    for number, correction in enumerate(holding):
        names = _vouched_for(correction, history)
        later = (item.from_index for item in holding[number + 1 :] if names & _touched(item))
        first = bisect_left(indices, correction.from_index)
        stop = min([first + _LOOKED_AT, *(bisect_left(indices, index) for index in later)])
        found += [
            CertainName(neuron=history.neurons.class_number(name), first=first, stop=stop)
            for name in sorted(names)
        ]
    return found


def _vouched_for(correction: Correction, history: Corrections) -> set[str]:
    kind = correction.kind
    if kind is CorrectionKind.PIN and correction.name in history.state.pinned:
        return {correction.name}
    if kind is CorrectionKind.RENAME:
        return {correction.new_name}
    if kind is CorrectionKind.SWAP:
        return {correction.name, correction.new_name}
    return set()


def _touched(correction: Correction) -> set[str]:
    if correction.kind in (CorrectionKind.RENAME, CorrectionKind.SWAP):
        return {correction.name, correction.new_name}
    return set()
