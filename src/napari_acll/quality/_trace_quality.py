"""How far each trace can be trusted, measured while the recording runs."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, TraceSample, VolumeStatus
from napari_acll.quality._moments import RunningCorrelation, RunningMoments
from napari_acll.quality._noise import MEAN_TO_DEVIATION

Values = NDArray[np.float32]

FEWEST_PAIRS = 20
"""Values or steps from which on a measure is told: below, it is chance."""
_FEWEST_NEURONS = 8
"""Twice the coefficients of an affine motion; with fewer neurons their steps are the motion."""
SURE = 0.75
"""Probability from which on a name counts as sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronMeasures:
    """What is known about each trace at one moment; a copy, one row per neuron of the model.

    But for `confidence`, `coverage`, `n_found` and `n_sure`, all are over the last minutes, and
    NaN until there were 20 values.

    Parameters
    ----------
    confidence : ndarray of float32, shape (n,)
        Probability of the name in the newest labeled volume; NaN where it was not given.
    coverage : ndarray of float32, shape (n,)
        Part of the labeled volumes so far in which the name was given, 0 to 1.
    n_found, n_sure : ndarray of int64, shape (n,)
        Volumes in which the name was given, and with a probability of at least `SURE`.
    mean_confidence, confidence_spread : ndarray of float32, shape (n,)
        Mean and standard deviation of the probability, where the name was given; the mean is
        known from the first time on.
    jump_um : ndarray of float32, shape (n,)
        How far the neuron moves from one volume to the next beyond what the affine motion of all
        neurons explains, in um; the mean. A name that goes from one cell to another jumps by
        micrometers.
    size_variation : ndarray of float32, shape (n,)
        Standard deviation of the number of voxels over its mean.
    marker_variation : ndarray of float32, shape (n,)
        Standard deviation over mean of the marker's brightness, relative to the median of all
        neurons of the volume, so that bleaching and a laser that changes do not count.
    noise : ndarray of float32, shape (n,)
        Standard deviation of the noise of the ratio over the mean ratio.
    signal_to_noise : ndarray of float32, shape (n,)
        Standard deviation of what is slow in the ratio over that of its noise.
    partner_correlation : ndarray of float32, shape (n,)
        Correlation of the ratio with that of the neuron's partner on the other body side, -1 to
        1; NaN where it has none.
    """

    confidence: Values
    coverage: Values
    n_found: NDArray[np.int64]
    n_sure: NDArray[np.int64]
    mean_confidence: Values
    confidence_spread: Values
    jump_um: Values
    size_variation: Values
    marker_variation: Values
    noise: Values
    signal_to_noise: Values
    partner_correlation: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimalMeasures:
    """What is known about all traces of a recording together.

    Parameters
    ----------
    n_labeled : int
        Volumes so far that were labeled.
    n_unlabelable : int
        Volumes so far that could not be.
    newest_index : int
        The newest that was labeled; -1 before the first.
    names_per_volume : float
        Names that a volume gets, the mean over the last minutes.
    mean_confidence : float
        Mean probability of the names that were given, over the last minutes; NaN before any.
    novelty : float
        Mean novelty of the volumes, over the last minutes; NaN if the model does not tell.
    """

    n_labeled: int
    n_unlabelable: int
    newest_index: int
    names_per_volume: float
    mean_confidence: float
    novelty: float


class TraceQuality:
    """Running measures of all traces: causal, and the same small cost for every volume.

    Means and variances are weighted exponentially, over some `MEMORY_VOLUMES` volumes in which
    the neuron had a value, so they tell of the last minutes; coverage is that of all volumes.

    The **noise** of a ratio is the mean absolute difference between consecutive volumes times
    ``sqrt(pi) / 2``, which is the standard deviation of white normal noise; being no square, it is
    hardly moved by single outliers. What is **slow** is the variance of the ratio minus that of
    the noise, at least 0. Bleaching is slow, too.

    The **jump** is what is left of a neuron's step from one volume to the next when the affine
    motion that fits the steps of all neurons best (least squares) was taken off: that the animal
    crawls, turns or stretches does not count, and of its bending only a part.

    Written by one thread, read by any.

    Parameters
    ----------
    neurons : NeuronTable
        Decides the rows, and which neurons are partners.
    stored_voxel_size_um : tuple of float
        `(z, y, x)` extent of a voxel of the recording as stored, in um.
    """

    def __init__(
        self, neurons: NeuronTable, stored_voxel_size_um: tuple[float, float, float]
    ) -> None:
        n = len(neurons)
        self.neurons = neurons
        self._lock = threading.Lock()
        self._voxel_um = np.asarray(stored_voxel_size_um, np.float64)
        self._n_labeled = 0
        self._n_unlabelable = 0
        self._newest_index = -1
        self._n_found = np.zeros(n, np.int64)
        self._n_sure = np.zeros(n, np.int64)
        self._newest_confidence = np.full(n, np.nan, np.float32)
        self._before: TraceSample | None = None
        self._confidence = RunningMoments(n)
        self._ratio = RunningMoments(n)
        self._difference = RunningMoments(n)
        self._jump_um = RunningMoments(n)
        self._n_voxels = RunningMoments(n)
        self._marker = RunningMoments(n)
        partner = np.asarray(neurons.homologues(), np.int64) - 1
        self._left = np.flatnonzero(partner > np.arange(n))
        self._right = partner[self._left]
        self._partners = RunningCorrelation(len(self._left))
        self._animal = RunningMoments(3)

    def add(self, sample: TraceSample, *, novelty: float = float("nan")) -> None:
        """Take a volume in.

        Of a volume that was skipped and labeled later only the coverage counts: it did not
        follow the one before. One that could not be labeled is counted.

        Parameters
        ----------
        sample : TraceSample
            Its values.
        novelty : float
            How unlike what the model knows it looks, 0 to 1; NaN if nobody knows.
        """
        if sample.status is VolumeStatus.UNLABELABLE:
            with self._lock:
                self._n_unlabelable += 1
        if sample.status not in (VolumeStatus.TRACED, VolumeStatus.BACKFILLED):
            return
        with self._lock:
            self._n_labeled += 1
            self._n_found += np.isfinite(sample.confidence)
            self._n_sure += sample.confidence >= SURE
            is_next = sample.status is VolumeStatus.TRACED and sample.index > self._newest_index
            if is_next:
                self._newest_index = sample.index
                self._newest_confidence = sample.confidence
                self._follow(sample, novelty)

    def measures(self) -> NeuronMeasures:
        """Return what is known now of each neuron; the arrays are copies."""
        with self._lock:
            noise = self._difference.mean * MEAN_TO_DEVIATION
            slow = np.sqrt(np.maximum(self._ratio.variance - noise**2, 0.0))
            has_steps = self._difference.n >= FEWEST_PAIRS
            return NeuronMeasures(
                confidence=self._newest_confidence.copy(),
                coverage=(self._n_found / max(self._n_labeled, 1)).astype(np.float32),
                n_found=self._n_found.copy(),
                n_sure=self._n_sure.copy(),
                mean_confidence=_where(self._confidence.n > 0, self._confidence.mean),
                confidence_spread=_known(self._confidence, np.sqrt(self._confidence.variance)),
                jump_um=_known(self._jump_um, self._jump_um.mean),
                size_variation=_variation(self._n_voxels),
                marker_variation=_variation(self._marker),
                noise=_quotient(noise, np.abs(self._ratio.mean), has_steps),
                signal_to_noise=_quotient(slow, noise, has_steps),
                partner_correlation=self._partner_correlation(),
            )

    def animal(self) -> AnimalMeasures:
        """Return what is known now of all neurons together."""
        with self._lock:
            known = np.where(self._animal.n > 0, self._animal.mean, np.nan)
            names, confidence, novelty = known.tolist()
            return AnimalMeasures(
                n_labeled=self._n_labeled,
                n_unlabelable=self._n_unlabelable,
                newest_index=self._newest_index,
                names_per_volume=names,
                mean_confidence=confidence,
                novelty=novelty,
            )

    def _follow(self, sample: TraceSample, novelty: float) -> None:
        is_named = np.isfinite(sample.confidence)
        confidence = sample.confidence[is_named].mean() if is_named.any() else np.nan
        self._animal.add(np.array([is_named.sum(), confidence, novelty]))
        self._confidence.add(sample.confidence)
        self._ratio.add(sample.ratio)
        self._n_voxels.add(np.where(sample.n_voxels > 0, sample.n_voxels, np.nan))
        self._marker.add(_relative(sample.marker))
        self._partners.add(sample.ratio[self._left], sample.ratio[self._right])
        before, self._before = self._before, sample
        if before is not None and sample.index == before.index + 1:
            self._difference.add(np.abs(sample.ratio - before.ratio))
            self._jump_um.add(
                _jumps_um(before.centroid_px * self._voxel_um, sample.centroid_px * self._voxel_um)
            )

    def _partner_correlation(self) -> Values:
        found = np.full(len(self.neurons), np.nan, np.float32)
        value = _known(self._partners, self._partners.value)
        found[self._left] = found[self._right] = value
        return found


def _where(is_known: NDArray[np.bool_], values: NDArray[np.float64]) -> Values:
    return np.where(is_known, values, np.nan).astype(np.float32)


def _known(counted: RunningMoments | RunningCorrelation, values: NDArray[np.float64]) -> Values:
    """Return values that rest on enough, NaN elsewhere."""
    return _where(counted.n >= FEWEST_PAIRS, values)


def _quotient(
    above: NDArray[np.float64], below: NDArray[np.float64], is_known: NDArray[np.bool_]
) -> Values:
    missing = np.full_like(above, np.nan)
    return np.divide(above, below, out=missing, where=is_known & (below > 0)).astype(np.float32)


def _variation(moments: RunningMoments) -> Values:
    """Return standard deviation over mean."""
    is_known = moments.n >= FEWEST_PAIRS
    return _quotient(np.sqrt(moments.variance), moments.mean, is_known)


def _relative(marker: Values) -> Values:
    """Return the brightness of each neuron over the median of all, NaN where there is none."""
    is_lit = np.isfinite(marker) & (marker > 0)
    if not is_lit.any():
        return np.full_like(marker, np.nan)
    relative: Values = np.where(is_lit, marker / np.median(marker[is_lit]), np.nan)
    return relative


def _jumps_um(
    before_um: NDArray[np.float64], after_um: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the length of each step that the affine motion of all does not explain, NaN if none.

    Parameters
    ----------
    before_um, after_um : ndarray of float64, shape (n, 3)
        Positions in consecutive volumes; NaN where absent.
    """
    jumps_um = np.full(len(before_um), np.nan)
    is_pair = np.isfinite(before_um[:, 0]) & np.isfinite(after_um[:, 0])
    if is_pair.sum() < _FEWEST_NEURONS:
        return jumps_um
    start_um = before_um[is_pair] - before_um[is_pair].mean(axis=0)
    step_um = after_um[is_pair] - before_um[is_pair]
    motion = np.column_stack([np.ones(len(start_um)), start_um])
    coefficients, *_ = np.linalg.lstsq(motion, step_um, rcond=None)
    jumps_um[is_pair] = np.linalg.norm(step_um - motion @ coefficients, axis=1)
    return jumps_um
