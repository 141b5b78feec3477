"""Rows of the tables: neurons, confusions, animals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_acll.evaluation._errors_of_names import OUTCOMES, ListedNuclei, Outcome
from napari_acll.evaluation._measures import Measure
from napari_acll.evaluation._nuclei import Floats
from napari_acll.evaluation._pairs import Pairs
from napari_acll.evaluation._vocabulary import Vocabulary

MIN_SHARE = 0.5
"""A trace is compared with the truth if the neuron was named in this share of the volumes."""
MIN_VALUES = 10
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronScore:
    """One neuron over all volumes in which it is listed.

    Parameters
    ----------
    name : str
        The neuron.
    n_listed : int
        Volumes, of all animals, in which it is listed.
    n_found, n_named, n_right : int
        Of these, those in which it was detected, got any name, and got its own.
    n_confident, n_confident_right : int
        Those in which its name is confident, and also right.
    mean_probability : float
        Of the names that it got.
    taken_for : str
        The wrong name that it got most often; empty if it got none.
    n_taken_for : int
        How often.
    trace_correlation : float
        Of what was traced under its name, wrong volumes included, with its true activity; median
        over animals. NaN where there are too few values or the truth has no activity.
    """

    name: str
    n_listed: int
    n_found: int
    n_named: int
    n_right: int
    n_confident: int
    n_confident_right: int
    mean_probability: float
    taken_for: str
    n_taken_for: int
    trace_correlation: float

    @property
    def right(self) -> float:
        """Share of the volumes in which it is listed that give it its name."""
        return self.n_right / self.n_listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """A name that stands where another one belongs.

    Parameters
    ----------
    true, given : str
        The neuron, and the name that it got.
    n : int
        How often.
    n_confident : int
        How often confidently.
    kind : str
        `left/right`, `neighbor`, `far` or `not there`, whichever holds most often.
    distance_um : float
        Median distance between the two neurons; NaN where the truth does not have the other.
    """

    true: str
    given: str
    n: int
    n_confident: int
    kind: str
    distance_um: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimalScore:
    """One animal.

    Parameters
    ----------
    name : str
        What the recording is called.
    n_volumes : int
        Volumes that were compared.
    n_unlabelable, n_skipped, n_lost : int
        Volumes of the session that were flagged as unfit, skipped, or lost: they are not compared.
    measures : dict of str to Measure
        Of this animal alone.
    """

    name: str
    n_volumes: int
    n_unlabelable: int
    n_skipped: int
    n_lost: int
    measures: dict[str, Measure]


def neuron_scores(
    nuclei: Sequence[ListedNuclei],
    vocabulary: Vocabulary,
    correlations: Sequence[dict[int, float]],
    *,
    confident: float,
) -> tuple[NeuronScore, ...]:
    """Return every neuron that is listed anywhere, by name.

    Parameters
    ----------
    nuclei : sequence of ListedNuclei
        Of each animal.
    vocabulary : Vocabulary
        The names.
    correlations : sequence of dict of int to float
        `trace_correlations` of each animal.
    confident : float
        Probability from which on a name counts as confident.
    """
    joined = _joined(nuclei)
    scores = []
    for number in np.unique(joined.true).tolist():
        known = [part[number] for part in correlations if number in part]
        median = float(np.median(known)) if known else NAN
        scores.append(_neuron(joined, number, vocabulary.names, median, confident))
    return tuple(scores)


def _neuron(
    nuclei: ListedNuclei, number: int, names: tuple[str, ...], correlation: float, confident: float
) -> NeuronScore:
    rows = nuclei.true == number
    given, outcome = nuclei.given[rows], nuclei.outcome[rows]
    probability = nuclei.probability[rows]
    right, sure = outcome == _number(Outcome.RIGHT), probability >= confident
    wrong, times = np.unique(given[(given > 0) & ~right], return_counts=True)
    most = int(times.argmax()) if len(times) else -1
    named = probability[given > 0]
    return NeuronScore(
        name=names[number - 1],
        n_listed=int(rows.sum()),
        n_found=int((outcome != _number(Outcome.MISSED)).sum()),
        n_named=len(named),
        n_right=int(right.sum()),
        n_confident=int(sure.sum()),
        n_confident_right=int((right & sure).sum()),
        mean_probability=float(named.mean()) if len(named) else NAN,
        taken_for=names[int(wrong[most]) - 1] if len(times) else "",
        n_taken_for=int(times[most]) if len(times) else 0,
        trace_correlation=correlation,
    )


def confusions(
    nuclei: Sequence[ListedNuclei], vocabulary: Vocabulary, *, confident: float
) -> tuple[Confusion, ...]:
    """Return the names that stand where others belong, the most frequent first.

    Parameters
    ----------
    nuclei : sequence of ListedNuclei
        Of each animal.
    vocabulary : Vocabulary
        The names.
    confident : float
        Probability from which on a name counts as confident.
    """
    joined = _joined(nuclei)
    wrong = np.flatnonzero((joined.given > 0) & (joined.outcome != _number(Outcome.RIGHT)))
    if not len(wrong):
        return ()
    keys = np.stack([joined.true[wrong], joined.given[wrong]], axis=1)
    unique, member = np.unique(keys, axis=0, return_inverse=True)
    groups = np.split(
        wrong[np.argsort(member, kind="stable")], np.cumsum(np.bincount(member))[:-1]
    )
    found = [
        _confusion(
            joined, rows, vocabulary.names[true - 1], vocabulary.names[given - 1], confident
        )
        for (true, given), rows in zip(unique.tolist(), groups, strict=True)
    ]
    return tuple(sorted(found, key=lambda item: (-item.n, item.true, item.given)))


def _confusion(
    nuclei: ListedNuclei,
    rows: "np.ndarray[tuple[int], np.dtype[np.intp]]",
    true: str,
    given: str,
    confident: float,
) -> Confusion:
    distance = nuclei.distance_um[rows]
    known = distance[np.isfinite(distance)]
    kind = np.bincount(nuclei.outcome[rows], minlength=len(OUTCOMES)).argmax()
    return Confusion(
        true=true,
        given=given,
        n=len(rows),
        n_confident=int((nuclei.probability[rows] >= confident).sum()),
        kind=str(OUTCOMES[int(kind)]),
        distance_um=float(np.median(known)) if len(known) else NAN,
    )


def trace_correlations(pairs: Pairs, *, only_right: bool) -> dict[int, float]:
    """Return the correlation of what was traced under each name with that neuron's true activity.

    Parameters
    ----------
    pairs : Pairs
        The recording.
    only_right : bool
        Whether volumes in which the name is wrong are left out.
    """
    true_ratio = _true_ratios(pairs)
    used = pairs.is_named & np.isfinite(pairs.ratio) & np.isfinite(true_ratio)
    if only_right:
        used &= pairs.is_right
    enough = max(MIN_VALUES, MIN_SHARE * len(pairs.volumes.scored))
    result = {}
    for number in np.unique(pairs.given[used]).tolist():
        rows = used & (pairs.given == number)
        if rows.sum() >= enough:
            result[number] = _correlation(pairs.ratio[rows], true_ratio[rows])
    return {number: value for number, value in result.items() if np.isfinite(value)}


def _true_ratios(pairs: Pairs) -> Floats:
    """Return for each detection the true activity of the neuron whose name it got."""
    named = np.flatnonzero(pairs.true > 0)
    result = np.full(len(pairs.given), np.nan)
    if not len(named):
        return result
    n_names = int(max(pairs.true.max(), pairs.given.max(initial=0))) + 1
    keys = pairs.true_volume[named] * n_names + pairs.true[named]
    order = np.argsort(keys, kind="stable")
    wanted = pairs.volume * n_names + pairs.given
    place = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    is_there = (keys[place] == wanted) & (pairs.given > 0)
    result[is_there] = pairs.true_ratio[named[place[is_there]]]
    return result


def _correlation(values: Floats, truth: Floats) -> float:
    if values.std() == 0 or truth.std() == 0:
        return NAN
    return float(np.corrcoef(values, truth)[0, 1])


def _joined(nuclei: Sequence[ListedNuclei]) -> ListedNuclei:
    return ListedNuclei(
        volume=np.concatenate([part.volume for part in nuclei]),
        true=np.concatenate([part.true for part in nuclei]),
        given=np.concatenate([part.given for part in nuclei]),
        probability=np.concatenate([part.probability for part in nuclei]),
        outcome=np.concatenate([part.outcome for part in nuclei]),
        distance_um=np.concatenate([part.distance_um for part in nuclei]),
    )


def _number(outcome: Outcome) -> int:
    return OUTCOMES.index(outcome)
