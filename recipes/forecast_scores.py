"""How well a forecast was met by what then happened, for `fit_forecast.py`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from forecast_outcomes import Outcome
from numpy.typing import NDArray
from scipy.stats import spearmanr

from napari_acll.quality import BAD_ACCURACY, BAD_NAMES, Forecast, ForecastModel, Verdict

Floats = NDArray[np.float64]
PARTS = ("accuracy", "coverage", "noise", "right_share")
"""`right_share` is accuracy times coverage: the volumes in which the trace is of that neuron."""


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
    animal = np.array([(row.forecast.animal.accuracy, row.outcome.sure_accuracy) for row in rows])
    result["animal"] = {
        "correlation": float(spearmanr(*animal.T).statistic) if len(rows) > 2 else math.nan,
        "mean_error": float(np.nanmean(np.abs(animal[:, 0] - animal[:, 1]))),
        "held": float(np.mean([_is_held(row) for row in rows])),
        "names_right_error": float(np.nanmean([abs(_names_error(row)) for row in rows])),
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


def _names_error(row: Row) -> float:
    return row.forecast.animal.names_right - row.outcome.names_right


def _came_bad(row: Row) -> bool:
    return row.outcome.sure_accuracy < BAD_ACCURACY or row.outcome.names_right < BAD_NAMES


def _is_held(row: Row) -> bool:
    animal = row.forecast.animal
    return animal.accuracy_low <= row.outcome.sure_accuracy <= animal.accuracy_high
