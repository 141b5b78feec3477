"""How far ratios scatter, from the cameras' noise and from what comes on top of it."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DECAY = 0.98
_FIRST_EXCESS = 0.04**2
"""Relative variance that is expected before any was seen."""
_FIRST_WEIGHT = 5.0
_MEDIAN_OF_SQUARE = 0.455
"""Median of the square of a standard normal number."""
_FEWEST_NEURONS = 8


class RatioNoise:
    """Adds to the cameras' noise what else changes ratios from one volume to the next.

    Masks, motion and tissue make ratios scatter more than photons do. By how much, relative to the
    ratio, is the median over all neurons of the squared relative step between two volumes beyond
    what the cameras explain, over the last half minute. Most neurons hardly change within one
    volume, so their activity adds little to it.

    Parameters
    ----------
    n_neurons : int
        Neurons of the model.
    """

    def __init__(self, n_neurons: int) -> None:
        self._sum, self._weight = _FIRST_WEIGHT * _FIRST_EXCESS, _FIRST_WEIGHT
        self._before: tuple[Floats, Floats] = (
            np.full(n_neurons, np.nan),
            np.full(n_neurons, np.nan),
        )

    def variance(self, ratio: Floats, camera_variance: Floats) -> Floats:
        """Return the variance of each ratio.

        Parameters
        ----------
        ratio, camera_variance : ndarray of float64, shape (n_neurons,)
            Values, and the part of their variance that comes from the cameras.
        """
        excess = max(self._sum / self._weight, 0.0)
        variance: Floats = camera_variance + excess * ratio**2
        return variance

    def learn(self, ratio: Floats, camera_variance: Floats, *, follows: bool) -> None:
        """Take a volume in; `follows` says whether it came right after the one before."""
        before, before_variance = self._before
        self._before = ratio, camera_variance
        if not follows:
            return
        middle_square = ((ratio + before) / 2) ** 2
        is_pair = np.isfinite(middle_square) & (middle_square > 0)
        if is_pair.sum() < _FEWEST_NEURONS:
            return
        step_square = ((ratio - before) ** 2)[is_pair] / (2 * _MEDIAN_OF_SQUARE)
        cameras = ((camera_variance + before_variance) / 2)[is_pair]
        excess = (step_square - cameras) / middle_square[is_pair]
        self._sum = self._sum * _DECAY + float(np.median(excess))
        self._weight = self._weight * _DECAY + 1.0
