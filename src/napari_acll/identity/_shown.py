"""Names and probabilities as they are shown, from those of pooled evidence."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Detections
from napari_acll.naming import top_candidates

Floats = NDArray[np.float64]


def shown_probabilities(
    chance: Floats, neuron: NDArray[np.integer], *, gain: float, offset: float
) -> Floats:
    """Return probabilities of which those of given names are as calibrated for pooled evidence.

    Parameters
    ----------
    chance : ndarray of float64, shape (n, k + 1)
        By pooled evidence, column 0 for "none of these".
    neuron : ndarray of int, shape (n,)
        Names that are given, 0 for none.
    gain, offset : float
        From the logit of a pooled probability to the shown one.
    """
    named = np.flatnonzero(neuron > 0)
    given = neuron[named]
    before = np.clip(chance[named, given], 1e-6, 1 - 1e-6)
    logit = gain * (np.log(before) - np.log1p(-before)) + offset
    after = 1 / (1 + np.exp(-logit))
    shown = chance.copy()
    shown[named] *= ((1 - after) / (1 - before))[:, None]
    shown[named, given] = after
    return shown


def renamed(found: Detections, neuron: NDArray[np.integer], shown: Floats) -> Detections:
    """Return detections with other names and their probabilities.

    Parameters
    ----------
    found : Detections
        As labeled.
    neuron : ndarray of int, shape (n,)
        The names, 0 for none.
    shown : ndarray of float64, shape (n, k + 1)
        The probabilities.
    """
    candidate_neuron, candidate_probability = top_candidates(shown)
    given = np.where(neuron > 0, shown[np.arange(len(neuron)), neuron], 0.0)
    return replace(
        found,
        neuron=neuron.astype(np.int32),
        probability=given.astype(np.float32),
        candidate_neuron=candidate_neuron,
        candidate_probability=candidate_probability,
    )
