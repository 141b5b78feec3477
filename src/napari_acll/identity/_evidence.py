"""What a labeler says of single nuclei, as evidence that can be summed."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Detections

Floats = NDArray[np.float64]

LEAST = 1e-3
"""No volume says less of a name than this: one that is sure and wrong must not outweigh many."""
_MOST_ODDS = 50.0
AGREEMENT = 0.6
"""Part of what one volume says that the next one only repeats: the animal's shape and the light
of its nuclei are the same in all of them. The better one of 0.35 and 0.6 on six virtual animals
(`recipes/measure_identity.py`). Of names over the whole recording 0.45 to 0.8 give as many right,
to half a point; less makes more of them sure and fewer of these right."""


def evidence_of(found: Detections, n_neurons: int) -> Floats:
    """Return what a volume says of each nucleus: whether it has a name, and if so which.

    Only five candidates of a nucleus are known; what they leave is shared by all other names.

    Parameters
    ----------
    found : Detections
        Nuclei of one volume.
    n_neurons : int
        Names of the model.

    Returns
    -------
    ndarray of float64, shape (n, n_neurons + 1)
        Column 0: log odds of "none of these". The others: logarithm of the probability of each
        name, given that it is one of them.
    """
    n = len(found)
    is_known = found.candidate_neuron >= 0
    known = np.where(is_known, found.candidate_probability, 0.0).astype(np.float64)
    n_others = np.maximum(n_neurons + 1 - is_known.sum(1), 1)
    rest = np.clip(1.0 - known.sum(1), 0.0, 1.0) / n_others
    chance = np.repeat(rest[:, None], n_neurons + 1, axis=1).reshape(n, n_neurons + 1)
    rows, columns = np.nonzero(is_known)
    chance[rows, found.candidate_neuron[rows, columns]] = known[rows, columns]
    named = np.maximum(chance[:, 1:].sum(1), 1e-9)
    evidence: Floats = np.log(np.maximum(chance / named[:, None], LEAST))
    odds = np.clip(chance[:, 0] / named, 1 / _MOST_ODDS, _MOST_ODDS)
    evidence[:, 0] = np.log(odds)
    return evidence


def pooled(evidence: Floats, weight: Floats) -> Floats:
    """Return logits of names by all volumes together, column 0 for "none of these".

    The mean of the evidence over volumes, times the number of volumes that would say as much
    if they were independent: `w / (1 + AGREEMENT * (w - 1))`. That a nucleus has no name is
    said by the same reasons in each volume; there a mean is all that can be had.

    Parameters
    ----------
    evidence : ndarray of float64, shape (n, k + 1)
        Sum of what volumes said, see `evidence_of`.
    weight : ndarray of float64, shape (n,)
        Number of volumes in that sum.

    References
    ----------
    Kish, Survey Sampling (1965), section 5.4: the effective size of correlated samples.
    """
    weight = np.maximum(weight, 1e-9)
    n_effective = weight / (1 + AGREEMENT * np.maximum(weight - 1, 0))
    logits: Floats = evidence * (n_effective / weight)[:, None]
    # no logarithm is below 2 * log(LEAST), so this sum cannot vanish
    logits[:, 1:] -= np.log(np.exp(logits[:, 1:]).sum(1, keepdims=True))
    logits[:, 0] = evidence[:, 0] / weight
    return logits
