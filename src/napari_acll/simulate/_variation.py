"""How far the neurons of one animal lie from those of the mean one."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MODE_SPREAD = 0.15
RESIDUAL_SPREAD = 0.15
"""SD of the log of how much one animal differs from the mean one, in modes and residuals."""
LONGEST_TAIL = 8.0
"""Times its SD that a residual is at most."""
STRAY_SHARE = 0.04
STRAY_SD_UM = (5.0, 5.0, 8.0)
"""Part of the neurons that change places with another, and how far away, `(z, y, x)`, that is."""
REGION_UM = 6.0
REGION_SD_UM = 0.4
N_WAVES = 32
"""Length and SD of displacements that neighbors share, and the waves they are made of."""


def sample_modes(n_modes: int, rng: np.random.Generator) -> Floats:
    """Return the scores of the modes of a new animal, some animals being more unusual."""
    score: Floats = np.exp(rng.normal(0, MODE_SPREAD)) * rng.standard_normal(n_modes)
    return score


def sample_residual(
    mean_um: Floats, sd_um: Floats, tail_degrees: float, rng: np.random.Generator
) -> Floats:
    """Return how far neurons lie from where the modes have them.

    Parameters
    ----------
    mean_um : ndarray of float64, shape (n, 3)
        Where they lie in the mean animal.
    sd_um : ndarray of float64, shape (n, 3)
        Scale of each coordinate.
    tail_degrees : float
        Degrees of freedom of Student's t.
    rng : numpy.random.Generator
        Decides everything.

    Returns
    -------
    ndarray of float64, shape (n, 3)
    """
    n = len(mean_um)
    tail = np.sqrt(tail_degrees / rng.chisquare(tail_degrees, (n, 1)))
    own = sd_um * rng.standard_normal((n, 3)) * np.minimum(tail, LONGEST_TAIL)
    spread = np.exp(rng.normal(0, RESIDUAL_SPREAD))
    residual: Floats = spread * (own + _regional(mean_um, rng))
    return residual


def exchange_some(position_um: Floats, rng: np.random.Generator) -> Floats:
    """Return the places of an animal in which some neurons lie where others usually do.

    A tenth of the nuclei that people have named lies far from where that name usually is, some
    because they wandered, some because they are named wrongly; either way at the place of a
    nucleus, within the body.
    """
    place = position_um.copy()
    for row in np.flatnonzero(rng.random(len(place)) < STRAY_SHARE):
        goal = place[row] + rng.normal(0, STRAY_SD_UM)
        other = int(((place - goal) ** 2).sum(1).argmin())
        pair = np.array([row, other])
        place[pair] = place[pair[::-1]]
    return place


def _regional(mean_um: Floats, rng: np.random.Generator) -> Floats:
    """Return smooth displacements: a Gaussian process of random Fourier features.

    References
    ----------
    Rahimi & Recht, Random features for large-scale kernel machines, NeurIPS 2007.
    """
    wave = rng.standard_normal((3, N_WAVES)) / REGION_UM
    phase = rng.uniform(0, 2 * np.pi, N_WAVES)
    weight = rng.standard_normal((N_WAVES, 3)) * (REGION_SD_UM * np.sqrt(2 / N_WAVES))
    moved: Floats = np.cos(mean_um @ wave + phase) @ weight
    return moved
