"""Probabilities against what came true."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.evaluation._nuclei import Floats, Ints

N_BINS = 15
RECORD_EDGES = (0.0, 0.75, 0.95, 0.99, 1.0)
"""Bins of the published figures; theirs begin at 1 %, below which they have no names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Names whose probability lies in one range.

    Parameters
    ----------
    low, high : float
        The range; the upper end belongs to the next one, but for 1.
    n : int
        Names.
    mean_probability : float
        Of these; NaN if there are none.
    share_right : float
        How many are right; NaN if there are none.
    """

    low: float
    high: float
    n: int
    mean_probability: float
    share_right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How far probabilities can be believed.

    Parameters
    ----------
    bins : tuple of Bin
        From the least probable on.
    error : float
        Expected calibration error: the gap between mean probability and share right, on average
        over the names; NaN if there are none.

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017, equation 3.
    """

    bins: tuple[Bin, ...]
    error: float


def equal_width_bins(
    probability: NDArray[np.floating], is_right: NDArray[np.bool_], *, n_bins: int = N_BINS
) -> Reliability:
    """Return the reliability over bins of equal width.

    Parameters
    ----------
    probability : ndarray of float, shape (n,)
        Of each name.
    is_right : ndarray of bool, shape (n,)
        Whether it is right.
    n_bins : int
        Number of bins.
    """
    return binned(probability, is_right, tuple(np.linspace(0, 1, n_bins + 1).tolist()))


def binned(
    probability: NDArray[np.floating], is_right: NDArray[np.bool_], edges: tuple[float, ...]
) -> Reliability:
    """Return the reliability over bins with given edges.

    Parameters
    ----------
    probability : ndarray of float, shape (n,)
        Of each name.
    is_right : ndarray of bool, shape (n,)
        Whether it is right.
    edges : tuple of float
        Edges of the bins, ascending from 0 to 1.
    """
    return from_sums(*bin_sums(probability, is_right, edges), edges)


def bin_sums(
    probability: NDArray[np.floating], is_right: NDArray[np.bool_], edges: tuple[float, ...]
) -> tuple[Floats, Floats, Floats]:
    """Return names, sum of their probabilities, and names that are right, per bin."""
    n_bins = len(edges) - 1
    # 0.75 as float32 must not fall below 0.75
    value = np.asarray(probability, np.float64) + 1e-7
    number = np.clip(np.searchsorted(edges, value, side="right") - 1, 0, n_bins - 1)
    return (
        np.bincount(number, minlength=n_bins).astype(np.float64),
        np.bincount(number, probability, n_bins).astype(np.float64),
        np.bincount(number, is_right, n_bins).astype(np.float64),
    )


def from_sums(
    n: Floats, probability: Floats, right: Floats, edges: tuple[float, ...]
) -> Reliability:
    """Return the reliability of sums over bins."""
    bins = tuple(
        Bin(
            low=edges[index],
            high=edges[index + 1],
            n=int(n[index]),
            mean_probability=_ratio(probability[index], n[index]),
            share_right=_ratio(right[index], n[index]),
        )
        for index in range(len(n))
    )
    return Reliability(bins=bins, error=_ratio(np.abs(probability - right).sum(), n.sum()))


def equal_mass_bins(
    probability: NDArray[np.floating], is_right: NDArray[np.bool_], *, n_bins: int = N_BINS
) -> Reliability:
    """Return the reliability over bins with the same number of names each.

    Parameters
    ----------
    probability : ndarray of float, shape (n,)
        Of each name.
    is_right : ndarray of bool, shape (n,)
        Whether it is right.
    n_bins : int
        Number of bins; fewer if there are fewer names.
    """
    value = np.asarray(probability, np.float64)
    order = np.argsort(value, kind="stable")
    parts = [part for part in np.array_split(order, n_bins) if len(part)]
    bins = tuple(_mass_bin(value[part], is_right[part]) for part in parts)
    gaps = sum(bin_.n * abs(bin_.mean_probability - bin_.share_right) for bin_ in bins)
    return Reliability(bins=bins, error=_ratio(gaps, len(value)))


def _mass_bin(probability: Floats, is_right: NDArray[np.bool_]) -> Bin:
    return Bin(
        low=float(probability[0]),
        high=float(probability[-1]),
        n=len(probability),
        mean_probability=float(probability.mean()),
        share_right=float(is_right.mean()),
    )


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def per_volume(rows: NDArray[np.bool_], volume: Ints, volumes: Ints) -> Ints:
    """Return how many of the chosen rows each volume has.

    Parameters
    ----------
    rows : ndarray of bool, shape (n,)
        The chosen rows.
    volume : ndarray of int64, shape (n,)
        Volume of each row.
    volumes : ndarray of int64, shape (t,)
        Numbers of the volumes, ascending.
    """
    place = np.searchsorted(volumes, volume[rows])
    return np.bincount(place, minlength=len(volumes)).astype(np.int64)
