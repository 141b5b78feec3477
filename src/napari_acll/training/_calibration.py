"""From logits to probabilities that can be believed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from napari_acll.label import Calibration
from napari_acll.label._novelty import agreement_of
from napari_acll.naming import assign_names, name_probabilities

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

N_BINS = 10
N_FOLDS = 5
_LEAST = 1e-6
_OFFSET_PRECISION = 2.0
"""Names differ in how much surer or less sure they should be by an SD of 0.7 in the logit."""
_NEWTON_STEPS = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GivenProbabilities:
    """Names that would be given and whose truth is known; one row per name.

    Parameters
    ----------
    probability : ndarray of float64, shape (m,)
        Of the name, before the map.
    agreement : ndarray of float64, shape (m,)
        Of the names of its volume.
    neuron : ndarray of int, shape (m,)
        Class number of the name that was given.
    is_right : ndarray of bool, shape (m,)
        Whether it is the true one.
    """

    probability: Floats
    agreement: Floats
    neuron: NDArray[np.integer]
    is_right: Bools

    def shown(self, calibration: Calibration) -> Floats:
        """Return the probabilities that a calibration shows for them."""
        return calibration.shown(self.probability, self.agreement, neuron=self.neuron)


def fit_calibration(
    logits: Sequence[NDArray[np.floating]],
    neurons: Sequence[NDArray[np.int64]],
    *,
    fitted_on: str,
) -> Calibration:
    """Return the calibration under which names are right as often as they say.

    Temperature and the bias of "none of these" make the truth most probable; a map of four
    numbers, and an offset of each name that is drawn to zero, then bend the probabilities of the
    names that are given one-to-one. The error of the map is measured on volumes left out of its
    fit, in five parts.

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
    n_classes = parts[0].shape[1] - 1

    def fit(names: GivenProbabilities) -> Calibration:
        first = _with_offsets(_bent_to(scaled, names), names, n_classes)
        return _with_offsets(_bent_to(first, names), names, n_classes)

    names = joined(given)
    update = {"n_names": len(names.probability), "error": left_out_error(given, fit)}
    return fit(names).model_copy(update=update)


def given_names(
    calibration: Calibration, logits: Floats, neuron: NDArray[np.integer]
) -> GivenProbabilities:
    """Return the probabilities of the names that would be given, before the map, and their truth.

    Parameters
    ----------
    calibration : Calibration
        Of which temperature and bias count.
    logits : ndarray of float64, shape (n, k + 1)
        Of one volume.
    neuron : ndarray of int, shape (n,)
        True class numbers; -1 where nobody knows.
    """
    chance = name_probabilities(
        logits, temperature=calibration.temperature, none_bias=calibration.none_bias
    )
    given, probability = assign_names(chance)
    counts = (given > 0) & (neuron >= 0)
    return GivenProbabilities(
        probability=probability[counts].astype(np.float64),
        agreement=np.full(int(counts.sum()), agreement_of(chance)),
        neuron=given[counts],
        is_right=(given == neuron)[counts],
    )


def joined(given: Sequence[GivenProbabilities]) -> GivenProbabilities:
    """Return the names of all volumes, of which there is at least one, as one table."""
    return GivenProbabilities(
        probability=np.concatenate([part.probability for part in given]),
        agreement=np.concatenate([part.agreement for part in given]),
        neuron=np.concatenate([part.neuron for part in given]),
        is_right=np.concatenate([part.is_right for part in given]),
    )


def left_out_error(
    given: Sequence[GivenProbabilities],
    fit: Callable[[GivenProbabilities], Calibration],
) -> float | None:
    """Return the calibration error on volumes that the fit did not see; None for too few.

    Parameters
    ----------
    given : sequence of GivenProbabilities
        Of each volume, before the map.
    fit : callable
        Returns the calibration of some names.
    """
    if len(given) < N_FOLDS:
        return None
    shown, is_right = [], []
    for fold in range(N_FOLDS):
        rest = joined([part for i, part in enumerate(given) if i % N_FOLDS != fold])
        left_out = joined(given[fold::N_FOLDS])
        shown.append(left_out.shown(fit(rest)))
        is_right.append(left_out.is_right)
    return calibration_error(np.concatenate(shown), np.concatenate(is_right))


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


def _bent_to(start: Calibration, names: GivenProbabilities) -> Calibration:
    """Return the calibration whose map makes right names most probable, drawn to none a little."""

    def bent(parameters: Floats) -> Calibration:
        gains = np.exp(np.clip(parameters[:2], -4, 4))
        return start.model_copy(
            update={
                "gain_sure": float(gains[0]),
                "gain_unsure": float(gains[1]),
                "offset": float(parameters[2]),
                "gain_agreement": float(parameters[3]),
            }
        )

    def loss(parameters: Floats) -> float:
        shown = names.shown(bent(parameters))
        surprise = log_loss(shown, names.is_right)
        return surprise + float((parameters**2).sum())

    if not len(names.probability):
        return start
    best = minimize(loss, np.zeros(4), method="Nelder-Mead", options={"maxiter": 1000})
    return bent(best.x)


def _with_offsets(start: Calibration, names: GivenProbabilities, n: int) -> Calibration:
    """Return the calibration with an offset of each name, by Newton's method."""
    shown = names.shown(start.model_copy(update={"name_offsets": ()}))
    logit, number = np.log(shown) - np.log1p(-shown), names.neuron - 1
    offset = np.zeros(n)
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-(logit + offset[number])))
        slope = np.bincount(number, p - names.is_right, n) + _OFFSET_PRECISION * offset
        curve = np.bincount(number, p * (1 - p), n) + _OFFSET_PRECISION
        offset -= np.clip(slope / curve, -1, 1)
    return start.model_copy(update={"name_offsets": tuple(np.round(offset, 4).tolist())})


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
