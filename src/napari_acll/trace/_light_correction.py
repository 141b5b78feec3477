"""What the light does to all neurons at once: steps of a laser, and bleaching."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FEWEST_NEURONS = 20
"""With fewer it is hard to tell light from what the neurons do together."""
_LEAST_STEP = 0.05
"""Smaller steps of the logarithm are left to the slow correction."""
_SAME_WAY = 0.8
"""Part of the neurons that a step of the light moves the same way."""
_TYPICAL_STEPS = 5.0
"""A step of the light is this many times what the median step usually is."""
_STEP_MEMORY = 0.95
BLEACH_VOLUMES = 60
"""Over so many volumes the slow change of all neurons is followed: half a minute, roughly."""


class LightCorrection:
    """Takes out of all ratios what the light, not the animal, does to them.

    A ratio is free of what both channels share. What is left is a **step** of one laser, which
    moves the ratios of all neurons by one factor between two volumes, as no behavior does; and
    **bleaching** of one channel, which moves them slowly. A step is recognized by the median step
    of the log ratios over all neurons, in the volume in which it happens; bleaching by the median
    of the log ratios over each neuron's own level, followed slowly.

    Parameters
    ----------
    n_neurons : int
        Neurons of the model.
    """

    def __init__(self, n_neurons: int) -> None:
        self._steps_log = 0.0
        self._bleach_log = 0.0
        self._typical = 0.01
        self._level = np.full(n_neurons, np.nan)
        self._n_seen = np.zeros(n_neurons)
        self._before = np.full(n_neurons, np.nan)

    @property
    def factor(self) -> float:
        """What ratios are to be multiplied by, 1 at the beginning."""
        return float(np.exp(-self._steps_log - self._bleach_log))

    def learn(self, ratio: Floats, *, follows: bool) -> bool:
        """Take a volume in, before its ratios are corrected.

        Parameters
        ----------
        ratio : ndarray of float64, shape (n_neurons,)
            Not corrected; NaN where absent, values of 0 say nothing.
        follows : bool
            Whether the volume came right after the one before.

        Returns
        -------
        bool
            Whether the light has changed in a step.
        """
        now = np.log(np.where(ratio > 0, ratio, np.nan))
        is_step = follows and self._learn_step(now - self._before)
        self._before = now
        self._learn_bleaching(now - self._steps_log)
        return is_step

    def _learn_step(self, step: Floats) -> bool:
        step = step[np.isfinite(step)]
        if len(step) < _FEWEST_NEURONS:
            return False
        middle = float(np.median(step))
        alike = float((np.sign(step) == np.sign(middle)).mean())
        limit = max(_LEAST_STEP, _TYPICAL_STEPS * self._typical)
        if abs(middle) > limit and alike >= _SAME_WAY:
            self._steps_log += middle
            return True
        self._typical += (1 - _STEP_MEMORY) * (abs(middle) - self._typical)
        return False

    def _learn_bleaching(self, log_ratio: Floats) -> None:
        away = log_ratio - self._level
        is_known = np.isfinite(away)
        if is_known.sum() >= _FEWEST_NEURONS:
            middle = float(np.median(away[is_known]))
            self._bleach_log += (middle - self._bleach_log) / BLEACH_VOLUMES
        steady = log_ratio - self._bleach_log
        is_first = np.isfinite(steady) & np.isnan(self._level)
        self._level[is_first] = steady[is_first]
        step = (away - self._bleach_log)[is_known]
        n = self._n_seen[is_known]
        self._level[is_known] += step / (n + 1)
        self._n_seen[np.isfinite(steady)] += 1
