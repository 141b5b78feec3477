"""How good names are, given what is true."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_acll.core import SettingsError
from napari_acll.evaluation._bins import (
    N_BINS,
    RECORD_EDGES,
    binned,
    equal_mass_bins,
    equal_width_bins,
)
from napari_acll.evaluation._counts import (
    AnimalCounts,
    animal_counts,
    reliability_sums,
    volume_counts,
)
from napari_acll.evaluation._errors_of_names import ListedNuclei, listed_nuclei
from napari_acll.evaluation._mask_scores import (
    MaskOverlap,
    overlaps_of_names,
    score_masks,
)
from napari_acll.evaluation._measures import ALL, LISTED, measure
from napari_acll.evaluation._nuclei import Bools, Floats, GivenNames, TrueNuclei
from napari_acll.evaluation._pairs import Pairs, pair_up
from napari_acll.evaluation._read_names import names_of_session, read_names
from napari_acll.evaluation._read_truth import read_truth
from napari_acll.evaluation._result import Evaluation, VolumeSeries
from napari_acll.evaluation._tables import (
    AnimalScore,
    confusions,
    neuron_scores,
    trace_correlations,
)
from napari_acll.evaluation._vocabulary import Vocabulary
from napari_acll.export import SavedSession

CONFIDENT = 0.75
"""Probability from which on the original program shows a name, and the record counts it."""
MATCH_UM = 3.0
"""A detection farther than this from every nucleus is none: less than the median distance between
neighbors, 4 um."""

Progress = Callable[[str], None]
"""Called with the name of each recording before it is compared."""


def evaluate_session(
    session: str | Path | SavedSession | GivenNames,
    truth: str | Path | TrueNuclei,
    *,
    confident: float = CONFIDENT,
    match_um: float = MATCH_UM,
) -> Evaluation:
    """Return how good the names of one recording are.

    Parameters
    ----------
    session : str, Path, SavedSession or GivenNames
        A session, or what `read_names` reads.
    truth : str, Path or TrueNuclei
        What is true of it, or what `read_truth` reads.
    confident : float
        Probability from which on a name counts as confident.
    match_um : float
        A detection farther than this from every nucleus is none, um.

    Raises
    ------
    SessionError
        If the session cannot be read or holds no labeled volume.
    RecordingError
        If the truth cannot be read, or is that of another recording.
    ModelError
        If the model has none of the true names.
    SettingsError
        If a number is out of range.

    Examples
    --------
    >>> evaluation = evaluate_session("worm.acll", "worm.truth.csv")  # doctest: +SKIP
    >>> evaluation.value("right_if_confident")  # doctest: +SKIP
    0.931
    """
    return evaluate_sessions([session], [truth], confident=confident, match_um=match_um)


def evaluate_sessions(
    sessions: Sequence[str | Path | SavedSession | GivenNames],
    truths: Sequence[str | Path | TrueNuclei],
    *,
    confident: float = CONFIDENT,
    match_um: float = MATCH_UM,
    progress: Progress | None = None,
) -> Evaluation:
    """Return how good the names of several recordings are, one animal each.

    Parameters
    ----------
    sessions, truths : sequence
        As for `evaluate_session`, in the same order.
    confident : float
        Probability from which on a name counts as confident.
    match_um : float
        A detection farther than this from every nucleus is none, um.
    progress : callable, optional
        Called with the name of each recording before it is compared.

    Raises
    ------
    SessionError, RecordingError, ModelError
        As for `evaluate_session`.
    SettingsError
        If there are not as many truths as sessions, or a number is out of range.
    """
    _check(len(sessions), len(truths), confident, match_um)
    given = _with_own_names([_given(session) for session in sessions])
    known = [_known(truth) for truth in truths]
    vocabulary = _vocabulary(given, known)
    parts = []
    for names, nuclei in zip(given, known, strict=True):
        if progress is not None:
            progress(names.animal)
        parts.append(_compare(names, nuclei, vocabulary, confident=confident, match_um=match_um))
    return _summary(parts, vocabulary, confident=confident, match_um=match_um)


def _check(n_sessions: int, n_truths: int, confident: float, match_um: float) -> None:
    if n_sessions != n_truths or not n_sessions:
        raise SettingsError(
            f"Expected one truth for each session, in the same order; got {n_sessions} sessions"
            f" and {n_truths} truths."
        )
    if not 0 < confident <= 1 or not match_um > 0:
        raise SettingsError(
            "A name is confident from a probability above 0 up to 1, and nuclei match within more"
            f" than 0 um; got {confident:g} and {match_um:g} um."
        )


def _given(session: str | Path | SavedSession | GivenNames) -> GivenNames:
    if isinstance(session, GivenNames):
        return session
    return names_of_session(session) if isinstance(session, SavedSession) else read_names(session)


def _known(truth: str | Path | TrueNuclei) -> TrueNuclei:
    return truth if isinstance(truth, TrueNuclei) else read_truth(truth)


def _with_own_names(given: list[GivenNames]) -> list[GivenNames]:
    """Return recordings of which no two are called the same."""
    names = [item.animal for item in given]
    return [
        replace(item, animal=f"{item.animal} ({number})") if names.count(item.animal) > 1 else item
        for number, item in enumerate(given, start=1)
    ]


def _vocabulary(given: Sequence[GivenNames], known: Sequence[TrueNuclei]) -> Vocabulary:
    names: set[str] = set()
    names.update(*(item.neurons.names for item in given))
    names.update(*(np.unique(item.name).tolist() for item in known))
    return Vocabulary.of(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is kept of one recording."""

    pairs: Pairs
    listed: ListedNuclei
    series: VolumeSeries
    counts: AnimalCounts
    overlaps: list[MaskOverlap]


def _compare(
    given: GivenNames,
    truth: TrueNuclei,
    vocabulary: Vocabulary,
    *,
    confident: float,
    match_um: float,
) -> _Part:
    pairs = pair_up(given, truth, vocabulary, match_um=match_um)
    other_side = vocabulary.other_side()
    listed = listed_nuclei(pairs, other_side)
    counts = volume_counts(pairs, confident=confident)
    sums = {**animal_counts(pairs, counts, listed, other_side, confident=confident)}
    edges = tuple(np.linspace(0, 1, N_BINS + 1).tolist())
    for prefix, rows in ((LISTED, _of_listed(pairs)), (ALL, _judged(pairs))):
        bins = reliability_sums(pairs.probability[rows], pairs.is_right[rows], edges)
        sums |= {f"{prefix}{name}": value for name, value in bins.items()}
    return _Part(
        pairs=pairs,
        listed=listed,
        series=VolumeSeries(
            animal=pairs.animal,
            volume=pairs.volumes.scored,
            time_s=pairs.volumes.time_s,
            counts=dict(counts),
        ),
        counts=sums,
        overlaps=overlaps_of_names(given, truth, pairs),
    )


def _of_listed(pairs: Pairs) -> Bools:
    return pairs.is_named & pairs.is_of_listed


def _judged(pairs: Pairs) -> Bools:
    return pairs.is_named & pairs.is_complete


def _summary(
    parts: Sequence[_Part], vocabulary: Vocabulary, *, confident: float, match_um: float
) -> Evaluation:
    nuclei = [part.listed for part in parts]
    probability, is_right = _names(parts, _of_listed)
    traces = [trace_correlations(part.pairs, only_right=False) for part in parts]
    if_right = [trace_correlations(part.pairs, only_right=True) for part in parts]
    overlaps = [overlap for part in parts for overlap in part.overlaps]
    return Evaluation(
        confident=confident,
        match_um=match_um,
        measures=measure([part.counts for part in parts]),
        record_bins=binned(probability, is_right, RECORD_EDGES),
        reliability=equal_width_bins(probability, is_right),
        reliability_equal_mass=equal_mass_bins(probability, is_right),
        reliability_of_all_names=equal_width_bins(*_names(parts, _judged)),
        animals=_animals(parts),
        neurons=neuron_scores(nuclei, vocabulary, traces, confident=confident),
        confusions=confusions(nuclei, vocabulary, confident=confident),
        trace_correlation=_median(traces),
        trace_correlation_if_right=_median(if_right),
        masks=score_masks(overlaps) if overlaps else None,
        volumes=tuple(part.series for part in parts),
        notes=tuple(note for part in parts for note in part.pairs.notes),
    )


def _names(parts: Sequence[_Part], choose: Callable[[Pairs], Bools]) -> tuple[Floats, Bools]:
    """Return probability and rightness of the chosen names of all animals."""
    probability = [part.pairs.probability[choose(part.pairs)] for part in parts]
    is_right = [part.pairs.is_right[choose(part.pairs)] for part in parts]
    return np.concatenate(probability), np.concatenate(is_right)


def _animals(parts: Sequence[_Part]) -> tuple[AnimalScore, ...]:
    scores = [
        AnimalScore(
            name=part.pairs.animal,
            n_volumes=len(part.pairs.volumes.scored),
            n_unlabelable=part.pairs.volumes.n_unlabelable,
            n_skipped=part.pairs.volumes.n_skipped,
            n_lost=part.pairs.volumes.n_lost,
            measures=measure([part.counts]),
        )
        for part in parts
    ]
    return tuple(sorted(scores, key=_badness))


def _badness(animal: AnimalScore) -> tuple[float, float]:
    """Return what sorts the worst animal first; one without any confident name is the worst."""
    sure = animal.measures["right_if_confident"].value
    return (-1.0 if math.isnan(sure) else sure), animal.measures["right"].value


def _median(correlations: Sequence[dict[int, float]]) -> float:
    values = [value for part in correlations for value in part.values()]
    return float(np.median(values)) if values else float("nan")
