"""The fit of the forecast's small model, for `fit_forecast.py`."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from forecast_outcomes import Outcome
from numpy.typing import NDArray
from scipy.optimize import minimize

from napari_acll.quality import FEWEST_FOUND, FIRST_AT, weighted_mean

logger = logging.getLogger("fit_forecast")

Floats = NDArray[np.float64]

FEATURES = (
    "confidence",
    "confidence_spread",
    "coverage",
    "jump",
    "size_variation",
    "marker_variation",
    "noise",
    "animal_confidence",
    "animal_jump",
)
CUTS = (FIRST_AT, 50)
"""Volumes after which a recording is cut to learn from it; intervals are those of the first."""
LEVEL = 0.8
PARTS = ("accuracy", "coverage", "noise")
_RIDGE = 0.005
"""Of 0.02 to 0.0005 the most that costs no cross-entropy in animals that were left out."""
_N_KNOTS = 9
_NEAR = 0.15
"""Part of the neurons, those with the nearest forecasts, that make the interval at a knot."""
_LEAST_NOISE = 1e-3
_SLACK = 0.05
"""What the interval holds beyond `LEVEL` in the worst animal known, so that it holds in a worse
one, too; a share of 100 neurons has a standard error of 0.04."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Neurons of all animals, one quantity.

    Parameters
    ----------
    features : ndarray of float64, shape (n, k)
        Standardized.
    actual : ndarray of float64, shape (n,)
        What happened.
    animal : ndarray of int64, shape (n,)
        Number of the animal.
    is_first : ndarray of bool, shape (n,)
        Whether the recording was cut where forecasts are first made.
    """

    features: Floats
    actual: Floats
    animal: NDArray[np.int64]
    is_first: NDArray[np.bool_]

    def where(self, rows: NDArray[np.bool_]) -> "Rows":
        """Return some of them."""
        return Rows(self.features[rows], self.actual[rows], self.animal[rows], self.is_first[rows])

    def weights(self) -> Floats:
        """Return the weight of each row: every animal counts as much as any other."""
        animals, position, n = np.unique(self.animal, return_inverse=True, return_counts=True)
        weight: Floats = 1.0 / n[position] / len(animals)
        return weight


Fitted = tuple[float, Floats]


def fit(animals: Sequence[Sequence[Outcome]]) -> dict[str, Any]:
    """Return the model as JSON values.

    Parameters
    ----------
    animals : sequence of sequence of Outcome
        For each animal one outcome per cut, the first one first; of one that could seldom be
        labeled later cuts may be missing.
    """
    raw = np.concatenate([_raw(one) for cuts in animals for one in cuts])
    center, scale = _center_and_scale(raw)
    content: dict[str, Any] = {
        "features": FEATURES,
        "center": center.tolist(),
        "scale": scale.tolist(),
    }
    predicted = {}
    for name in PARTS:
        rows = _rows(animals, name, center, scale)
        content[name], predicted[name] = _part(rows, name)
    content["animal"] = _animal(animals, center, scale)
    return content


def _center_and_scale(raw: Floats) -> tuple[Floats, Floats]:
    """Return mean and deviation of the finite values; 0 and 1 where all are alike or missing."""
    known = np.isfinite(raw)
    n = np.maximum(known.sum(axis=0), 1)
    center = np.where(known, raw, 0.0).sum(axis=0) / n
    scale = np.sqrt((np.where(known, raw - center, 0.0) ** 2).sum(axis=0) / n)
    return center, np.where(scale > 1e-9, scale, 1.0)


def _raw(one: Outcome) -> Floats:
    is_told = one.quality.measures().n_found >= FEWEST_FOUND
    return np.column_stack([one.features[name] for name in FEATURES])[is_told]


def _standard(one: Outcome, center: Floats, scale: Floats) -> Floats:
    raw = np.column_stack([one.features[name] for name in FEATURES])
    return np.nan_to_num((raw - center) / scale, nan=0.0)


def _rows(animals: Sequence[Sequence[Outcome]], name: str, center: Floats, scale: Floats) -> Rows:
    parts = []
    for number, cuts in enumerate(animals):
        for position, one in enumerate(cuts):
            measures, actual = one.quality.measures(), getattr(one, name)
            keep = (measures.n_found >= FEWEST_FOUND) & np.isfinite(actual)
            if name == "noise":
                keep &= np.isfinite(measures.noise)
                actual = np.log(np.maximum(actual, _LEAST_NOISE))
            n = int(keep.sum())
            parts.append(
                (
                    _standard(one, center, scale)[keep],
                    actual[keep],
                    np.full(n, number),
                    np.full(n, position == 0),
                )
            )
    return Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _part(rows: Rows, name: str) -> tuple[dict[str, Any], Floats]:
    """Return one quantity's model, and what models without each animal say of the first cuts."""
    fit_rows, is_share = (_least_squares, False) if name == "noise" else (logistic, True)
    offset, weights = fit_rows(rows)
    predicted = _without_each_animal(rows, fit_rows, is_share=is_share)
    first = rows.where(rows.is_first)
    curve = _conformal(predicted, first, is_share=is_share)
    logger.debug("%s: %s", name, dict(zip(FEATURES, np.round(weights, 2).tolist(), strict=True)))
    return {"offset": offset, "weights": weights.tolist(), "curve": curve}, predicted


def _without_each_animal(
    rows: Rows, fit_rows: Callable[[Rows], Fitted], *, is_share: bool
) -> Floats:
    first = rows.where(rows.is_first)
    predicted = np.zeros(len(first.actual))
    for animal in np.unique(rows.animal):
        offset, weights = fit_rows(rows.where(rows.animal != animal))
        own = first.animal == animal
        linear = offset + first.features[own] @ weights
        predicted[own] = share(linear) if is_share else linear
    return predicted


def logistic(rows: Rows) -> Fitted:
    """Fit shares by logistic regression with a ridge."""
    weight = rows.weights()

    def loss(parameters: Floats) -> tuple[float, Floats]:
        linear = parameters[0] + rows.features @ parameters[1:]
        error = weight * (share(linear) - rows.actual)
        value = (weight * (np.logaddexp(0, linear) - rows.actual * linear)).sum()
        ridge = _RIDGE * parameters[1:]
        return (
            float(value + 0.5 * ridge @ parameters[1:]),
            np.r_[error.sum(), rows.features.T @ error + ridge],
        )

    start = np.zeros(rows.features.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return float(found[0]), found[1:]


def _least_squares(rows: Rows) -> Fitted:
    """Fit logarithms by weighted least squares with a ridge."""
    weight = rows.weights()
    design = np.column_stack([np.ones(len(rows.actual)), rows.features])
    ridge = np.diag([0.0, *[_RIDGE] * rows.features.shape[1]])
    found = np.linalg.solve(
        design.T @ (weight[:, None] * design) + ridge, design.T @ (weight * rows.actual)
    )
    return float(found[0]), found[1:]


def _conformal(predicted: Floats, rows: Rows, *, is_share: bool) -> dict[str, list[float]]:
    """Return the interval around each forecast that holds `LEVEL` of the outcomes of an animal.

    Quantiles of the outcomes of neurons with a similar forecast, widened until they hold for
    each animal when they are made of the others, and in the worst one a little more than that: of
    `n + 1` animals alike, the next one is the worst with a chance of `1 / (n + 1)`.
    """
    margins = []
    for animal in np.unique(rows.animal):
        own = rows.animal == animal
        curve = _curve(predicted[~own], rows.actual[~own])
        low, high = (np.interp(predicted[own], curve[0], ends) for ends in curve[1:])
        low, high = np.minimum(low, predicted[own]), np.maximum(high, predicted[own])
        miss = np.maximum(low - rows.actual[own], rows.actual[own] - high)
        margins.append(float(np.quantile(miss, LEVEL + _SLACK, method="higher")))
    margin = max(0.0, *margins)
    logger.debug("margins %s", np.round(margins, 2).tolist())
    at, low, high = _curve(predicted, rows.actual)
    low, high = low - margin, high + margin
    if is_share:
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    return {"at": at.tolist(), "low": low.tolist(), "high": high.tolist()}


def _curve(predicted: Floats, actual: Floats) -> tuple[Floats, Floats, Floats]:
    at = np.unique(np.quantile(predicted, np.linspace(0.02, 0.98, _N_KNOTS)))
    n_near = max(20, round(_NEAR * len(predicted)))
    tail = (1 - LEVEL) / 2
    ends = np.array(
        [
            np.quantile(actual[np.argsort(np.abs(predicted - knot))[:n_near]], [tail, 1 - tail])
            for knot in at
        ]
    )
    low, high = np.maximum.accumulate(ends, axis=0).T
    return at, low, high


def _animal(animals: Sequence[Sequence[Outcome]], center: Floats, scale: Floats) -> dict[str, Any]:
    """Return offset and interval of the accuracy of an animal's sure names."""
    rows = _rows(animals, "accuracy", center, scale)
    expected, actual = [], []
    for number, cuts in enumerate(animals):
        one = cuts[0]
        offset, weights = logistic(rows.where(rows.animal != number))
        measures = one.quality.measures()
        accuracy = share(offset + _standard(one, center, scale) @ weights)
        accuracy[measures.n_found < FEWEST_FOUND] = np.nan
        expected.append(_logit(weighted_mean(accuracy, measures.n_sure)))
        actual.append(_logit(one.sure_accuracy))
    known = np.isfinite(expected) & np.isfinite(actual)
    error = (np.array(actual) - np.array(expected))[known]
    offset = float(np.median(error))
    n = len(error)
    rank = min(n, int(np.ceil((n + 1) * LEVEL))) - 1
    width = float(np.sort(np.abs(error - offset))[rank])
    at = np.linspace(0.02, 0.98, 25)
    logger.debug("animals: offset %.2f, width %.2f", offset, width)
    for number in np.flatnonzero(known):
        pair = share(expected[number] + offset), share(actual[number])
        logger.debug(
            "%s: sure names right, expected %.2f, came %.2f", animals[number][0].name, *pair
        )
    curve = {
        "at": at.tolist(),
        "low": share(_logit(at) - width).tolist(),
        "high": share(_logit(at) + width).tolist(),
    }
    return {"offset": offset, "curve": curve}


def share(linear: Any) -> Any:
    """Return the share of which this is the logit."""
    return 1 / (1 + np.exp(-linear))


def _logit(share: Any) -> Any:
    clipped = np.clip(share, 0.005, 0.995)
    return np.log(clipped) - np.log1p(-clipped)
