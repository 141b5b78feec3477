"""The small model that makes forecasts of running measures."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.quality._features import features_of
from napari_acll.quality._forecast import AnimalForecast, Expected, Forecast, Verdict
from napari_acll.quality._trace_quality import SURE, AnimalMeasures, NeuronMeasures, TraceQuality

Floats = NDArray[np.float64]

FILE = "forecast.json"
"""Made by `recipes/fit_forecast.py`."""
FIRST_AT = 30
"""Labeled volumes after which there is a forecast: 18 s at the usual pace."""
FEWEST_FOUND = 3
"""A neuron that was named less often among them gets none."""
USABLE_ACCURACY, USABLE_COVERAGE, USABLE_NOISE = 0.9, 0.5, 0.25
"""Least accuracy and coverage, and most noise, that are expected of a usable neuron."""
REJECT_ACCURACY, REJECT_COVERAGE = 0.5, 0.1
BAD_NAMES = 0.4
"""An animal is bad if less of all its names are expected to be right. The same of its sure names
is nothing to go by: a forecast of that comes no nearer than the mean of other animals."""
FEWEST_SURE = 10.0
"""Names per volume at 0.75 or more; an animal with fewer is bad, too."""
JUDGED_AT = 60
"""Volumes, 36 s at the usual pace, of which half must have been labeled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Ends of an interval as functions of the value that is expected.

    Parameters
    ----------
    at, low, high : ndarray of float64, shape (k,)
        Expected values, ascending, and the interval at each; linear between them.
    """

    at: Floats
    low: Floats
    high: Floats

    def expected(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the ends of the interval of each value; both sides hold the value."""
        low = np.minimum(np.interp(value, self.at, self.low), value)
        return low, np.maximum(np.interp(value, self.at, self.high), value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The model of one quantity: linear in the features.

    Parameters
    ----------
    offset, weights : float, ndarray of float64, shape (k,)
        Of the standardized features.
    is_share : bool
        Whether the result is the logit of a share, else the logarithm of a positive number.
    curve : Curve
        Its interval, of the share or of the logarithm.
    """

    offset: float
    weights: Floats
    is_share: bool
    curve: Curve

    def predict(self, features: Floats) -> Expected:
        """Return what is expected, given standardized features of shape `(n, k)`."""
        linear = self.offset + features @ self.weights
        value = 1 / (1 + np.exp(-linear)) if self.is_share else linear
        low, high = self.curve.expected(value)
        ends = [value, low, high] if self.is_share else [np.exp(x) for x in (value, low, high)]
        return Expected(
            **{
                name: np.asarray(end, np.float32)
                for name, end in zip(("value", "low", "high"), ends, strict=True)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastModel:
    """Makes a forecast of what was measured; fitted by `recipes/fit_forecast.py`.

    Parameters
    ----------
    features : tuple of str
        Names of what it looks at, see `features_of`.
    center, scale : ndarray of float64, shape (k,)
        What standardizes them.
    accuracy, coverage, noise : Part
        See `Forecast`.
    animal : Curve
        Interval of the accuracy of an animal's sure names.
    animal_offset : float
        Added to the logit of the mean accuracy of its neurons.
    level : float
        Share of the outcomes that intervals hold.
    fitted_on : str
        What it was fitted on.
    """

    features: tuple[str, ...]
    center: Floats
    scale: Floats
    accuracy: Part
    coverage: Part
    noise: Part
    animal: Curve
    animal_offset: float
    level: float
    fitted_on: str

    @classmethod
    @cache
    def load(cls, identity_filter: str) -> "ForecastModel | None":
        """Return the model that comes with the program.

        Parameters
        ----------
        identity_filter : str
            Name of the identity filter of the session, `none` for each volume by itself.

        Returns
        -------
        ForecastModel or None
            None if none was fitted for that filter.
        """
        text = files("napari_acll.quality").joinpath(FILE).read_text(encoding="utf-8")
        content = json.loads(text)
        fitted = content["filters"].get(identity_filter)
        shared = {"level": content["level"], "fitted_on": content["fitted_on"]}
        return None if fitted is None else cls.from_json({**fitted, **shared})

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ForecastModel":
        """Return the model that JSON values tell of."""
        parts = {
            name: Part(
                offset=content[name]["offset"],
                weights=np.array(content[name]["weights"]),
                is_share=name != "noise",
                curve=_curve(content[name]["curve"]),
            )
            for name in ("accuracy", "coverage", "noise")
        }
        return cls(
            features=tuple(content["features"]),
            center=np.array(content["center"]),
            scale=np.array(content["scale"]),
            animal=_curve(content["animal"]["curve"]),
            animal_offset=content["animal"]["offset"],
            level=content["level"],
            fitted_on=content["fitted_on"],
            **parts,
        )

    def forecast(self, quality: TraceQuality) -> Forecast | None:
        """Return the forecast of what was measured so far; None before `FIRST_AT` volumes."""
        animal, measures = quality.animal(), quality.measures()
        if animal.n_labeled < FIRST_AT:
            return None
        known = features_of(measures, animal)
        raw = np.column_stack([known[name] for name in self.features])
        standard = np.nan_to_num((raw - self.center) / self.scale, nan=0.0)
        is_told = measures.n_found >= FEWEST_FOUND
        accuracy, coverage, noise = (
            _only(part.predict(standard), is_told)
            for part in (self.accuracy, self.coverage, self.noise)
        )
        noise = _only(noise, np.isfinite(measures.noise))
        verdict = verdicts(accuracy, coverage, noise)
        return Forecast(
            neurons=quality.neurons,
            at_index=animal.newest_index,
            n_labeled=animal.n_labeled,
            level=self.level,
            fitted_on=self.fitted_on,
            accuracy=accuracy,
            coverage=coverage,
            noise=noise,
            verdict=verdict,
            animal=self._animal(measures, animal, accuracy, verdict),
        )

    def _animal(
        self,
        measures: NeuronMeasures,
        animal: AnimalMeasures,
        accuracy: Expected,
        verdict: NDArray[np.int8],
    ) -> AnimalForecast:
        n_sure = float(measures.n_sure.sum()) / animal.n_labeled
        mean = weighted_mean(accuracy.value, measures.n_sure)
        value = _shifted(mean, self.animal_offset)
        low, high = (float(end[0]) for end in self.animal.expected(np.array([value])))
        names_right = weighted_mean(accuracy.value, measures.n_found)
        why = _why_bad(names_right, n_sure)
        return AnimalForecast(
            accuracy=value,
            accuracy_low=low,
            accuracy_high=high,
            names_right=names_right,
            n_usable=int((verdict == Verdict.USABLE).sum()),
            n_doubtful=int((verdict == Verdict.DOUBTFUL).sum()),
            n_rejected=int((verdict == Verdict.REJECT).sum()),
            is_bad=bool(why),
            why=why,
        )


def why_hardly_labeled(animal: AnimalMeasures) -> str:
    """Return why a recording that has no forecast yet is bad; empty where nobody can say so.

    It is bad if less than half of the first 60 volumes could be labeled.
    """
    n_seen = animal.n_labeled + animal.n_unlabelable
    if n_seen < JUDGED_AT or animal.n_labeled >= FIRST_AT:
        return ""
    return f"Only {animal.n_labeled} of the first {n_seen} volumes could be labeled."


def verdicts(accuracy: Expected, coverage: Expected, noise: Expected) -> NDArray[np.int8]:
    """Return the `Verdict` of each neuron.

    Usable is what is expected to be right in 90 % of its samples, to be there in half of the
    volumes, and to have no more noise than a quarter of its ratio, if that is known. Not to be
    used is what is expected to be wrong more often than right, or there in less than a tenth.
    """
    is_quiet = ~(noise.value > USABLE_NOISE)
    is_usable = (
        (accuracy.value >= USABLE_ACCURACY) & (coverage.value >= USABLE_COVERAGE) & is_quiet
    )
    is_rejected = (accuracy.value < REJECT_ACCURACY) | (coverage.value < REJECT_COVERAGE)
    verdict = np.where(is_usable, Verdict.USABLE, Verdict.DOUBTFUL)
    verdict = np.where(is_rejected, Verdict.REJECT, verdict)
    return np.where(np.isfinite(accuracy.value), verdict, Verdict.UNKNOWN).astype(np.int8)


def weighted_mean(values: NDArray[np.floating], weights: NDArray[np.integer]) -> float:
    """Return the mean of the finite values by weight; NaN where nothing has any."""
    is_known = np.isfinite(values) & (weights > 0)
    total = float(weights[is_known].sum())
    return float((values * weights)[is_known].sum()) / total if total else math.nan


def _shifted(share: float, offset: float) -> float:
    """Return a share whose logit has an offset added."""
    if not 0 < share < 1:
        return share
    return 1 / (1 + (1 - share) / share * math.exp(-offset))


def _why_bad(names_right: float, n_sure: float) -> str:
    if n_sure < FEWEST_SURE:
        return (
            f"Only {n_sure:.0f} neurons per volume have a name at {SURE:g} or more: this animal is"
            " hardly recognized."
        )
    if names_right < BAD_NAMES:
        return (
            f"Only about {names_right:.0%} of all names are expected to be right: this animal is"
            " recognized badly."
        )
    return ""


def _only(expected: Expected, rows: NDArray[np.bool_]) -> Expected:
    return Expected(
        **{
            name: np.where(rows, getattr(expected, name), np.float32(np.nan))
            for name in ("value", "low", "high")
        }
    )


def _curve(content: Mapping[str, Any]) -> Curve:
    return Curve(**{name: np.array(content[name], np.float64) for name in ("at", "low", "high")})
