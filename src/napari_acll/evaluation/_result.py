"""The result of an evaluation."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_acll.core import SessionError
from napari_acll.evaluation._bins import Reliability
from napari_acll.evaluation._mask_scores import MaskScore
from napari_acll.evaluation._measures import ABOUT, Measure
from napari_acll.evaluation._nuclei import Floats, Ints
from napari_acll.evaluation._tables import AnimalScore, Confusion, NeuronScore


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSeries:
    """One animal, volume by volume; for plots over time.

    Parameters
    ----------
    animal : str
        What the recording is called.
    volume : ndarray of int64, shape (t,)
        Numbers of the volumes.
    time_s : ndarray of float64, shape (t,)
        Their times; NaN where not known.
    counts : dict of str to ndarray of int64, shape (t,)
        What is counted in each, such as `n_confident`.
    """

    animal: str
    volume: Ints
    time_s: Floats
    counts: dict[str, Ints]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How good names are, over all animals and for each.

    *Listed* nuclei are those that an annotator would have named and for which the model has the
    name; a *confident* name has a probability of at least `confident`.

    Parameters
    ----------
    confident : float
        Probability from which on a name counts as confident.
    match_um : float
        A detection farther than this from every nucleus is none.
    measures : dict of str to Measure
        Over all animals; `ABOUT` says in words what each one is.
    record_bins : Reliability
        Names of listed nuclei in the bins of the published figures.
    reliability : Reliability
        Names of listed nuclei in 15 bins of equal width.
    reliability_equal_mass : Reliability
        The same in 15 bins with equally many names.
    reliability_of_all_names : Reliability
        All names that were given, where the truth is complete: a name on a nucleus that has none,
        or on no nucleus, is wrong. 15 bins of equal width.
    animals : tuple of AnimalScore
        The worst first, by the share of confident names that are right.
    neurons : tuple of NeuronScore
        By name.
    confusions : tuple of Confusion
        The most frequent first.
    trace_correlation, trace_correlation_if_right : float
        Median over neurons of the correlation of what was traced under a name with the truth: all
        of it, and without the volumes in which the name is wrong. NaN without a true activity.
    masks : MaskScore, optional
        Agreement of the masks; None where either side has none.
    volumes : tuple of VolumeSeries
        Each animal over time, in the order in which they were given.
    notes : tuple of str
        What a reader should know before believing the figures.
    """

    confident: float
    match_um: float
    measures: dict[str, Measure]
    record_bins: Reliability
    reliability: Reliability
    reliability_equal_mass: Reliability
    reliability_of_all_names: Reliability
    animals: tuple[AnimalScore, ...]
    neurons: tuple[NeuronScore, ...]
    confusions: tuple[Confusion, ...]
    trace_correlation: float
    trace_correlation_if_right: float
    masks: MaskScore | None
    volumes: tuple[VolumeSeries, ...]
    notes: tuple[str, ...] = ()

    def value(self, name: str) -> float:
        """Return a measure over all animals, NaN where there is nothing to count.

        Parameters
        ----------
        name : str
            Such as `right_if_confident`.

        Raises
        ------
        KeyError
            If there is no such measure.
        """
        return self.measures[name].value

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the series over time as JSON values; None stands for NaN."""
        content = {
            "about": {**ABOUT},
            **{name: _plain(getattr(self, name)) for name in _PLAIN_FIELDS},
        }
        content["measures"] = {name: _plain(value) for name, value in self.measures.items()}
        result: dict[str, Any] = without_nan(content)
        return result

    def write_json(self, path: str | Path) -> None:
        """Write `as_dict` as a JSON file.

        Parameters
        ----------
        path : str or Path
            The file; it is replaced if it exists.

        Raises
        ------
        SessionError
            If it cannot be written.
        """
        text = json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise SessionError(
                f"{path} cannot be written ({error.strerror or error}); choose another place."
            ) from error


_PLAIN_FIELDS = (
    "confident",
    "match_um",
    "record_bins",
    "reliability",
    "reliability_equal_mass",
    "reliability_of_all_names",
    "animals",
    "neurons",
    "confusions",
    "trace_correlation",
    "trace_correlation_if_right",
    "masks",
    "notes",
)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value


def without_nan(value: Any) -> Any:
    """Return JSON values in which None stands for what is not a number."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
