"""The marker of every neuron as it usually is, which makes a quieter denominator."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MEMORY_VOLUMES = 50
"""Past volumes that the usual marker is a mean of: half a minute."""
_DECAY = 1.0 - 1.0 / MEMORY_VOLUMES
_PRIOR_VOLUMES = 20.0
"""So many volumes of its own count as much for a neuron as what all neurons show."""
_FIRST_SD = 0.1
"""SD of the log marker that is expected of a neuron that was hardly seen yet."""
_JUMP_SD = 4.0
"""A marker this many SD from the usual one is that of another nucleus, or of a wrong mask."""
_MOVED_VOLUMES = 5
"""After so many such volumes in a row it is the usual one."""
_FEWEST_NEURONS = 8
_LARGEST_STEP = 0.5
"""Larger steps of a logarithm say nothing of how both channels go together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denominator:
    """What activities are divided by in one volume.

    Parameters
    ----------
    marker : ndarray of float64, shape (n,)
        Counts above background; NaN where there is no marker.
    own_weight : ndarray of float64, shape (n,)
        How much the marker of this volume decides, 0 to 1; the rest is the usual marker.
    is_jump : ndarray of bool, shape (n,)
        Where the marker is not what it usually is under this name.
    """

    marker: Floats
    own_weight: Floats
    is_jump: NDArray[np.bool_]


class MarkerMemory:
    """Replaces that part of a marker's fluctuation which its activity does not share.

    A ratio takes out what both channels have in common (motion, focus, a mask that is a little
    off), and adds the marker's own noise. How much is common is measured: the regression of the
    steps of the log activity on those of the log marker, 0 to 1, over the last half minute, for
    each neuron with what all neurons show as a prior. With 1 the result is the plain ratio; with 0
    the activity is divided by the marker that the neuron usually has. What all markers do in one
    volume (bleaching, a laser) is taken as common in any case.

    Parameters
    ----------
    n_neurons : int
        Neurons of the model.

    References
    ----------
    Creamer et al. (2022), PLoS Comput Biol 18:e1010421 (TMAC): two channels with a common
    motion artifact and noise of their own; this is a causal, recursive and much simpler form.
    """

    def __init__(self, n_neurons: int) -> None:
        self._usual_log = np.full(n_neurons, np.nan)
        self._n_seen = np.zeros(n_neurons)
        self._variance = np.full(n_neurons, _FIRST_SD**2)
        self._n_far = np.zeros(n_neurons, np.int64)
        self._shared = np.zeros(n_neurons)
        self._moved = np.zeros(n_neurons)
        self._all_shared, self._all_moved = _FIRST_SD**2, _FIRST_SD**2  # as if one, at first
        self._before: tuple[Floats, Floats] = (
            np.full(n_neurons, np.nan),
            np.full(n_neurons, np.nan),
        )

    def denominator(self, marker: Floats) -> Denominator:
        """Return what the activities of a volume are divided by; nothing is learned from it.

        Parameters
        ----------
        marker : ndarray of float64, shape (n_neurons,)
            Counts above background; NaN where there is none to divide by.
        """
        deviation = self._deviation(np.log(marker))
        is_known = np.isfinite(deviation)
        is_jump = is_known & (np.abs(deviation) > _JUMP_SD * np.sqrt(self._variance))
        own = np.where(is_known & ~is_jump, self._own_weight(), 1.0)
        away = np.where(is_known, (own - 1.0) * deviation, 0.0)
        return Denominator(marker=marker * np.exp(away), own_weight=own, is_jump=is_jump)

    def learn(self, marker: Floats, activity: Floats, *, follows: bool) -> None:
        """Take a volume in.

        Parameters
        ----------
        marker, activity : ndarray of float64, shape (n_neurons,)
            Counts above background; NaN where absent, activities of 0 say nothing.
        follows : bool
            Whether it came right after the one before.
        """
        log_marker = np.log(marker)
        deviation = self._deviation(log_marker)
        common = self._common(log_marker)
        log_activity = np.log(np.where(activity > 0, activity, np.nan))
        steady = log_marker - common
        if follows:
            self._learn_steps(steady - self._before[0], log_activity - self._before[1])
        self._before = steady, log_activity
        is_known = np.isfinite(deviation)
        is_far = is_known & (np.abs(deviation) > _JUMP_SD * np.sqrt(self._variance))
        self._approach(is_known & ~is_far, deviation)
        self._n_far = np.where(is_far, self._n_far + 1, np.where(is_known, 0, self._n_far))
        is_first = np.isfinite(steady) & np.isnan(self._usual_log)
        self._begin(is_first | (self._n_far >= _MOVED_VOLUMES), steady)

    def _common(self, log_marker: Floats) -> float:
        """Return by how much all markers are off at once."""
        away = log_marker - self._usual_log
        away = away[np.isfinite(away)]
        return float(np.median(away)) if len(away) >= _FEWEST_NEURONS else 0.0

    def _deviation(self, log_marker: Floats) -> Floats:
        deviation: Floats = log_marker - self._usual_log - self._common(log_marker)
        return deviation

    def _own_weight(self) -> Floats:
        prior = self._all_moved / MEMORY_VOLUMES * _PRIOR_VOLUMES
        share = self._all_shared / self._all_moved
        own: Floats = (self._shared + share * prior) / (self._moved + prior)
        return np.clip(own, 0.0, 1.0)

    def _learn_steps(self, marker: Floats, activity: Floats) -> None:
        is_pair = (np.abs(marker) < _LARGEST_STEP) & (np.abs(activity) < _LARGEST_STEP)
        if not is_pair.any():
            return
        shared, moved = marker[is_pair] * activity[is_pair], marker[is_pair] ** 2
        self._shared *= _DECAY
        self._moved *= _DECAY
        self._shared[is_pair] += shared
        self._moved[is_pair] += moved
        self._all_shared = self._all_shared * _DECAY + float(shared.mean())
        self._all_moved = self._all_moved * _DECAY + float(moved.mean())

    def _approach(self, rows: NDArray[np.bool_], deviation: Floats) -> None:
        step, n = deviation[rows], self._n_seen[rows]
        self._usual_log[rows] += np.maximum(1 / (n + 1), 1 / MEMORY_VOLUMES) * step
        gain = np.maximum(1 / (n + 3), 1 / MEMORY_VOLUMES)
        self._variance[rows] += gain * (step**2 - self._variance[rows])
        self._n_seen[rows] += 1

    def _begin(self, rows: NDArray[np.bool_], steady: Floats) -> None:
        self._usual_log[rows] = steady[rows]
        self._n_seen[rows] = 1
        self._variance[rows] = _FIRST_SD**2
        self._n_far[rows] = 0
