"""Names of the nuclei of a recording, by what all of its volumes say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Detections
from napari_acll.identity._evidence import evidence_of, pooled
from napari_acll.identity._offline_nuclei import FoundNuclei, LinkedNuclei, link_nuclei
from napari_acll.identity._shown import renamed, shown_probabilities
from napari_acll.naming import assign_names, name_probabilities

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_GAIN, _OFFSET = 0.79, 0.31
"""From the logit of a pooled probability to the shown one; fitted by
`recipes/measure_refine.py --fit` on six virtual animals. Fitted anew on all but one of twenty
animals of all rigs, it is 0.82 and 0.23, and no better for that one."""
_STEADINESS = 3.0
"""Advantage of the name that a nucleus has in the whole recording, in log probability."""
_CERTAIN = 50.0
VOUCHED = 0.99
"""Probability of a name that a person vouched for: one detection in a hundred is linked wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertainName:
    """A name that a person gave, or vouched for.

    Parameters
    ----------
    neuron : int
        Class number.
    first, stop : int
        Positions of the volumes in which whatever has this name is that neuron.
    """

    neuron: int
    first: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefinedNames:
    """The names that a whole recording supports.

    Parameters
    ----------
    detections : list of Detections
        The same nuclei as given, volume by volume, with these names.
    nuclei : LinkedNuclei
        Which detections are of one nucleus.
    neuron : ndarray of int32, shape (n,)
        Name of each of them, as a class number; 0 for none.
    probability : ndarray of float32, shape (n,)
        Of the name.
    not_found : tuple of int
        Class numbers of certain names that no nucleus had.
    """

    detections: list[Detections]
    nuclei: LinkedNuclei
    neuron: NDArray[np.int32]
    probability: NDArray[np.float32]
    not_found: tuple[int, ...]


def refine_names(
    volumes: Sequence[FoundNuclei],
    n_neurons: int,
    *,
    certain: Sequence[CertainName] = (),
    tell: Callable[[int], None] = lambda _n_done: None,
) -> RefinedNames:
    """Return the names of all volumes by all volumes, earlier and later ones.

    Detections are linked to nuclei of the recording (`link_nuclei`), and what all volumes say of a
    nucleus is added up, as far as they do not repeat each other. Each name goes to one nucleus of
    the recording, which then has it in each volume in which it is found, unless nuclei that are
    not found there made it have another one. Volumes whose motion cannot be told keep their names.

    Parameters
    ----------
    volumes : sequence of FoundNuclei
        In order of time.
    n_neurons : int
        Names of the model.
    certain : sequence of CertainName
        What a person said; later ones hold against earlier ones.
    tell : callable
        Called with the number of steps done, of `n_steps(volumes)` in all.
    """
    nuclei = link_nuclei(volumes, n_neurons, tell=tell)
    given, not_found = _given(volumes, nuclei, certain)
    logits = _with_given(_pooled(volumes, nuclei, n_neurons), given)
    chance = name_probabilities(logits, temperature=1.0, none_bias=0.0)
    neuron, probability = assign_names(chance)
    whole = _WholeRecording(logits, neuron, given)
    return RefinedNames(
        detections=[
            whole.named(volume.detections, rows, n_neurons) if is_placed else volume.detections
            for volume, rows, is_placed in zip(volumes, nuclei.rows, nuclei.is_placed, strict=True)
        ],
        nuclei=nuclei,
        neuron=neuron,
        probability=probability,
        not_found=not_found,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _WholeRecording:
    """What all volumes say of the nuclei, to be used in each of them.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, k + 1)
        Pooled, column 0 for "none of these".
    neuron : ndarray of int32, shape (n,)
        Names for the whole recording.
    given : dict
        Certain names, by nucleus.
    """

    logits: Floats
    neuron: NDArray[np.int32]
    given: dict[int, int]

    def named(self, found: Detections, rows: Integers, n_neurons: int) -> Detections:
        """Return the detections of a volume with names: those that are in it share all names.

        A name whose nucleus is not found in this volume may go to another one that the recording
        has a weaker reason for, unless a person gave it.
        """
        linked = np.maximum(rows, 0)
        alone = evidence_of(found, n_neurons)
        if len(self.logits):
            logits = np.where(rows[:, None] >= 0, self.logits[linked], alone)
            usual = np.where(rows >= 0, self.neuron[linked], 0)
        else:
            logits, usual = alone, np.zeros(len(found), np.int32)
        certain = np.array([self.given.get(int(row), 0) for row in rows], np.int32)
        is_other = certain[:, None] != np.array(list(self.given.values()), np.int32)
        columns = list(self.given.values())
        logits[:, columns] = np.where(is_other, -_CERTAIN, logits[:, columns])
        chance = name_probabilities(logits, temperature=1.0, none_bias=0.0)
        held = chance.copy()
        named = np.flatnonzero(usual > 0)
        held[named, usual[named]] *= np.exp(_STEADINESS)
        neuron, _ = assign_names(held)
        shown = shown_probabilities(chance, neuron, gain=_GAIN, offset=_OFFSET)
        return renamed(found, neuron, _vouched(shown, certain))


def _vouched(shown: Floats, certain: NDArray[np.int32]) -> Floats:
    """Return probabilities in which certain names are as sure as links are."""
    rows = np.flatnonzero(certain > 0)
    names = certain[rows]
    shown[rows] *= ((1 - VOUCHED) / np.maximum(1 - shown[rows, names], 1e-9))[:, None]
    shown[rows, names] = VOUCHED
    return shown


def _with_given(logits: Floats, given: dict[int, int]) -> Floats:
    """Return logits in which certain names are those of their nuclei and of no others."""
    for row, neuron in given.items():
        logits[row] = -_CERTAIN
        logits[:, neuron] = -_CERTAIN
        logits[row, neuron] = 0.0
    return logits


def _pooled(volumes: Sequence[FoundNuclei], nuclei: LinkedNuclei, n_neurons: int) -> Floats:
    """Return logits of names by all volumes together, column 0 for "none of these"."""
    total, weight = np.zeros((len(nuclei), n_neurons + 1)), np.zeros(len(nuclei))
    for volume, rows in zip(volumes, nuclei.rows, strict=True):
        linked = np.flatnonzero(rows >= 0)
        total[rows[linked]] += evidence_of(volume.detections, n_neurons)[linked]
        weight[rows[linked]] += 1
    return pooled(total, weight)


def _given(
    volumes: Sequence[FoundNuclei], nuclei: LinkedNuclei, certain: Sequence[CertainName]
) -> tuple[dict[int, int], tuple[int, ...]]:
    """Return the certain name of each nucleus that has one, and those that no nucleus had."""
    name_of: dict[int, int] = {}
    not_found = []
    for item in certain:
        row = _nucleus_called(volumes, nuclei, item)
        if row is None:
            not_found.append(item.neuron)
            continue
        name_of = {
            other: name for other, name in name_of.items() if other != row and name != item.neuron
        }
        name_of[row] = item.neuron
    return name_of, tuple(not_found)


def _nucleus_called(
    volumes: Sequence[FoundNuclei], nuclei: LinkedNuclei, item: CertainName
) -> int | None:
    """Return the nucleus that has a name most often in some volumes, None if none has."""
    votes = np.zeros(len(nuclei), np.int64)
    for number in range(item.first, min(item.stop, len(volumes))):
        rows = nuclei.rows[number][volumes[number].detections.neuron == item.neuron]
        votes[rows[rows >= 0]] += 1
    return int(votes.argmax()) if votes.any() else None
