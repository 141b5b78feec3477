"""How well any forecast could rank neurons, and whether another measure would rank them better.

Run by hand, after `fit_forecast.py --fit` has filled the folder::

    python recipes/measure_forecast_limit.py --cache FOLDER --learn 21

All animals are virtual. Each is forecast by a model that was fitted on the others. *Limits* are
rank correlations (Spearman) with what came: of the forecast; of outcomes that are drawn from the
forecast itself, so that it is exactly right in every chance that it tells; and of oracles, which
know what no session can. *Measures* are what the labels of the first 30 volumes tell beside the
confidence: what each of them adds to it, animal by animal left out of the fit.
"""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fit_forecast import FILTERS, cut_in_two, without
from forecast_fitting import FEATURES, Rows, logistic, share
from forecast_measures import logit, measures_of, record_of_names
from forecast_outcomes import Outcome
from forecast_recordings import LEARN, Recording, Traces, labels_of, recordings, traces_of
from forecast_scores import N_DRAWS, Row, drawn
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from napari_acll.core import LabelSettings, VolumeStatus
from napari_acll.label import load_labeler
from napari_acll.quality import FIRST_AT, relative_noise

logger = logging.getLogger("measure_forecast_limit")

Floats = NDArray[np.float64]
AIM = 0.8
USED = tuple(name for name in FEATURES if name != "confidence")
"""What the forecast looks at beside the confidence."""


@dataclass(frozen=True, slots=True, eq=False)
class Animal:
    """A recording, its forecast by a model that has not seen it, and what came.

    Parameters
    ----------
    traces : Traces
        All of it.
    row : Row
        Forecast and outcome.
    measures : dict of str to ndarray of float64, shape (n_neurons,)
        What its first volumes say, see `measures_of`.
    """

    traces: Traces
    row: Row
    measures: dict[str, Floats]

    def told(self) -> NDArray[np.int64]:
        """Return the neurons whose accuracy was forecast and came."""
        expected, actual = self.row.forecast.accuracy.value, self.row.outcome.accuracy
        return np.flatnonzero(np.isfinite(expected) & np.isfinite(actual))

    def labeled(self) -> list[int]:
        """Return the volumes that were labeled."""
        return [one.index for one in self.traces.samples if one.status is VolumeStatus.TRACED]


def main() -> None:
    """Print limits and measures for each identity filter."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("fit_forecast").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder of labels and traces")
    parser.add_argument("--learn", type=int, default=21, help="virtual animals")
    arguments = parser.parse_args()
    for identity in FILTERS:
        animals = animals_of(arguments.cache, arguments.learn, identity)
        logger.info("== %s, %d animals", identity, len(animals))
        for name, value in limits(animals).items():
            logger.info("%-62s %.3f", name, value)
        for name, gain in gains(animals).items():
            logger.info("%-62s rank %.3f, cross-entropy %.4f", name, *gain)


def animals_of(cache: Path, n: int, identity: str) -> list[Animal]:
    """Return the animals that a session would have had a forecast of."""
    labeler = load_labeler(LabelSettings(device="cpu"))
    found: list[tuple[Recording, Traces, list[Outcome]]] = []
    for recording in recordings(None, {LEARN: n}):
        traces = traces_of(recording, labeler, cache, identity)
        if cuts := cut_in_two(traces, labeler.neurons):
            found.append((recording, traces, cuts))
    all_cuts = [cuts for *_, cuts in found]
    result = []
    for number, (recording, traces, _) in enumerate(found):
        labels = labels_of(recording, labeler, cache)
        measures = measures_of(labels, identity, labeler.neurons, FIRST_AT)
        result.append(Animal(traces, without(all_cuts, number), measures))
    return result


def limits(animals: Sequence[Animal]) -> dict[str, float]:
    """Return rank correlations over the neurons of all animals, of forecasts and oracles."""
    expected = _of_all(animals, lambda one: one.row.forecast.accuracy.value)
    actual = _of_all(animals, lambda one: one.row.outcome.accuracy)
    shown = _of_all(animals, _confidence(slice(None, FIRST_AT)))
    later = _of_all(animals, _confidence(slice(FIRST_AT, None)))
    last = _of_all(animals, _confidence(slice(-5, None)))
    is_right = actual > 0.5
    return {
        "neurons": len(actual),
        "right in less than 10 % of their samples": float((actual < 0.1).mean()),
        "right in more than 90 %": float((actual > 0.9).mean()),
        "accuracy: forecast": _ranked(expected, actual),
        "... outcomes of 0 or 1 drawn from the forecast": drawn(expected),
        "... outcomes of 0 or 1 drawn from the shown confidence": drawn(shown),
        "... mean confidence of the first volumes": _ranked(shown, actual),
        "... oracle: mean confidence of the rest": _ranked(later, actual),
        "... oracle: confidence at the end of the recording": _ranked(last, actual),
        "... ... outcomes of 0 or 1 drawn from it": drawn(last),
        "... oracle: how much of the animal is right": _ranked(
            np.concatenate([_with_true_mean(one) for one in animals]), actual
        ),
        "... oracle: truth in the first volumes": _ranked(
            _of_all(animals, _share_right(slice(None, FIRST_AT))), actual
        ),
        "chance that a right name is ranked above a wrong one": _chance(expected, is_right),
        f"... that a rank correlation of {AIM} asks for": _chance_for(AIM, is_right),
        **_limits_of_values(animals),
    }


def _limits_of_values(animals: Sequence[Animal]) -> dict[str, float]:
    """Return the same of coverage and noise; halves tell how far an outcome is chance."""
    rng = np.random.default_rng(0)
    coverage = np.concatenate([one.row.pair("coverage") for one in animals], axis=1)
    n = np.concatenate(
        [np.full(one.row.pair("coverage")[0].size, len(_rest(one))) for one in animals]
    )
    drawn = [rng.binomial(n, coverage[0].clip(0, 1)) / n for _ in range(N_DRAWS)]
    noise = np.concatenate([one.row.pair("noise") for one in animals], axis=1)
    halves = np.concatenate([_noise_of_halves(one) for one in animals], axis=1)
    of_half = _ranked(*halves[:, np.isfinite(halves).all(axis=0)])
    return {
        "coverage: forecast": _ranked(*coverage),
        "... outcomes drawn from the forecast": float(
            np.mean([_ranked(coverage[0], one) for one in drawn])
        ),
        "noise: forecast": _ranked(*noise),
        "... one half of the rest and the other": of_half,
        # Spearman-Brown: the whole is twice as long as a half, and the true noise has no error
        "... so at most, by a forecast of the true noise": float(
            np.sqrt(2 * of_half / (1 + of_half))
        ),
    }


def gains(animals: Sequence[Animal]) -> dict[str, tuple[float, float]]:
    """Return rank correlation and cross-entropy of what is fitted on the other animals.

    The correlation is over the neurons of all animals, the cross-entropy the mean of animals.
    """
    known = [{**one.row.outcome.features, **one.measures} for one in animals]
    rest = list(animals[0].measures)
    sets: Mapping[str, Sequence[str]] = {
        "confidence alone": (),
        "... and what the forecast looks at": USED,
        **{f"... and {name}": (name,) for name in rest},
        "... and all": (*USED, *rest),
    }
    result = {
        name: _left_out(animals, _table(animals, known, ("confidence", *more)))
        for name, more in sets.items()
    }
    alone = _table(animals, known, ("confidence",))
    everything = _table(animals, known, ("confidence", *USED, *rest))
    result["... and how often the name was right in other animals"] = _left_out(
        animals, alone, has_record=True
    )
    result["... and all of it"] = _left_out(animals, everything, has_record=True)
    return result


def _table(
    animals: Sequence[Animal], known: Sequence[Mapping[str, Floats]], names: Sequence[str]
) -> Rows:
    """Return the told neurons of all animals; unknown values are those of the mean."""
    told = [one.told() for one in animals]
    raw = np.concatenate(
        [
            np.column_stack([values[name] for name in names])[rows]
            for values, rows in zip(known, told, strict=True)
        ]
    )
    center, scale = np.nanmean(raw, axis=0), np.nanstd(raw, axis=0)
    features = np.nan_to_num((raw - center) / np.where(scale > 0, scale, 1.0))
    number = np.repeat(np.arange(len(animals)), [len(rows) for rows in told])
    actual = _of_all(animals, lambda one: one.row.outcome.accuracy)
    return Rows(features, actual, number, np.ones(len(actual), np.bool_))


def _left_out(
    animals: Sequence[Animal], table: Rows, *, has_record: bool = False
) -> tuple[float, float]:
    name = np.concatenate([one.told() for one in animals])
    predicted = np.zeros(len(table.actual))
    for number in range(len(animals)):
        own = table.animal == number
        rows, features = table.where(~own), table.features[own]
        if has_record:
            rows, features = _with_record(rows, features, name[~own], name[own])
        offset, weights = logistic(rows)
        predicted[own] = share(offset + features @ weights)
    losses = [
        _cross_entropy(predicted[table.animal == number], table.actual[table.animal == number])
        for number in range(len(animals))
    ]
    return _ranked(predicted, table.actual), float(np.mean(losses))


def _with_record(
    rows: Rows, features: Floats, name: NDArray[np.int64], own_name: NDArray[np.int64]
) -> tuple[Rows, Floats]:
    """Return both with a column more: how much more often than expected the name was right."""
    offset, weights = logistic(rows)
    error = rows.actual - share(offset + rows.features @ weights)
    n_names = int(max(name.max(), own_name.max())) + 1
    of_names, of_rows = record_of_names(error, name, rows.animal, n_names)
    scale = max(float(of_rows.std()), 1e-9)
    more = np.column_stack([rows.features, of_rows / scale])
    return (
        Rows(more, rows.actual, rows.animal, rows.is_first),
        np.column_stack([features, of_names[own_name] / scale]),
    )


def _of_all(animals: Sequence[Animal], values: Callable[[Animal], NDArray[np.floating]]) -> Floats:
    return np.concatenate([np.asarray(values(one), np.float64)[one.told()] for one in animals])


def _rest(one: Animal) -> list[int]:
    return one.labeled()[FIRST_AT:]


def _confidence(part: slice) -> Callable[[Animal], Floats]:
    """Return what gives the mean confidence over some labeled volumes, 0 where never named."""

    def mean(one: Animal) -> Floats:
        table = np.array([one.traces.samples[index].confidence for index in one.labeled()[part]])
        n = np.isfinite(table).sum(axis=0)
        found: Floats = np.nansum(table, axis=0) / np.maximum(n, 1)
        return found

    return mean


def _share_right(part: slice) -> Callable[[Animal], Floats]:
    def mean(one: Animal) -> Floats:
        table = one.traces.is_right[one.labeled()[part]]
        n = (table >= 0).sum(axis=0)
        found: Floats = (table == 1).sum(axis=0) / np.maximum(n, 1)
        return found

    return mean


def _with_true_mean(one: Animal) -> Floats:
    """Return the forecast, moved on the scale of logits until the animal's mean is right."""
    told = one.told()
    linear = logit(one.row.forecast.accuracy.value[told].astype(np.float64))
    wanted = float(one.row.outcome.accuracy[told].mean())
    offsets = np.linspace(-4, 4, 801)
    means = share(linear[None] + offsets[:, None]).mean(axis=1)
    moved: Floats = share(linear + offsets[np.argmin(np.abs(means - wanted))])
    return moved


def _noise_of_halves(one: Animal) -> Floats:
    ratio = np.array([one.traces.samples[index].ratio for index in _rest(one)])
    half = len(ratio) // 2
    halves = np.array([relative_noise(ratio[:half]), relative_noise(ratio[half:])])
    return halves[:, np.isfinite(one.row.forecast.noise.value)]


def _ranked(first: Floats, second: Floats) -> float:
    return float(spearmanr(first, second).statistic)


def _chance(expected: Floats, is_right: NDArray[np.bool_]) -> float:
    """Return the area under the curve of receiver operation, by Mann and Whitney's U."""
    n_right, n_wrong = int(is_right.sum()), int((~is_right).sum())
    above = rankdata(expected)[is_right].sum() - n_right * (n_right + 1) / 2
    return float(above / (n_right * n_wrong))


def _chance_for(correlation: float, is_right: NDArray[np.bool_]) -> float:
    """Return the area that a rank correlation with outcomes of 0 or 1 stands for, without ties.

    With a share `q` of ones the correlation is ``sqrt(3 q (1 - q)) (2 area - 1)``.
    """
    share_right = float(is_right.mean())
    return float(1 + correlation / np.sqrt(3 * share_right * (1 - share_right))) / 2


def _cross_entropy(expected: Floats, actual: Floats) -> float:
    clipped = np.clip(expected, 0.005, 0.995)
    return float(-(actual * np.log(clipped) + (1 - actual) * np.log1p(-clipped)).mean())


if __name__ == "__main__":
    main()
