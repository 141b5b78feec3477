"""From logits to probabilities that can be believed."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from napari_acll.label import Calibration, name_probabilities
from napari_acll.label._point_assignment import assign_names

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

N_BINS = 10
N_FOLDS = 5
_LEAST = 1e-6


def fit_calibration(
    logits: Sequence[NDArray[np.floating]],
    neurons: Sequence[NDArray[np.int64]],
    *,
    fitted_on: str,
) -> Calibration:
    """Return the calibration under which names are right as often as they say.

    Temperature and the bias of "none of these" make the truth most probable; a map of three
    numbers then bends the probabilities of the names that are given one-to-one. The error of the
    map is measured on volumes left out of its fit, in five parts.

    Parameters
    ----------
    logits : sequence of ndarray of float, shape (n, k + 1)
        Of each volume.
    neurons : sequence of ndarray of int64, shape (n,)
        True class numbers, 0 for none of the neurons; -1 where nobody knows, which counts for
        nothing.
    fitted_on : str
        What the volumes are, kept with the result.

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017. Kull, Silva Filho & Flach,
    Beta calibration, AISTATS 2017.
    """
    if not sum(int((true >= 0).sum()) for true in neurons):
        return Calibration(fitted_on=fitted_on)
    parts = [np.asarray(part, np.float64) for part in logits]
    scaled = _with_temperature(parts, neurons, fitted_on)
    given = [given_names(scaled, part, true) for part, true in zip(parts, neurons, strict=True)]
    error = left_out_error(given, lambda p, is_right: _bent_to(scaled, p, is_right))
    probability, is_right = joined(given)
    return _bent_to(scaled, probability, is_right).model_copy(
        update={"n_names": len(probability), "error": error}
    )


def given_names(
    calibration: Calibration, logits: Floats, neuron: NDArray[np.integer]
) -> tuple[Floats, Bools]:
    """Return the probabilities of the names that would be given, before the map, and their truth.

    Parameters
    ----------
    calibration : Calibration
        Of which temperature and bias count.
    logits : ndarray of float64, shape (n, k + 1)
        Of one volume.
    neuron : ndarray of int, shape (n,)
        True class numbers; -1 where nobody knows.

    Returns
    -------
    probability : ndarray of float64, shape (m,)
        Of each name whose truth is known.
    is_right : ndarray of bool, shape (m,)
        Whether it is the true one.
    """
    chance = name_probabilities(
        logits, temperature=calibration.temperature, none_bias=calibration.none_bias
    )
    given, probability = assign_names(chance)
    counts = (given > 0) & (neuron >= 0)
    return probability[counts].astype(np.float64), (given == neuron)[counts]


def joined(given: Sequence[tuple[Floats, Bools]]) -> tuple[Floats, Bools]:
    """Return the names of all volumes as one table."""
    probability = np.concatenate([part[0] for part in given]) if given else np.zeros(0)
    is_right = np.concatenate([part[1] for part in given]) if given else np.zeros(0, bool)
    return probability, is_right


def left_out_error(
    given: Sequence[tuple[Floats, Bools]],
    fit: Callable[[Floats, Bools], Calibration],
) -> float | None:
    """Return the calibration error on volumes that the fit did not see; None for too few.

    Parameters
    ----------
    given : sequence of (probability, is_right)
        Of each volume, before the map.
    fit : callable
        Returns the calibration of some names.
    """
    if len(given) < N_FOLDS:
        return None
    shown = []
    for fold in range(N_FOLDS):
        rest = joined([part for i, part in enumerate(given) if i % N_FOLDS != fold])
        probability, is_right = joined(given[fold::N_FOLDS])
        shown.append((fit(*rest).shown(probability), is_right))
    return calibration_error(*joined(shown))


def _with_temperature(
    logits: Sequence[Floats], neurons: Sequence[NDArray[np.int64]], fitted_on: str
) -> Calibration:
    """Return the temperature and the bias of "none" under which the truth is most probable."""

    def loss(parameters: Floats) -> float:
        temperature, none_bias = float(np.exp(parameters[0])), float(parameters[1])
        terms = []
        for part, true in zip(logits, neurons, strict=True):
            chance = name_probabilities(part, temperature=temperature, none_bias=none_bias)
            known = np.flatnonzero(true >= 0)
            terms.append(-np.log(np.maximum(chance[known, true[known]], _LEAST)))
        return float(np.concatenate(terms).mean())

    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"maxiter": 60})
    return Calibration(
        temperature=float(np.exp(best.x[0])), none_bias=float(best.x[1]), fitted_on=fitted_on
    )


def _bent_to(start: Calibration, probability: Floats, is_right: Bools) -> Calibration:
    """Return the calibration whose map makes right names most probable, drawn to none a little."""

    def bent(parameters: Floats) -> Calibration:
        gains = np.exp(np.clip(parameters[:2], -4, 4))
        return start.model_copy(
            update={
                "gain_sure": float(gains[0]),
                "gain_unsure": float(gains[1]),
                "offset": float(parameters[2]),
            }
        )

    def loss(parameters: Floats) -> float:
        surprise = log_loss(bent(parameters).shown(probability), is_right)
        return surprise + float((parameters**2).sum())

    if not len(probability):
        return start
    best = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"maxiter": 400})
    return bent(best.x)


def log_loss(probability: Floats, is_right: Bools) -> float:
    """Return the summed surprise at which names are right, in nats."""
    inside = np.clip(probability, _LEAST, 1 - _LEAST)
    return float(-np.log(np.where(is_right, inside, 1 - inside)).sum())


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
