"""Detections with the names that a person corrected."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_acll.core._correction import Correction, CorrectionKind, CorrectionState
from napari_acll.core._labels import Detections
from napari_acll.core._neurons import BACKGROUND, NeuronTable


def corrected(detections: Detections, state: CorrectionState, neurons: NeuronTable) -> Detections:
    """Return detections with the corrections that hold.

    Swapping exchanges two names wherever they stand, with their probabilities. Renaming makes two
    names one: if both stand in a volume, the renamed neuron has it and the other one loses its
    name; where a probability is known for both, it is their sum. A muted name becomes none; the
    candidates of the detection stay, as what the model said.

    Parameters
    ----------
    detections : Detections
        As the model, or the identity filter, left them; they are not changed.
    state : CorrectionState
        The corrections that hold.
    neurons : NeuronTable
        The neurons of the model, which knows all names in `state`.
    """
    for renaming in state.renamings:
        change = _swapped if renaming.kind is CorrectionKind.SWAP else _renamed
        detections = change(detections, *_numbers(renaming, neurons))
    if state.muted:
        detections = _muted(detections, [neurons.class_number(name) for name in state.muted])
    return detections


def _numbers(renaming: Correction, neurons: NeuronTable) -> tuple[int, int]:
    return neurons.class_number(renaming.name), neurons.class_number(renaming.new_name)


def _muted(detections: Detections, numbers: list[int]) -> Detections:
    is_muted = np.isin(detections.neuron, numbers)
    return replace(
        detections,
        neuron=np.where(is_muted, np.int32(BACKGROUND), detections.neuron),
        probability=np.where(is_muted, np.float32(0), detections.probability),
    )


def _swapped(detections: Detections, one: int, other: int) -> Detections:
    def exchanged(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        swapped = np.where(numbers == one, other, np.where(numbers == other, one, numbers))
        return swapped.astype(np.int32)

    return replace(
        detections,
        neuron=exchanged(detections.neuron),
        candidate_neuron=exchanged(detections.candidate_neuron),
    )


def _renamed(detections: Detections, old: int, new: int) -> Detections:
    neuron, probability = detections.neuron, detections.probability
    is_old, is_new = neuron == old, neuron == new
    # one name stands for both now, so the chance of the one that was not given counts, too
    more = np.where(is_old, _chance_of(detections, new), _chance_of(detections, old))
    probability = np.where(is_old | is_new, np.minimum(probability + more, 1.0), probability)
    loses = is_new & bool(is_old.any())
    candidates, chances = _merged_candidates(detections, old, new)
    return replace(
        detections,
        neuron=np.where(loses, BACKGROUND, np.where(is_old, new, neuron)).astype(np.int32),
        probability=np.where(loses, 0.0, probability).astype(np.float32),
        candidate_neuron=candidates,
        candidate_probability=chances,
    )


def _chance_of(detections: Detections, number: int) -> NDArray[np.float32]:
    """Return the probability of a class among the candidates of each detection, 0 if not there."""
    is_it = detections.candidate_neuron == number
    chance = np.where(is_it, detections.candidate_probability, np.float32(0)).sum(axis=1)
    return np.asarray(chance, np.float32)


def _merged_candidates(
    detections: Detections, old: int, new: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the candidates with two classes as one, most probable first again."""
    candidate, chance = detections.candidate_neuron, detections.candidate_probability
    is_either = np.isin(candidate, (old, new))
    is_first = is_either & (np.cumsum(is_either, axis=1) == 1)
    both = np.where(is_either, chance, np.float32(0)).sum(axis=1, keepdims=True)
    chance = np.where(is_first, both, np.where(is_either, np.nan, chance))
    candidate = np.where(is_first, new, np.where(is_either, -1, candidate))
    order = np.argsort(np.where(np.isnan(chance), np.inf, -chance), axis=1, kind="stable")
    return (
        np.take_along_axis(candidate, order, axis=1).astype(np.int32),
        np.take_along_axis(chance, order, axis=1).astype(np.float32),
    )
