"""How well a forecast was met by what then happened, for `fit_forecast.py`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from forecast_outcomes import Outcome
from numpy.typing import NDArray
from scipy.stats import spearmanr

from napari_acll.quality import BAD_NAMES, Forecast, ForecastModel, Verdict

Floats = NDArray[np.float64]
PARTS = ("accuracy", "coverage", "noise", "right_share")
"""`right_share` is accuracy times coverage: the volumes in which the trace is of that neuron."""
N_DRAWS = 100
BINS = (0.1, 0.2, 0.4, 0.6, 0.8, 0.9)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One recording.

    Parameters
    ----------
    name : str
        Which.
    forecast : Forecast
        What was expected of it.
    outcome : Outcome
        What came.
    """

    name: str
    forecast: Forecast
    outcome: Outcome

    def pair(self, part: str) -> tuple[Floats, Floats]:
        """Return expected and actual values of the neurons that have both."""
        if part == "right_share":
            expected = self.forecast.accuracy.value * self.forecast.coverage.value
            actual = self.outcome.accuracy * self.outcome.coverage
        else:
            expected, actual = getattr(self.forecast, part).value, getattr(self.outcome, part)
        known = np.isfinite(expected) & np.isfinite(actual)
        return expected[known].astype(np.float64), actual[known]

    def correlation(self, part: str) -> float:
        """Return the rank correlation over neurons."""
        return float(spearmanr(*self.pair(part)).statistic)

    def held(self, part: str) -> float:
        """Return the share of the outcomes that lie in their interval."""
        expected, actual = getattr(self.forecast, part), getattr(self.outcome, part)
        known = np.isfinite(expected.value) & np.isfinite(actual)
        inside = (actual >= expected.low - 1e-6) & (actual <= expected.high + 1e-6)
        return float(inside[known].mean())

    def width(self, part: str) -> float:
        """Return the median width of the intervals."""
        expected = getattr(self.forecast, part)
        return float(np.nanmedian(expected.high - expected.low))

    def of_verdict(self, verdict: Verdict) -> Floats:
        """Return how accurate the neurons of a verdict were."""
        accuracy = self.outcome.accuracy[self.forecast.verdict == verdict]
        return accuracy[np.isfinite(accuracy)]

    def shown(self) -> dict[str, Any]:
        """Return what is printed of it."""
        animal = self.forecast.animal
        return {
            "name": self.name,
            "correlation": {part: round(self.correlation(part), 2) for part in PARTS},
            "held": {part: round(self.held(part), 2) for part in PARTS[:3]},
            "sure": [
                round(value, 2)
                for value in (
                    animal.accuracy,
                    animal.accuracy_low,
                    animal.accuracy_high,
                    self.outcome.sure_accuracy,
                )
            ],
            "all": [round(animal.names_right, 2), round(self.outcome.names_right, 2)],
            "n": [animal.n_usable, animal.n_doubtful, animal.n_rejected],
            "is_bad": animal.is_bad,
        }


def row_of(outcome: Outcome, model: ForecastModel) -> Row:
    """Return the forecast of a recording and what came."""
    forecast = model.forecast(outcome.quality)
    if forecast is None:
        raise SystemExit(f"{outcome.name} has too few volumes that could be labeled.")
    return Row(outcome.name, forecast, outcome)


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the measures of many recordings together."""
    result: dict[str, Any] = {"n_animals": len(rows), "animals": [row.shown() for row in rows]}
    for part in PARTS:
        pairs = [row.pair(part) for row in rows]
        pooled = [np.concatenate(column) for column in zip(*pairs, strict=True)]
        result[part] = {
            "n_neurons": len(pooled[0]),
            "correlation": float(spearmanr(*pooled).statistic),
            "within_animals": float(np.mean([row.correlation(part) for row in rows])),
        }
        if part != "right_share":
            held = [row.held(part) for row in rows]
            result[part] |= {
                "held": float(np.mean(held)),
                "held_least": float(np.min(held)),
                "width": float(np.mean([row.width(part) for row in rows])),
            }
    result["verdicts"] = {
        verdict.words: _of_verdict(rows, verdict) for verdict in Verdict if verdict.words
    }
    expected, actual = np.concatenate([row.pair("accuracy") for row in rows], axis=1)
    result["accuracy"] |= {"drawn": drawn(expected), "calibration": calibration(expected, actual)}
    sure = [(row.forecast.animal.accuracy, row.outcome.sure_accuracy) for row in rows]
    names = [(row.forecast.animal.names_right, row.outcome.names_right) for row in rows]
    result["animal"] = {
        "sure": _of_animals(sure),
        "held": float(np.mean([_is_held(row) for row in rows])),
        "names_right": _of_animals(names),
        "bad": [row.name for row in rows if _came_bad(row)],
        "flagged": [row.name for row in rows if row.forecast.animal.is_bad],
    }
    return result


def _of_verdict(rows: Sequence[Row], verdict: Verdict) -> dict[str, float]:
    accuracy = np.concatenate([row.of_verdict(verdict) for row in rows])
    return {
        "n_per_animal": len(accuracy) / len(rows),
        "mean_accuracy": float(accuracy.mean()) if len(accuracy) else math.nan,
        "right_in_90": float((accuracy >= 0.9).mean()) if len(accuracy) else math.nan,
    }


def calibration(expected: Floats, actual: Floats) -> list[tuple[float, float, int]]:
    """Return mean expected value, mean actual one and number of neurons of each bin."""
    number = np.digitize(expected, BINS)
    return [
        (float(expected[own].mean()), float(actual[own].mean()), int(own.sum()))
        for own in (number == position for position in range(len(BINS) + 1))
        if own.any()
    ]


def drawn(chance: Floats) -> float:
    """Return how well chances rank outcomes that are drawn from them: right for good, or wrong.

    So far does a forecast of neurons get that is exactly right in every chance that it tells.
    """
    rng = np.random.default_rng(0)
    found = [spearmanr(chance, rng.random(len(chance)) < chance).statistic for _ in range(N_DRAWS)]
    return float(np.mean(found))


def _of_animals(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Return how near the forecasts of animals came, beside the mean of the other animals."""
    expected, actual = np.array(pairs).T
    n = len(actual)
    others = (actual.sum() - actual) / (n - 1) if n > 1 else np.full(n, math.nan)
    return {
        "correlation": float(spearmanr(expected, actual).statistic) if n > 2 else math.nan,
        "mean_error": float(np.mean(np.abs(expected - actual))),
        "mean_error_of_the_others_mean": float(np.mean(np.abs(others - actual))),
    }


def _came_bad(row: Row) -> bool:
    return row.outcome.names_right < BAD_NAMES


def _is_held(row: Row) -> bool:
    animal = row.forecast.animal
    return animal.accuracy_low <= row.outcome.sure_accuracy <= animal.accuracy_high
