"""Traces of one recording, whoever made them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from napari_acll.core import SessionError, SettingsError
from napari_acll.evaluation._nuclei import Floats, Ints

MOST_PERIODS = 50
"""Time from row to row of one table, in that of the other, beyond which their units differ."""


class AlignedBy(StrEnum):
    """How the timepoints of two tables are told to be the same."""

    VOLUME = "volume"
    """By the number of the volume, counted from 0."""
    TIME = "time"
    """By the time from the first volume; between two values linearly."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TraceTable:
    """The traces of the neurons of one recording.

    Parameters
    ----------
    source : str
        What it was read from, for people.
    neurons : tuple of str
        Names of the columns, each once.
    values : ndarray of float64, shape (n_timepoints, n_neurons)
        In any unit; NaN where there is none.
    volume_index : ndarray of int64, shape (n_timepoints,)
        Ascending.
    time_s : ndarray of float64, shape (n_timepoints,)
        Of each row; all NaN if the table does not tell.
    has_volumes : bool
        Whether the numbers of the volumes stand in the table, not only rows in their order.
    notes : tuple of str
        What was left out and why, one sentence each.
    """

    source: str
    neurons: tuple[str, ...]
    values: Floats
    volume_index: Ints
    time_s: Floats
    has_volumes: bool = True
    notes: tuple[str, ...] = ()

    @property
    def has_times(self) -> bool:
        """Whether the table tells the time of at least two rows."""
        return bool(np.isfinite(self.time_s).sum() > 1)

    @property
    def period_s(self) -> float:
        """Median time from one row to the next, in s; NaN if not known."""
        known = self.time_s[np.isfinite(self.time_s)]
        return float(np.median(np.diff(known))) if len(known) > 1 else float("nan")

    def of(self, neurons: tuple[str, ...]) -> Floats:
        """Return the values of some neurons, in their order."""
        column = {name: number for number, name in enumerate(self.neurons)}
        return self.values[:, [column[name] for name in neurons]]


def usual_alignment(ours: TraceTable, other: TraceTable) -> AlignedBy:
    """Return how two tables are aligned if nobody says: by volume, if both count volumes."""
    if ours.has_volumes and other.has_volumes:
        return AlignedBy.VOLUME
    return AlignedBy.TIME if ours.has_times and other.has_times else AlignedBy.VOLUME


def aligned(ours: TraceTable, other: TraceTable, by: AlignedBy) -> tuple[TraceTable, TraceTable]:
    """Return two tables with the same timepoints: those of the first that the second spans.

    Parameters
    ----------
    ours, other : TraceTable
        Of the same recording.
    by : AlignedBy
        By what timepoints are the same.

    Raises
    ------
    SessionError
        If they have no timepoint in common, or the times of one cannot be seconds.
    SettingsError
        If one does not tell its times.
    """
    if by is AlignedBy.TIME:
        return _by_time(ours, other)
    shared, left, right = np.intersect1d(
        ours.volume_index, other.volume_index, return_indices=True
    )
    if not len(shared):
        raise SessionError(
            f"{ours.source} and {other.source} have no volume in common; are they of the same"
            " recording? Volumes are counted from 0."
        )
    return _rows(ours, left), replace(_rows(other, right), time_s=ours.time_s[left])


def _rows(table: TraceTable, rows: Ints) -> TraceTable:
    return replace(
        table,
        values=table.values[rows],
        volume_index=table.volume_index[rows],
        time_s=table.time_s[rows],
    )


def _by_time(ours: TraceTable, other: TraceTable) -> tuple[TraceTable, TraceTable]:
    for table in (ours, other):
        if not table.has_times:
            raise SettingsError(
                f"{table.source} does not tell the times of its volumes; compare by volume."
            )
    _check_same_unit(ours, other)
    left_s, right_s = _from_first(ours), _from_first(other)
    last_s = np.nanmax(right_s)
    rows = np.flatnonzero(left_s <= last_s + 1e-9)
    values = _between(left_s[rows], right_s, other.values, gap_s=1.5 * other.period_s)
    kept = _rows(ours, rows)
    moved = replace(kept, source=other.source, neurons=other.neurons, notes=other.notes)
    return kept, replace(moved, values=values)


def _check_same_unit(ours: TraceTable, other: TraceTable) -> None:
    """Check that both could be of one recording in s: neither has far fewer rows in a time."""
    long, short = sorted((ours, other), key=lambda table: -table.period_s)
    if long.period_s > MOST_PERIODS * short.period_s:
        raise SessionError(
            f"{long.source} has a row every {long.period_s:g} s, {short.source} every"
            f" {short.period_s:g} s; give the times of both in seconds."
        )


def _from_first(table: TraceTable) -> Floats:
    """Return the time of each row from the first volume on, were it in the table or not."""
    known = np.isfinite(table.time_s)
    first = int(np.argmax(known))
    before_s = table.volume_index[first] * table.period_s if table.has_volumes else 0.0
    from_first: Floats = table.time_s - table.time_s[first] + before_s
    return from_first


def _between(at_s: Floats, time_s: Floats, values: Floats, *, gap_s: float) -> Floats:
    """Return values at some times, NaN where the neighbors are farther apart than a gap."""
    result = np.full((len(at_s), values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        known = np.isfinite(values[:, column]) & np.isfinite(time_s)
        if known.sum() < 2:
            continue
        there_s = time_s[known]
        after = np.clip(np.searchsorted(there_s, at_s), 1, len(there_s) - 1)
        is_near = there_s[after] - there_s[after - 1] <= gap_s
        inside = (at_s >= there_s[0]) & (at_s <= there_s[-1])
        found = np.interp(at_s, there_s, values[known, column])
        result[:, column] = np.where(is_near & inside, found, np.nan)
    return result


def told_apart(ours: TraceTable, other: TraceTable) -> tuple[TraceTable, TraceTable]:
    """Return two tables whose sources are not called the same."""
    if ours.source != other.source:
        return ours, other
    return (
        replace(ours, source=f"{ours.source} (first)"),
        replace(other, source=f"{other.source} (second)"),
    )


def spelled_alike(ours: TraceTable, other: TraceTable) -> TraceTable:
    """Return the other table with its names as the first one writes them.

    Capitals, blanks and zeros before a number make no other name: `vb2` is VB02.

    Parameters
    ----------
    ours, other : TraceTable
        Of the same recording.
    """
    known = _by_plain(ours.neurons)
    plain = _by_plain(other.neurons)
    as_ours = {
        theirs[0]: known[key][0]
        for key, theirs in plain.items()
        if len(theirs) == 1 and len(known.get(key, ())) == 1
    }
    changed = {name: new for name, new in as_ours.items() if name != new}
    if not changed:
        return other
    first = next(iter(changed))
    note = (
        f"{len(changed)} of the names of {other.source} are written otherwise than in"
        f" {ours.source}, such as {first} for {changed[first]}; they are taken as the same."
    )
    neurons = tuple(changed.get(name, name) for name in other.neurons)
    return replace(other, neurons=neurons, notes=(*other.notes, note))


def _by_plain(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        plain = re.sub(r"(?<!\d)0+(?=\d)", "", name.strip().casefold())
        found.setdefault(plain, []).append(name)
    return found
