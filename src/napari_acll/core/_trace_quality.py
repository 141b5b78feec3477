"""How far each trace can be trusted, measured while the recording runs."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core._neurons import NeuronTable
from napari_acll.core._trace import TraceSample, VolumeStatus

MEMORY_VOLUMES = 200
"""Weights of past volumes fall by e over this many: 2 minutes, some changes of behavior."""
_DECAY = np.exp(-1.0 / MEMORY_VOLUMES)
_FEWEST_PAIRS = 20
"""Values or steps from which on a measure is told: below, it is chance."""
_FEWEST_NEURONS = 8
"""Twice the coefficients of an affine motion; with fewer neurons their steps are the motion."""
_MEAN_TO_DEVIATION = np.sqrt(np.pi) / 2
"""From the mean absolute difference of two values to the deviation of one, of normal noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronMeasures:
    """What is known about each trace at one moment; a copy, one row per neuron of the model.

    Parameters
    ----------
    confidence : ndarray of float32, shape (n,)
        Probability of the name in the newest labeled volume; NaN where it was not given.
    coverage : ndarray of float32, shape (n,)
        Part of the labeled volumes so far in which the name was given, 0 to 1.
    jump_um : ndarray of float32, shape (n,)
        How far the neuron moves from one volume to the next beyond what the affine motion of all
        neurons explains, in um; the mean over the last minutes. A name that goes from one cell to
        another jumps by micrometers. NaN until it is known.
    signal_to_noise : ndarray of float32, shape (n,)
        Standard deviation of what is slow in the ratio over that of its noise; NaN until it is
        known.
    """

    confidence: NDArray[np.float32]
    coverage: NDArray[np.float32]
    jump_um: NDArray[np.float32]
    signal_to_noise: NDArray[np.float32]


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
        Decides the rows.
    stored_voxel_size_um : tuple of float
        `(z, y, x)` extent of a voxel of the recording as stored, in um.
    """

    def __init__(
        self, neurons: NeuronTable, stored_voxel_size_um: tuple[float, float, float]
    ) -> None:
        n = len(neurons)
        self._lock = threading.Lock()
        self._voxel_um = np.asarray(stored_voxel_size_um, np.float64)
        self._n_labeled = 0
        self._newest_index = -1
        self._n_found = np.zeros(n)
        self._confidence = np.full(n, np.nan, np.float32)
        self._before: TraceSample | None = None
        self._ratio = _RunningMoments(n)
        self._difference = _RunningMoments(n)
        self._jump_um = _RunningMoments(n)

    def add(self, sample: TraceSample) -> None:
        """Take a volume in.

        Of a volume that was skipped and labeled later only the coverage counts: it did not
        follow the one before.

        Parameters
        ----------
        sample : TraceSample
            Its values.
        """
        if sample.status not in (VolumeStatus.TRACED, VolumeStatus.BACKFILLED):
            return
        with self._lock:
            self._n_labeled += 1
            self._n_found += np.isfinite(sample.confidence)
            if sample.index > self._newest_index:
                self._newest_index = sample.index
                self._confidence = sample.confidence
                self._follow(sample)

    def measures(self) -> NeuronMeasures:
        """Return what is known now; the arrays are copies."""
        with self._lock:
            noise = self._difference.mean * _MEAN_TO_DEVIATION
            slow = np.sqrt(np.maximum(self._ratio.variance - noise**2, 0.0))
            is_known = (self._difference.n >= _FEWEST_PAIRS) & (noise > 0)
            signal_to_noise = np.divide(
                slow, noise, out=np.full_like(slow, np.nan), where=is_known
            )
            is_steady = self._jump_um.n >= _FEWEST_PAIRS
            return NeuronMeasures(
                confidence=self._confidence.copy(),
                coverage=(self._n_found / max(self._n_labeled, 1)).astype(np.float32),
                jump_um=np.where(is_steady, self._jump_um.mean, np.nan).astype(np.float32),
                signal_to_noise=signal_to_noise.astype(np.float32),
            )

    def _follow(self, sample: TraceSample) -> None:
        self._ratio.add(sample.ratio)
        before, self._before = self._before, sample
        if before is not None and sample.index == before.index + 1:
            self._difference.add(np.abs(sample.ratio - before.ratio))
            self._jump_um.add(
                _jumps_um(before.centroid_px * self._voxel_um, sample.centroid_px * self._voxel_um)
            )


class _RunningMoments:
    """Exponentially weighted mean and variance of each of `n` values that may be NaN."""

    def __init__(self, n: int) -> None:
        self.n = np.zeros(n, np.int64)
        self.mean = np.zeros(n)
        self._weight = np.zeros(n)
        self._squares = np.zeros(n)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance of each value, 0 where there was none."""
        return self._squares / np.maximum(self._weight, 1.0)

    def add(self, values: NDArray[np.floating]) -> None:
        """Take one of each; those that are not finite change nothing."""
        has_value = np.isfinite(values)
        new = np.asarray(values, np.float64)[has_value]
        self.n[has_value] += 1
        weight = self._weight[has_value] * _DECAY + 1.0
        mean = self.mean[has_value]
        step = new - mean
        self._weight[has_value] = weight
        self.mean[has_value] = mean + step / weight
        self._squares[has_value] = self._squares[has_value] * _DECAY + step * (
            new - self.mean[has_value]
        )


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
