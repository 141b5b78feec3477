"""Two sets of traces of one recording, neuron by neuron."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_acll.evaluation._correlations import correlations, lagged_correlations
from napari_acll.evaluation._nuclei import Floats, Ints
from napari_acll.evaluation._result import without_nan
from napari_acll.evaluation._trace_table import (
    AlignedBy,
    TraceTable,
    aligned,
    spelled_alike,
    told_apart,
    usual_alignment,
)

MIN_SHARED = 20
"""Timepoints with both values below which a correlation says nothing."""
LEAST_GAIN = 0.2
"""Correlation by which another name must fit better to be told: neurons of one circuit correlate,
and partners of the two sides by more than 0.9."""
LEAST_FIT = 0.5
"""Correlation below which no other name is proposed, and a lag says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronAgreement:
    """How well two traces of one neuron agree.

    Parameters
    ----------
    neuron : str
        Its name in both.
    n_shared : int
        Timepoints at which both have a value.
    share_ours, share_other : float
        Part of the timepoints compared at which each has one.
    correlation : float
        Pearson's, at the same timepoints; NaN below `MIN_SHARED` of them.
    lag_volumes : int
        Delay of the other trace at which they correlate best, in volumes; below 0 it leads.
    lag_s : float
        The same in s, NaN if no times are known.
    correlation_at_lag : float
        There.
    scale : float
        Ratio of the standard deviations, ours over the other's, where both have a value: what the
        other is multiplied with to be as lively as ours.
    """

    neuron: str
    n_shared: int
    share_ours: float
    share_other: float
    correlation: float
    lag_volumes: int
    lag_s: float
    correlation_at_lag: float
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Names under which the traces would agree better.

    Parameters
    ----------
    neuron : str
        What we call it.
    fits : str
        The trace of the other that fits it.
    correlation, correlation_as_named : float
        With that trace, and with the one of the same name; the latter is NaN if there is none.
    is_mutual : bool
        Whether the other way round it is the same: two names are exchanged.
    """

    neuron: str
    fits: str
    correlation: float
    correlation_as_named: float
    is_mutual: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TraceComparison:
    """How two sets of traces of one recording agree.

    Parameters
    ----------
    ours, other : TraceTable
        Both, at the same timepoints.
    by : AlignedBy
        By what these are the same.
    neurons : tuple of NeuronAgreement
        Neurons that both have, by name.
    only_ours, only_other : tuple of str
        Names that one of them lacks.
    exchanges : tuple of Exchange
        Names that would agree better otherwise, the clearest first.
    matrix : ndarray of float64, shape (n, n)
        Correlation of ours (rows) with the other's (columns), of neurons that both have.
    """

    ours: TraceTable
    other: TraceTable
    by: AlignedBy
    neurons: tuple[NeuronAgreement, ...]
    only_ours: tuple[str, ...]
    only_other: tuple[str, ...]
    exchanges: tuple[Exchange, ...]
    matrix: Floats

    @property
    def correlation(self) -> Floats:
        """Correlations of all neurons that have one."""
        known = np.array([item.correlation for item in self.neurons], np.float64)
        return known[np.isfinite(known)]

    @property
    def lags(self) -> Ints:
        """Lags in volumes of the neurons that correlate well there; others are chance."""
        lags = [item.lag_volumes for item in self.neurons if item.correlation_at_lag >= LEAST_FIT]
        return np.array(lags, np.int64)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out and why."""
        notes = (*self.ours.notes, *self.other.notes)
        if not self.neurons:
            notes = (*notes, self._without_common_name())
        return tuple(dict.fromkeys(notes))

    def _without_common_name(self) -> str:
        said = " and ".join(
            f"{table.source} has {', '.join(table.neurons[:3])}, ..."
            for table in (self.ours, self.other)
        )
        return (
            f"No neuron has the same name in both ({said}); all that can be told is who fits whom."
        )

    def summary(self) -> dict[str, float]:
        """Return the numbers that tell most, NaN where there are none."""
        known = self.correlation
        lags = self.lags
        nan = float("nan")
        return {
            "n_timepoints": float(len(self.ours.values)),
            "n_neurons": float(len(self.neurons)),
            "n_compared": float(len(known)),
            "median_correlation": float(np.median(known)) if len(known) else nan,
            "tenth_percentile": float(np.percentile(known, 10)) if len(known) else nan,
            "n_lags": float(len(lags)),
            "median_lag_volumes": float(np.median(lags)) if len(lags) else nan,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the traces as JSON values; None stands for NaN."""
        content = {
            "ours": self.ours.source,
            "other": self.other.source,
            "aligned_by": self.by.value,
            "summary": self.summary(),
            "neurons": [asdict(item) for item in self.neurons],
            "only_ours": list(self.only_ours),
            "only_other": list(self.only_other),
            "exchanges": [asdict(item) for item in self.exchanges],
            "notes": list(self.notes),
        }
        result: dict[str, Any] = without_nan(content)
        return result


AGREEMENT_COLUMNS = tuple(field.name for field in fields(NeuronAgreement))


def compare_traces(
    ours: TraceTable, other: TraceTable, *, by: AlignedBy | None = None, max_lag: int = 10
) -> TraceComparison:
    """Compare two sets of traces of one recording.

    Parameters
    ----------
    ours, other : TraceTable
        The traces.
    by : AlignedBy, optional
        How timepoints are told to be the same; by volume if both count volumes.
    max_lag : int
        Greatest lag that is tried, in volumes.

    Raises
    ------
    SessionError
        If they have no timepoint in common, or the times of one cannot be seconds.
    SettingsError
        If times are asked for that one of them lacks.
    """
    ours, other = told_apart(ours, other)
    other = spelled_alike(ours, other)
    by = usual_alignment(ours, other) if by is None else by
    ours, other = aligned(ours, other, by)
    shared = tuple(name for name in ours.neurons if name in set(other.neurons))
    matrix = correlations(ours.values, other.values, min_shared=MIN_SHARED)
    rows = [ours.neurons.index(name) for name in shared]
    columns = [other.neurons.index(name) for name in shared]
    return TraceComparison(
        ours=ours,
        other=other,
        by=by,
        neurons=_agreements(ours, other, shared, max_lag),
        only_ours=tuple(sorted(set(ours.neurons) - set(shared))),
        only_other=tuple(sorted(set(other.neurons) - set(shared))),
        exchanges=_exchanges(ours.neurons, other.neurons, matrix),
        matrix=matrix[np.ix_(rows, columns)],
    )


def _agreements(
    ours: TraceTable, other: TraceTable, shared: tuple[str, ...], max_lag: int
) -> tuple[NeuronAgreement, ...]:
    left, right = ours.of(shared), other.of(shared)
    lags = np.arange(-max_lag, max_lag + 1)
    by_lag = lagged_correlations(left, right, lags, min_shared=MIN_SHARED)
    period_s = ours.period_s
    result = []
    for number, name in enumerate(shared):
        both = np.isfinite(left[:, number]) & np.isfinite(right[:, number])
        known = np.where(np.isfinite(by_lag[:, number]), by_lag[:, number], -np.inf)
        best = _best(known, lags)
        spread = float(right[both, number].std()) if both.any() else 0.0
        result.append(
            NeuronAgreement(
                neuron=name,
                n_shared=int(both.sum()),
                share_ours=float(np.isfinite(left[:, number]).mean()),
                share_other=float(np.isfinite(right[:, number]).mean()),
                correlation=float(by_lag[max_lag, number]),
                lag_volumes=int(lags[best]),
                lag_s=float(lags[best] * period_s),
                correlation_at_lag=float(by_lag[best, number]),
                scale=float(left[both, number].std()) / spread if spread > 0 else float("nan"),
            )
        )
    return tuple(result)


def _best(known: Floats, lags: Ints) -> int:
    """Return where the correlation is best, at the smallest lag of several."""
    order = np.argsort(np.abs(lags), kind="stable")
    return int(order[np.argmax(known[order])])


def _exchanges(ours: Sequence[str], others: Sequence[str], matrix: Floats) -> tuple[Exchange, ...]:
    """Return names that fit other traces much better than those of the same name.

    Traces are matched one to one by their correlation, the same name having an advantage, so that
    neurons that all correlate with each other are not exchanged around.

    References
    ----------
    Kuhn, Naval Research Logistics 2, 83 (1955).
    """
    same = np.array([[name == there for there in others] for name in ours], np.bool_)
    same = same.reshape(matrix.shape)
    value = np.where(np.isfinite(matrix), matrix, -1.0) + LEAST_GAIN * same
    rows, columns = linear_sum_assignment(-value)
    found = []
    for row, column in zip(rows, columns, strict=True):
        as_named = matrix[row][same[row]]
        before = float(as_named[0]) if as_named.size else float("nan")
        gain = matrix[row, column] - (before if np.isfinite(before) else 0.0)
        if same[row, column] or not matrix[row, column] >= LEAST_FIT or gain < LEAST_GAIN:
            continue
        found.append(
            Exchange(
                neuron=ours[row],
                fits=others[column],
                correlation=float(matrix[row, column]),
                correlation_as_named=before,
                is_mutual=False,
            )
        )
    fits_of = {item.neuron: item.fits for item in found}
    found = [replace(item, is_mutual=fits_of.get(item.fits) == item.neuron) for item in found]
    known = [item for item in found if np.isfinite(item.correlation_as_named)]
    lacking = [item for item in found if not np.isfinite(item.correlation_as_named)]
    known.sort(key=lambda item: item.correlation_as_named - item.correlation)
    lacking.sort(key=lambda item: -item.correlation)
    return (*known, *lacking)
