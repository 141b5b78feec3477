"""Measures: ratios of counts, with how far they would differ on other animals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_acll.evaluation._bins import N_BINS
from napari_acll.evaluation._counts import AnimalCounts
from napari_acll.evaluation._errors_of_names import OUTCOMES
from napari_acll.evaluation._nuclei import Floats

N_RESAMPLES = 2000
SEED = 0
PERCENTILES = (2.5, 97.5)

LISTED, ALL = "listed ", "all "
"""What begins the names of the counts of the reliability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measure over all animals.

    Parameters
    ----------
    value : float
        Sum over the animals of what is counted, by the sum of what it is counted of; NaN where
        there is nothing to count.
    n : int
        What it is counted of; for the calibration error, names.
    standard_error : float
        Over animals, by bootstrap; NaN for a single animal.
    low, high : float
        Ends of the interval that holds 95 % of the bootstrap's values; NaN for a single animal.
    """

    value: float
    n: int
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """How a measure is made of counts.

    Parameters
    ----------
    about : str
        What it is, in words.
    part, whole : tuple of str
        Counts that are added, and counts by whose sum they are divided.
    is_share : bool
        Whether it is a share from 0 to 1.
    """

    about: str
    part: tuple[str, ...]
    whole: tuple[str, ...]
    is_share: bool = True


def _share(about: str, part: str, whole: str) -> Definition:
    return Definition(about=about, part=(part,), whole=(whole,))


def _mean(about: str, part: str, whole: str = "n_volumes") -> Definition:
    return Definition(about=about, part=(part,), whole=(whole,), is_share=False)


DEFINITIONS: Mapping[str, Definition] = {
    "right": _share("listed nuclei that got their name", "n_right", "n_listed"),
    "right_in_3": _share(
        "listed nuclei whose name is among the first three", "n_right_in_3", "n_listed_ranked"
    ),
    "right_either_side": _share(
        "listed nuclei that got their name or that of the other side",
        "n_right_either_side",
        "n_listed",
    ),
    "right_if_confident": _share(
        "confident names of listed nuclei that are right",
        "n_confident_right",
        "n_listed_confident",
    ),
    "right_if_confident_either_side": _share(
        "confident names of listed nuclei that are right but for the side",
        "n_confident_right_either_side",
        "n_listed_confident",
    ),
    "share_confident": _share(
        "listed nuclei that got a confident name", "n_listed_confident", "n_listed"
    ),
    "right_of_all_names": _share(
        "names that are right, of all that were given", "n_judged_right", "n_judged"
    ),
    "right_of_all_confident_names": _share(
        "confident names that are right, of all that were given",
        "n_judged_confident_right",
        "n_judged_confident",
    ),
    "names_per_volume": _mean("names per volume", "n_named"),
    "confident_names_per_volume": _mean("confident names per volume", "n_confident"),
    "confident_listed_per_volume": _mean(
        "confident names of listed nuclei per volume", "n_listed_confident"
    ),
    "listed_per_volume": _mean("listed nuclei per volume", "n_listed"),
    "duplicates_per_volume": _mean("names given twice in a volume", "n_duplicates"),
    "nameless_confident": _share(
        "nuclei without a name that got a confident one", "n_nameless_confident", "n_nameless"
    ),
    "unlisted_confident_right": _share(
        "neurons that no annotator would list and that got their name confidently",
        "n_unlisted_confident_right",
        "n_unlisted",
    ),
    "unlisted_confident_wrong": _share(
        "neurons that no annotator would list and that got another name confidently",
        "n_unlisted_confident_wrong",
        "n_unlisted",
    ),
    "false_confident": _share(
        "detections that are no nucleus and got a confident name", "n_false_confident", "n_false"
    ),
    "detection_precision": _share("precision: detections that are nuclei", "n_matched", "n_found"),
    "detection_recall": _share("recall: nuclei that were detected", "n_matched", "n_true"),
    "detection_f1": Definition(
        about="F1: harmonic mean of precision and recall",
        part=("n_matched", "n_matched"),
        whole=("n_found", "n_true"),
    ),
    "listed_recall": _share("listed nuclei that were detected", "n_listed_found", "n_listed"),
    "center_error_um": _mean(
        "distance of a detection from its nucleus, um", "sum_distance_um", "n_centered"
    ),
    "warned": _share("volumes that the model itself called odd", "n_warned", "n_looked_at"),
    "switches": _share(
        "a neuron has another name than when it was last named", "n_switches", "n_steps"
    ),
    "confident_switches": _share(
        "a neuron has another confident name than when it last had one",
        "n_confident_switches",
        "n_confident_steps",
    ),
    "jumps": _share(
        "a name lies on another neuron than when it was last given", "n_jumps", "n_name_steps"
    ),
    "confident_jumps": _share(
        "a confident name lies on another neuron than when it last was confident",
        "n_confident_jumps",
        "n_confident_name_steps",
    ),
    **{
        f"listed_{outcome.name.lower()}": _share(
            f"listed nuclei: {outcome}", f"outcome {outcome}", "n_listed"
        )
        for outcome in OUTCOMES[1:]
    },
}
"""All measures but the calibration errors."""

CALIBRATION = {
    "calibration_error": (
        LISTED,
        "expected calibration error of the names of listed nuclei, 15 bins of equal width",
    ),
    "calibration_error_of_all_names": (
        ALL,
        "expected calibration error of all names that were given, 15 bins of equal width",
    ),
}
ABOUT = {
    **{name: definition.about for name, definition in DEFINITIONS.items()},
    **{name: about for name, (_, about) in CALIBRATION.items()},
}
"""What each measure is, in words."""


def measure(animals: Sequence[AnimalCounts]) -> dict[str, Measure]:
    """Return all measures over animals.

    Whole animals are drawn with replacement, as volumes of one animal are alike.

    Parameters
    ----------
    animals : sequence of mapping
        `animal_counts` of each, with those of the reliability.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13.
    """
    sums = _Sums(animals)
    result = {}
    for name, definition in DEFINITIONS.items():
        whole = sums.of(definition.whole)
        result[name] = sums.spread(_divide(sums.of(definition.part), whole), whole)
    for name, (prefix, _) in CALIBRATION.items():
        n = sums.of([f"{prefix}bin {number} n" for number in range(N_BINS)])
        gaps = [
            np.abs(
                sums.of([f"{prefix}bin {number} probability"])
                - sums.of([f"{prefix}bin {number} right"])
            )
            for number in range(N_BINS)
        ]
        result[name] = sums.spread(_divide(np.sum(gaps, axis=0), n), n)
    return result


class _Sums:
    """Sums of counts over all animals, and over animals drawn with replacement.

    In arrays of shape `(1 + N_RESAMPLES,)` the first value is that of all animals.
    """

    def __init__(self, animals: Sequence[AnimalCounts]) -> None:
        self._n = n = len(animals)
        self._column = {name: index for index, name in enumerate(animals[0])}
        table = np.array([[animal[name] for name in self._column] for animal in animals])
        draws = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), N_RESAMPLES)
        self._rows = np.vstack([np.ones((1, n)), draws]) @ table

    def of(self, names: Sequence[str]) -> Floats:
        """Return the sums of the counts of these names."""
        columns = [self._column[name] for name in names]
        total: Floats = self._rows[:, columns].sum(axis=1)
        return total

    def spread(self, values: Floats, whole: Floats) -> Measure:
        """Return a measure with how far it would differ on other animals."""
        value, n, nan = float(values[0]), round(whole[0]), float("nan")
        known = values[1:][np.isfinite(values[1:])]
        if self._n < 2 or not len(known):
            return Measure(value=value, n=n, standard_error=nan, low=nan, high=nan)
        error = float(known.std(ddof=1))
        low, high = (float(end) for end in np.percentile(known, PERCENTILES))
        return Measure(value=value, n=n, standard_error=error, low=low, high=high)


def _divide(part: Floats, whole: Floats) -> Floats:
    result = np.full(len(part), np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
