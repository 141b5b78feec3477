"""What a session tells of its own traces, without any truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, SessionError, VolumeStatus, VoxelGrid
from napari_acll.evaluation._artifacts import Artifact, artifacts_of, shared_variance
from napari_acll.evaluation._nuclei import Floats, Ints
from napari_acll.export import SavedSession
from napari_acll.quality import MEASURED, Forecast, NeuronMeasures, quality_of, relative_noise

_WITH_VALUES = (VolumeStatus.TRACED, VolumeStatus.BACKFILLED)
_FEWEST_NEURONS = 3
_FEWEST = 20
"""Volumes after a forecast from which on it is compared with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastCheck:
    """A forecast and what came after it, of one quantity that needs no truth.

    Parameters
    ----------
    expected, low, high, actual : ndarray of float64, shape (n_neurons,)
        NaN where either is not known.
    """

    expected: Floats
    low: Floats
    high: Floats
    actual: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        """Neurons of which both are known."""
        known = np.isfinite(self.expected) & np.isfinite(self.actual)
        return np.asarray(known, np.bool_)

    @property
    def held(self) -> float:
        """Share of the outcomes in their interval; NaN if there is none."""
        if not self.known.any():
            return float("nan")
        is_inside = (self.actual >= self.low) & (self.actual <= self.high)
        return float(is_inside[self.known].mean())

    @property
    def correlation(self) -> float:
        """Rank correlation over neurons; NaN with fewer than three, or if all are alike."""
        from scipy.stats import spearmanr

        expected, actual = self.expected[self.known], self.actual[self.known]
        if len(expected) < _FEWEST_NEURONS or not np.ptp(expected) or not np.ptp(actual):
            return float("nan")
        return float(spearmanr(expected, actual).statistic)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMeasures:
    """What a session tells of itself.

    Parameters
    ----------
    neurons : NeuronTable
        Decides the rows.
    n_by_status : dict of str to int
        Timepoints by what became of them.
    measures : NeuronMeasures
        Of each neuron at the end.
    n_names : ndarray of int64, shape (n_timepoints,)
        Names of each volume.
    mean_confidence : ndarray of float64, shape (n_timepoints,)
        Their mean probability; NaN where there are none.
    artifacts : tuple of Artifact
        How ratios go with what they should not go with.
    shared : float
        Median share of a ratio's variance that the mean of all others explains.
    forecast : Forecast, optional
        The first one; None if the session was too short for it.
    checks : dict of str to ForecastCheck
        `coverage` and `noise`; empty without a forecast.
    """

    neurons: NeuronTable
    n_by_status: dict[str, int]
    measures: NeuronMeasures
    n_names: Ints
    mean_confidence: Floats
    artifacts: tuple[Artifact, ...]
    shared: float
    forecast: Forecast | None
    checks: dict[str, ForecastCheck]

    def pairs(self) -> Iterator[tuple[str, str, float]]:
        """Yield left and right neuron and the correlation of their ratios, where it is known."""
        names = self.neurons.names
        for row, partner in enumerate(self.neurons.homologues()):
            correlation = float(self.measures.partner_correlation[row])
            if partner > row + 1 and np.isfinite(correlation):
                yield names[row], names[partner - 1], correlation


def measure_session(saved: SavedSession) -> SessionMeasures:
    """Return what a session tells of its own traces; the recording is not needed.

    Parameters
    ----------
    saved : SavedSession
        The session.

    Raises
    ------
    SessionError
        If it is damaged, or holds no volume with values.
    """
    status = saved.status
    has_values = np.isin(status, _WITH_VALUES)
    if not has_values.any():
        raise SessionError(
            f"{saved.path} holds no volume with values, so there is nothing to report; see"
            " `acll info` for what became of its volumes."
        )
    values = {name: saved.read(name) for name in MEASURED}
    voxel_um = _stored_voxel_um(saved)
    quality = quality_of(
        saved.neurons, voxel_um, status=status, values=values, novelty=saved.read("novelty")
    )
    is_named = np.isfinite(values["confidence"])
    ratio = values["ratio"].astype(np.float64)
    centroid_um = values["centroid_px"].astype(np.float64) * np.asarray(voxel_um)
    forecasts = saved.forecasts()
    forecast = Forecast.from_json(forecasts[0], saved.neurons) if forecasts else None
    return SessionMeasures(
        neurons=saved.neurons,
        n_by_status={s.name.lower(): int((status == s).sum()) for s in VolumeStatus},
        measures=quality.measures(),
        n_names=is_named.sum(axis=1),
        mean_confidence=_mean_of_known(values["confidence"]),
        artifacts=artifacts_of(ratio, values["marker"].astype(np.float64), centroid_um),
        shared=shared_variance(ratio),
        forecast=forecast,
        checks={} if forecast is None else _checks(forecast, ratio, is_named, has_values),
    )


def _mean_of_known(values: NDArray[np.float32]) -> Floats:
    """Return the mean of each row's finite values, NaN where there are none."""
    is_known = np.isfinite(values)
    n, sums = is_known.sum(axis=1), np.where(is_known, values, 0.0).sum(axis=1, dtype=np.float64)
    mean: Floats = np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0)
    return mean


def _stored_voxel_um(saved: SavedSession) -> tuple[float, float, float]:
    stored: Any = saved.header["stored_spec"]
    try:
        grid = VoxelGrid(**{name: tuple(values) for name, values in stored["grid"].items()})
    except (KeyError, TypeError) as error:
        raise SessionError(
            f"The header of {saved.path} does not tell the voxel size; restore session.json."
        ) from error
    return grid.stored_voxel_size_um()


def _checks(
    forecast: Forecast, ratio: Floats, is_named: NDArray[np.bool_], has_values: NDArray[np.bool_]
) -> dict[str, ForecastCheck]:
    """Return what came after a forecast beside it."""
    rest = np.flatnonzero(has_values)
    rest = rest[rest > forecast.at_index]
    if len(rest) < _FEWEST:
        return {}
    actual = {"coverage": is_named[rest].mean(axis=0), "noise": relative_noise(ratio[rest])}
    return {
        name: ForecastCheck(
            expected=getattr(forecast, name).value.astype(np.float64),
            low=getattr(forecast, name).low.astype(np.float64),
            high=getattr(forecast, name).high.astype(np.float64),
            actual=values,
        )
        for name, values in actual.items()
    }
