"""From logits to probabilities that can be believed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from napari_acll.label import Calibration, name_probabilities

Floats = NDArray[np.float64]

N_BINS = 10


def fit_calibration(
    logits: Sequence[Floats], neurons: Sequence[NDArray[np.int64]], *, fitted_on: str
) -> Calibration:
    """Return the temperature and the bias of "none" under which the truth is most probable.

    Parameters
    ----------
    logits : sequence of ndarray, shape (n, k + 1)
        Of each volume.
    neurons : sequence of ndarray, shape (n,)
        True class numbers.
    fitted_on : str
        What the volumes are, kept with the result.

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017.
    """

    def loss(parameters: Floats) -> float:
        temperature, none_bias = float(np.exp(parameters[0])), float(parameters[1])
        terms = [
            -np.log(
                np.maximum(
                    name_probabilities(part, temperature=temperature, none_bias=none_bias)[
                        np.arange(len(true)), true
                    ],
                    1e-6,
                )
            )
            for part, true in zip(logits, neurons, strict=True)
        ]
        return float(np.concatenate(terms).mean())

    if not logits:
        return Calibration(fitted_on=fitted_on)
    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"maxiter": 60})
    return Calibration(
        temperature=float(np.exp(best.x[0])), none_bias=float(best.x[1]), fitted_on=fitted_on
    )


def calibration_error(probability: NDArray[np.floating], is_right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten bins of equal width, 0 to 1.

    Parameters
    ----------
    probability : ndarray of float, shape (n,)
        Of the name that was given.
    is_right : ndarray of bool, shape (n,)
        Whether it was right.
    """
    if not len(probability):
        return float("nan")
    bins = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    error = 0.0
    for number in range(N_BINS):
        inside = bins == number
        if inside.any():
            gap = abs(float(probability[inside].mean()) - float(is_right[inside].mean()))
            error += gap * float(inside.mean())
    return error
