"""What a labeler says of single nuclei, as evidence that can be summed."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Detections

Floats = NDArray[np.float64]

LEAST = 0.005
"""No volume says less of a name than this: one that is sure and wrong must not outweigh many."""


def log_evidence(found: Detections, n_neurons: int) -> Floats:
    """Return the logarithms of the probabilities of all names, each at least `LEAST`.

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
        Column 0 is "none of these".
    """
    n = len(found)
    is_known = found.candidate_neuron >= 0
    known = np.where(is_known, found.candidate_probability, 0.0).astype(np.float64)
    n_others = np.maximum(n_neurons + 1 - is_known.sum(1), 1)
    rest = np.clip(1.0 - known.sum(1), 0.0, 1.0) / n_others
    chance = np.repeat(rest[:, None], n_neurons + 1, axis=1)
    rows, columns = np.nonzero(is_known)
    chance[rows, found.candidate_neuron[rows, columns]] = known[rows, columns]
    evidence: Floats = np.log(np.maximum(chance, LEAST)).reshape(n, n_neurons + 1)
    return evidence
