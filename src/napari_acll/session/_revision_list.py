"""Which names a refinement changed, and why."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import CorrectionState, Detections, NeuronTable

if TYPE_CHECKING:
    from napari_acll.export import Revision, RevisionReason
    from napari_acll.identity import RefinedNames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Changes:
    """All detections of a session, by nucleus and then by volume: columns of a table."""

    nucleus: NDArray[np.int64]
    index: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    probability: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        before: Mapping[int, Detections],
        after: Mapping[int, Detections],
        names: "RefinedNames",
    ) -> "_Changes":
        nothing = np.zeros(0, np.int64)
        index = [np.full(len(found), number) for number, found in before.items()]
        columns = {
            "nucleus": np.concatenate([nothing, *names.nuclei.rows]),
            "index": np.concatenate([nothing, *index]),
            "before": np.concatenate([nothing, *(found.neuron for found in before.values())]),
            "after": np.concatenate([nothing, *(found.neuron for found in after.values())]),
            "probability": np.concatenate(
                [np.zeros(0), *(found.probability for found in after.values())]
            ),
        }
        order = np.lexsort((columns["index"], columns["nucleus"]))
        return cls(**{name: column[order] for name, column in columns.items()})

    def runs(self) -> list[slice]:
        """Return the rows of each change: a nucleus in volumes in a row with the same names."""
        is_first = np.ones(len(self.nucleus), np.bool_)
        is_first[1:] = self.nucleus[1:] < 0  # detections of no nucleus stand by themselves
        for column in (self.nucleus, self.before, self.after):
            is_first[1:] |= column[1:] != column[:-1]
        starts = np.flatnonzero(is_first)
        stops = np.append(starts[1:], len(self.nucleus))
        is_change = self.before[starts] != self.after[starts]
        return [
            slice(int(start), int(stop))
            for start, stop in zip(starts[is_change], stops[is_change], strict=True)
        ]


def revisions_of(
    before: Mapping[int, Detections],
    after: Mapping[int, Detections],
    names: "RefinedNames",
    *,
    neurons: NeuronTable,
    states: Mapping[int, CorrectionState],
    certain: Set[int],
) -> "list[Revision]":
    """Return every change of a name, volumes in a row with the same change as one.

    Parameters
    ----------
    before, after : mapping of int to Detections
        Each volume as it was recorded and as it is now, ascending.
    names : RefinedNames
        What was found out of them, in the same order.
    neurons : NeuronTable
        Of the model.
    states : mapping of int to CorrectionState
        What a person wanted in each volume.
    certain : set of int
        Class numbers that a person vouched for.

    Returns
    -------
    list of Revision
        By their first volumes.
    """
    from napari_acll.export import Revision

    changes = _Changes.of(before, after, names)
    said = np.zeros((len(names.nuclei) + 1, len(neurons) + 1), np.int64)  # the last row: none
    np.add.at(said, (changes.nucleus, changes.before), 1)
    called = ("", *neurons.names)
    found = []
    for run in changes.runs():
        first = run.start
        nucleus, index = int(changes.nucleus[first]), int(changes.index[first])
        old, new = int(changes.before[first]), int(changes.after[first])
        usual = int(names.neuron[nucleus]) if nucleus >= 0 else 0
        is_muted = new == 0 and called[usual] in states[index].muted
        found.append(
            Revision(
                first_index=index,
                last_index=int(changes.index[run.stop - 1]),
                n_volumes=run.stop - first,
                nucleus=nucleus,
                before=called[old],
                after=called[new],
                probability=float(changes.probability[run].mean()),
                why=_why(new, usual, is_muted=is_muted, is_certain=bool({old, new} & certain)),
                n_said_before=int(said[nucleus, old]) if nucleus >= 0 else 0,
                n_said_after=int(said[nucleus, new]) if nucleus >= 0 else 0,
            )
        )
    return sorted(found, key=lambda item: (item.first_index, item.before, item.after))


def _why(new: int, usual: int, *, is_muted: bool, is_certain: bool) -> "RevisionReason":
    from napari_acll.export import RevisionReason

    if is_muted:
        return RevisionReason.MUTE
    if is_certain:
        return RevisionReason.CORRECTION
    return RevisionReason.EVIDENCE if new in (usual, 0) else RevisionReason.ABSENCE
