"""What a forecast looks at: running measures on scales on which they add up."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.quality._trace_quality import AnimalMeasures, NeuronMeasures

Floats = NDArray[np.float64]

_LEAST_SHARE = 0.01


def features_of(measures: NeuronMeasures, animal: AnimalMeasures) -> dict[str, Floats]:
    """Return what is measured as one number per neuron and feature.

    Parameters
    ----------
    measures : NeuronMeasures
        Of each neuron.
    animal : AnimalMeasures
        Of all of them.

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)
        Logits of shares, logarithms of what is positive; NaN where it is not known.
    """
    n = len(measures.coverage)
    return {
        "confidence": _logit(measures.mean_confidence),
        "confidence_spread": measures.confidence_spread.astype(np.float64),
        # drawn to a half, as one volume more of each kind would
        "coverage": _logit((measures.n_found + 1) / (animal.n_labeled + 2)),
        "jump": _log(measures.jump_um) - _log(_median(measures.jump_um)),
        "size_variation": _log(measures.size_variation),
        "marker_variation": _log(measures.marker_variation),
        "noise": _log(measures.noise),
        "animal_confidence": np.full(n, _logit(animal.mean_confidence)),
        "animal_novelty": np.full(n, animal.novelty),
        "animal_jump": np.full(n, _log(_median(measures.jump_um))),
    }


def _logit(share: NDArray[np.floating] | float) -> Floats:
    clipped = np.clip(np.asarray(share, np.float64), _LEAST_SHARE, 1 - _LEAST_SHARE)
    result: Floats = np.log(clipped) - np.log1p(-clipped)
    return result


def _log(values: NDArray[np.floating] | float) -> Floats:
    result: Floats = np.log(np.clip(np.asarray(values, np.float64), 1e-3, 1e3))
    return result


def _median(values: NDArray[np.floating]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
