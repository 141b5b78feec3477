"""How far ratios go with what they should not go with: motion, brightness, depth."""

from dataclasses import dataclass

import numpy as np

from napari_acll.evaluation._nuclei import Floats

_FEWEST = 60
"""Volumes that a neuron must have: 36 s at the usual pace."""
_N_SHIFTS = 19
"""Shifted copies; that a neuron beats them all happens by chance in one of twenty."""
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """How far the ratios of a recording go with something.

    Parameters
    ----------
    name : str
        With what.
    correlation : float
        Median over neurons of the absolute correlation; NaN if no neuron has enough values.
    by_chance : float
        The same with a copy that is shifted in time: slow changes correlate by chance.
    n_beyond : int
        Neurons that correlate more than with any of the shifted copies.
    n_neurons : int
        Neurons that have enough values; one in twenty is beyond by chance.
    """

    name: str
    correlation: float
    by_chance: float
    n_beyond: int
    n_neurons: int


def artifacts_of(ratio: Floats, marker: Floats, centroid_um: Floats) -> tuple[Artifact, ...]:
    """Return how far ratios go with motion, with the marker and with depth.

    Neurons that hold GFP should go with none of it. Behavior moves the animal and changes its
    activity, so some of what is found with motion may be true.

    Parameters
    ----------
    ratio, marker : ndarray of float64, shape (n_timepoints, n_neurons)
        NaN where absent.
    centroid_um : ndarray of float64, shape (n_timepoints, n_neurons, 3)
        `(z, y, x)`; NaN where absent.
    """
    steps_um = _head_steps_um(centroid_um)
    place_um = np.cumsum(np.nan_to_num(steps_um), axis=0)
    speed_um = np.linalg.norm(steps_um, axis=1)
    along = {
        "speed of the head": _for_all(speed_um, ratio),
        "place of the head, z": _for_all(place_um[:, 0], ratio),
        "place of the head, y": _for_all(place_um[:, 1], ratio),
        "place of the head, x": _for_all(place_um[:, 2], ratio),
        "depth of the neuron": centroid_um[..., 0],
        "its own marker": marker,
    }
    return tuple(_artifact(name, ratio, other) for name, other in along.items())


def shared_variance(ratio: Floats) -> float:
    """Return the median share of a ratio's variance that the mean of all others explains.

    The ratios are standardized first. What all neurons share may be light, focus or bleaching, or
    a state of the animal.

    Parameters
    ----------
    ratio : ndarray of float64, shape (n_timepoints, n_neurons)
        NaN where absent.

    Returns
    -------
    float
        0 to 1; NaN with fewer than three neurons that have enough values.
    """
    enough = np.isfinite(ratio).sum(axis=0) >= _FEWEST
    known = ratio[:, enough]
    if known.shape[1] < 3:
        return float("nan")
    standard = (known - np.nanmean(known, axis=0)) / _deviation(known)
    is_there = np.isfinite(standard)
    total = np.where(is_there, standard, 0.0)
    n_others = np.maximum(is_there.sum(axis=1, keepdims=True) - is_there, 1)
    others = (total.sum(axis=1, keepdims=True) - total) / n_others
    return float(np.median(_correlations(standard, others) ** 2))


def _head_steps_um(centroid_um: Floats) -> Floats:
    """Return how far the head goes to each volume from the one before, NaN if nobody knows."""
    steps_um = np.full((len(centroid_um), 3), np.nan)
    for index, step_um in enumerate(np.diff(centroid_um, axis=0), start=1):
        is_known = np.isfinite(step_um[:, 0])
        if is_known.any():
            steps_um[index] = np.median(step_um[is_known], axis=0)
    return steps_um


def _for_all(values: Floats, ratio: Floats) -> Floats:
    return np.broadcast_to(values[:, None], ratio.shape)


def _artifact(name: str, ratio: Floats, other: Floats) -> Artifact:
    n_both = (np.isfinite(ratio) & np.isfinite(other)).sum(axis=0)
    rows = n_both >= _FEWEST
    if not rows.any():
        nothing = float("nan")
        return Artifact(name=name, correlation=nothing, by_chance=nothing, n_beyond=0, n_neurons=0)
    ratio, other = ratio[:, rows], other[:, rows]
    found = np.abs(_correlations(ratio, other))
    n_timepoints = len(ratio)
    rng = np.random.default_rng(_SEED)
    shifts = rng.integers(n_timepoints // 5, n_timepoints - n_timepoints // 5, _N_SHIFTS)
    shifted = np.abs(
        [_correlations(ratio, np.roll(other, shift, axis=0)) for shift in shifts.tolist()]
    )
    return Artifact(
        name=name,
        correlation=float(np.median(found)),
        by_chance=float(np.median(shifted)),
        n_beyond=int((found > shifted.max(axis=0)).sum()),
        n_neurons=int(rows.sum()),
    )


def _correlations(first: Floats, second: Floats) -> Floats:
    """Return the correlation of each pair of columns where both have values; 0 if one is even."""
    both = np.isfinite(first) & np.isfinite(second)
    n = np.maximum(both.sum(axis=0), 1)
    a, b = (np.where(both, values, 0.0) for values in (first, second))
    a = np.where(both, a - a.sum(axis=0) / n, 0.0)
    b = np.where(both, b - b.sum(axis=0) / n, 0.0)
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    found: Floats = np.divide((a * b).sum(axis=0), scale, out=np.zeros(len(n)), where=scale > 0)
    return found


def _deviation(values: Floats) -> Floats:
    deviation: Floats = np.nanstd(values, axis=0)
    return np.where(deviation > 0, deviation, 1.0)
