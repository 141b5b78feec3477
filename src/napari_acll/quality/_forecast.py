"""What the traces of a recording will be worth."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable

Values = NDArray[np.float32]

_FIELDS = ("value", "low", "high")
_PARTS = ("accuracy", "coverage", "noise")


class Verdict(IntEnum):
    """Whether a neuron is worth an experiment; ordered from worse to better."""

    UNKNOWN = 0
    """Too seldom named to say anything."""
    REJECT = 1
    """Do not use."""
    DOUBTFUL = 2
    """Look at it first."""
    USABLE = 3

    @property
    def words(self) -> str:
        """What screens and tables say; empty where nothing is known."""
        return ("", "do not use", "doubtful", "usable")[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A quantity of each neuron for the rest of the recording, and its interval.

    Parameters
    ----------
    value : ndarray of float32, shape (n,)
        What is expected; NaN where nothing is.
    low, high : ndarray of float32, shape (n,)
        Ends of the interval that holds the outcome of `Forecast.level` of the neurons.
    """

    value: Values
    low: Values
    high: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimalForecast:
    """The recording as a whole.

    Parameters
    ----------
    accuracy, accuracy_low, accuracy_high : float
        Share of the names with a probability of at least 0.75 that will be right, and its
        interval; NaN where there are hardly any such names.
    names_right : float
        Share of all names that will be right.
    n_usable, n_doubtful, n_rejected : int
        Neurons by verdict.
    is_bad : bool
        Whether the recording is hardly worth going on with.
    why : str
        The reason as a sentence; empty where it is not bad.
    """

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    names_right: float
    n_usable: int
    n_doubtful: int
    n_rejected: int
    is_bad: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is expected of every neuron for the rest of a recording.

    Parameters
    ----------
    neurons : NeuronTable
        Decides the rows.
    at_index : int
        The newest volume that it knows of.
    n_labeled : int
        Volumes that it rests on.
    level : float
        Share of the outcomes that the intervals are to hold, such as 0.8.
    fitted_on : str
        What the model of it was fitted on, such as `simulation only`.
    accuracy : Expected
        Share of the neuron's samples that are truly of that neuron, 0 to 1.
    coverage : Expected
        Share of the labeled volumes in which it has a value, 0 to 1.
    noise : Expected
        Frame-to-frame noise of its ratio over the mean ratio.
    verdict : ndarray of int8, shape (n,)
        `Verdict` of each neuron.
    animal : AnimalForecast
        All of them together.
    """

    neurons: NeuronTable
    at_index: int
    n_labeled: int
    level: float
    fitted_on: str
    accuracy: Expected
    coverage: Expected
    noise: Expected
    verdict: NDArray[np.int8]
    animal: AnimalForecast

    def sentence(self) -> str:
        """Return what it says of the recording, in two sentences."""
        animal = self.animal
        return (
            f"Forecast after {self.n_labeled} labeled volumes: {animal.n_usable} neurons usable,"
            f" {animal.n_doubtful} doubtful, {animal.n_rejected} not to be used."
            f" It was fitted on {self.fitted_on}."
        )

    def reason(self, row: int) -> str:
        """Return what it says of one neuron and what that rests on; empty if it says nothing."""
        verdict = Verdict(self.verdict[row])
        if verdict is Verdict.UNKNOWN:
            return ""
        parts = [
            f"{_percent(self.accuracy, row)} of its samples will be of this neuron",
            f"it will have a value in {_percent(self.coverage, row)} of the volumes",
        ]
        if np.isfinite(self.noise.value[row]):
            parts.append(f"its noise will be {_percent(self.noise, row)} of its ratio")
        return (
            f"{self.neurons.names[row]}, {verdict.words}: expected from the first"
            f" {self.n_labeled} labeled volumes, {'; '.join(parts)} (in brackets: what"
            f" {self.level:.0%} of such neurons keep to). Fitted on {self.fitted_on}."
        )

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, with one row for each neuron of which it says something."""
        rows = np.flatnonzero(self.verdict != Verdict.UNKNOWN)
        columns: dict[str, list[Any]] = {
            "neuron": [self.neurons.names[row] for row in rows],
            "verdict": [Verdict(self.verdict[row]).words for row in rows],
        }
        for name in _PARTS:
            for field in _FIELDS:
                values = getattr(getattr(self, name), field)[rows]
                key = name if field == "value" else f"{name}_{field}"
                columns[key] = [_rounded(value) for value in values.tolist()]
        animal = {name: getattr(self.animal, name) for name in AnimalForecast.__slots__}
        return {
            "at_index": self.at_index,
            "n_labeled": self.n_labeled,
            "level": self.level,
            "fitted_on": self.fitted_on,
            "animal": {key: _rounded(value) for key, value in animal.items()},
            "neurons": columns,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], neurons: NeuronTable) -> "Forecast":
        """Return what `to_json` gave.

        Parameters
        ----------
        content : mapping
            The JSON values.
        neurons : NeuronTable
            The neurons of the model.

        Raises
        ------
        KeyError
            If something is missing in it.
        """
        columns = content["neurons"]
        rows = [neurons.class_number(name) - 1 for name in columns["neuron"]]
        verdict = np.zeros(len(neurons), np.int8)
        of_words = {verdict.words: verdict for verdict in Verdict}
        verdict[rows] = [of_words[words] for words in columns["verdict"]]

        def expected(name: str) -> Expected:
            filled = {}
            for field in _FIELDS:
                values = np.full(len(neurons), np.nan, np.float32)
                values[rows] = _floats(columns[name if field == "value" else f"{name}_{field}"])
                filled[field] = values
            return Expected(**filled)

        animal = content["animal"]
        numbers = ("accuracy", "accuracy_low", "accuracy_high", "names_right")
        known = {key: _floats([animal[key]])[0] for key in numbers}
        return cls(
            neurons=neurons,
            at_index=int(content["at_index"]),
            n_labeled=int(content["n_labeled"]),
            level=float(content["level"]),
            fitted_on=str(content["fitted_on"]),
            verdict=verdict,
            animal=AnimalForecast(**{**animal, **known}),
            **{name: expected(name) for name in _PARTS},
        )


def _percent(expected: Expected, row: int) -> str:
    value, low, high = (getattr(expected, field)[row] for field in _FIELDS)
    return f"{value:.0%} ({low:.0%} to {high:.0%})"


def _rounded(value: Any) -> Any:
    """Return a number with four digits, None if it is not finite; anything else as it is."""
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None


def _floats(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]
