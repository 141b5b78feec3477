"""The Neurofinder measures of found against true regions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_acll.evaluation._nuclei import Floats

Pixels = frozenset[tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiScore:
    """How well found regions agree with true ones; all from 0 to 1, NaN where undefined.

    Parameters
    ----------
    recall : float
        True regions that were found.
    precision : float
        Found regions that are true ones.
    combined : float
        Harmonic mean of the two.
    inclusion : float
        Pixels of a true region that lie in the one that was found for it; mean over the pairs.
    exclusion : float
        Pixels of a found region that lie in the true one; mean over the pairs.
    """

    recall: float
    precision: float
    combined: float
    inclusion: float
    exclusion: float


def score_rois(
    true: Sequence[ArrayLike], found: Sequence[ArrayLike], *, max_distance_px: float
) -> RoiScore:
    """Return the Neurofinder measures of regions.

    Each true region in turn takes the nearest found one that is left, if their centers are nearer
    than `max_distance_px`: the rule of the reference evaluation, so that figures compare.

    Parameters
    ----------
    true, found : sequence of array-like of int, shape (n_pixels, n_axes)
        Pixels of each region.
    max_distance_px : float
        Farther pairs are none; the benchmark uses 5.

    References
    ----------
    Neurofinder benchmark, codeneuro.org; package `neurofinder`, functions `centers` and `shapes`.
    """
    pairs = _match(_centers(true), _centers(found), max_distance_px)
    true_pixels, found_pixels = _pixels(true), _pixels(found)
    shared = [len(true_pixels[a] & found_pixels[b]) for a, b in pairs]
    inclusion = [n / len(true_pixels[a]) for n, (a, _) in zip(shared, pairs, strict=True)]
    exclusion = [n / len(found_pixels[b]) for n, (_, b) in zip(shared, pairs, strict=True)]
    return roi_score(
        n_true=len(true),
        n_found=len(found),
        n_pairs=len(pairs),
        inclusion=_mean(inclusion),
        exclusion=_mean(exclusion),
    )


def roi_score(
    *, n_true: int, n_found: int, n_pairs: int, inclusion: float, exclusion: float
) -> RoiScore:
    """Return the measures of regions that were counted.

    Parameters
    ----------
    n_true, n_found, n_pairs : int
        Regions on either side, and pairs.
    inclusion, exclusion : float
        Means over the pairs.
    """
    nan = float("nan")
    return RoiScore(
        recall=n_pairs / n_true if n_true else nan,
        precision=n_pairs / n_found if n_found else nan,
        # 2 p r / (p + r), in counts
        combined=2 * n_pairs / (n_true + n_found) if n_true and n_found else nan,
        inclusion=inclusion,
        exclusion=exclusion,
    )


def _centers(regions: Sequence[ArrayLike]) -> list[Floats]:
    return [np.asarray(region, np.float64).mean(axis=0) for region in regions]


def _pixels(regions: Sequence[ArrayLike]) -> list[Pixels]:
    return [frozenset(map(tuple, np.asarray(region).tolist())) for region in regions]


def _match(true: list[Floats], found: list[Floats], limit: float) -> list[tuple[int, int]]:
    left = list(range(len(found)))
    pairs = []
    for index, center in enumerate(true):
        distance = [float(np.linalg.norm(found[other] - center)) for other in left]
        if distance and min(distance) < limit:
            pairs.append((index, left.pop(int(np.argmin(distance)))))
    return pairs


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
