"""The noise of ratios."""

import numpy as np
from numpy.typing import NDArray

MEAN_TO_DEVIATION = float(np.sqrt(np.pi) / 2)
"""From the mean absolute difference of two values to the deviation of one, of normal noise."""
_FEWEST_STEPS = 10


def relative_noise(ratio: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the frame-to-frame noise of whole traces over their mean.

    Parameters
    ----------
    ratio : ndarray of float, shape (n_timepoints, n_neurons)
        NaN where absent; rows follow each other in time.

    Returns
    -------
    ndarray of float64, shape (n_neurons,)
        Mean absolute difference of neighbors times ``sqrt(pi) / 2``, over the mean's absolute
        value; NaN with fewer than 10 differences.
    """
    values = np.asarray(ratio, np.float64)
    steps = np.abs(np.diff(values, axis=0))
    n_steps, n_values = (np.isfinite(found).sum(axis=0) for found in (steps, values))
    mean = np.abs(np.nansum(values, axis=0)) / np.maximum(n_values, 1)
    noise = np.nansum(steps, axis=0) / np.maximum(n_steps, 1) * MEAN_TO_DEVIATION
    missing = np.full(len(mean), np.nan)
    is_known = (n_steps >= _FEWEST_STEPS) & (mean > 0)
    found: NDArray[np.float64] = np.divide(noise, mean, out=missing, where=is_known)
    return found
