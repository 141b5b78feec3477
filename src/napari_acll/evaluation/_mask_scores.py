"""How well masks agree, voxel by voxel."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, VoxelGrid
from napari_acll.evaluation._nuclei import Bools, Floats, GivenNames, Ints, TrueNuclei
from napari_acll.evaluation._pairs import Kind, Pairs
from napari_acll.evaluation._rois import RoiScore, roi_score

GOOD_OVERLAP = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskOverlap:
    """The masks of one volume, one row per pair of a found and a true one.

    Parameters
    ----------
    overlap : ndarray of float64, shape (n,)
        Intersection over union of each pair.
    inclusion, exclusion : ndarray of float64, shape (n,)
        Share of the true mask that was found, and of the found mask that is true.
    true : ndarray of int64, shape (n,)
        Number of the true mask of each pair.
    n_found : int
        Found masks.
    n_true : int
        True masks.
    """

    overlap: Floats
    inclusion: Floats
    exclusion: Floats
    true: Ints
    n_found: int
    n_true: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskScore:
    """Agreement of masks over volumes.

    Parameters
    ----------
    n_volumes : int
        Volumes of which both sides have masks.
    mean_overlap : float
        Intersection over union, on average over the pairs.
    average_precision : float
        TP / (TP + FP + FN), a pair being right if its intersection over union is above 0.5.
    neurofinder : RoiScore
        The Neurofinder measures over the pairs.

    References
    ----------
    Schmidt et al., Cell detection with star-convex polygons, MICCAI 2018, equation 3 (average
    precision).
    """

    n_volumes: int
    mean_overlap: float
    average_precision: float
    neurofinder: RoiScore


def overlap_masks(
    found: NDArray[Any],
    true: NDArray[Any],
    *,
    voxel_size_um: tuple[float, float, float],
    max_distance_um: float = 3.0,
) -> MaskOverlap:
    """Return the pairs of masks of two maps; one to one, with the largest sum of overlaps.

    Parameters
    ----------
    found, true : ndarray of unsigned int, shape (Z, Y, X)
        0 outside, another number for each mask.
    voxel_size_um : tuple of float
        `(Z, Y, X)` extent of a voxel.
    max_distance_um : float
        Masks that overlap are no pair all the same if their centers are farther apart; the same
        distance that makes a detection a nucleus.

    Raises
    ------
    ValueError
        If the maps have different shapes.
    """
    if found.shape != true.shape:
        raise ValueError(f"Expected maps of one shape, got {found.shape} and {true.shape}.")
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    found_numbers, found_sizes, found_um = _masks(found, voxel_size_um)
    true_numbers, true_sizes, true_um = _masks(true, voxel_size_um)
    shared = _shared(found, true, found_numbers, true_numbers)
    union = found_sizes[:, None] + true_sizes[None] - shared
    shared[cdist(found_um, true_um) >= max_distance_um] = 0
    rows, columns = linear_sum_assignment(-shared / union)
    is_pair = shared[rows, columns] > 0
    rows, columns = rows[is_pair], columns[is_pair]
    both = shared[rows, columns]
    return MaskOverlap(
        overlap=both / union[rows, columns],
        inclusion=both / true_sizes[columns],
        exclusion=both / found_sizes[rows],
        true=true_numbers[columns],
        n_found=len(found_numbers),
        n_true=len(true_numbers),
    )


def score_masks(volumes: Iterable[MaskOverlap]) -> MaskScore:
    """Return the agreement of masks over volumes.

    Parameters
    ----------
    volumes : iterable of MaskOverlap
        Of each volume.
    """
    parts = list(volumes)
    n_found, n_true = sum(part.n_found for part in parts), sum(part.n_true for part in parts)
    overlap = _joined([part.overlap for part in parts])
    n_good = int((overlap > GOOD_OVERLAP).sum())
    n_objects = n_found + n_true - n_good
    return MaskScore(
        n_volumes=len(parts),
        mean_overlap=_mean(overlap),
        average_precision=n_good / n_objects if n_objects else float("nan"),
        neurofinder=roi_score(
            n_true=n_true,
            n_found=n_found,
            n_pairs=len(overlap),
            inclusion=_mean(_joined([part.inclusion for part in parts])),
            exclusion=_mean(_joined([part.exclusion for part in parts])),
        ),
    )


def overlaps_of_names(given: GivenNames, truth: TrueNuclei, pairs: Pairs) -> list[MaskOverlap]:
    """Return the overlaps of the masks of named neurons with the true ones, volume by volume.

    A session keeps the masks of named neurons only. So the nuclei that it should have are the
    listed ones, and any other nucleus that it has a mask of.

    Parameters
    ----------
    given : GivenNames
        With its masks.
    truth : TrueNuclei
        With its masks.
    pairs : Pairs
        The same, paired.

    Raises
    ------
    RecordingError
        If the true masks have another shape than the recording.
    """
    if given.masks is None or truth.masks is None or given.grid is None:
        return []
    known = set(truth.masks.volumes)
    overlaps = []
    for volume in pairs.volumes.scored.tolist():
        if volume not in known:
            continue
        true = _on_grid(truth.masks.read(volume), given.grid, truth.about)
        found = given.masks.read(volume)
        overlap = overlap_masks(found, true, voxel_size_um=given.grid.voxel_size_um)
        expected = _expected(pairs, volume, np.unique(true))
        n_true = len(np.union1d(expected, overlap.true))
        overlaps.append(replace(overlap, n_true=n_true))
    return overlaps


def _expected(pairs: Pairs, volume: int, numbers: NDArray[Any]) -> Ints:
    rows: Bools = (pairs.true_volume == volume) & (pairs.kind == Kind.LISTED)
    return np.intersect1d(pairs.instance[rows], numbers[numbers > 0]).astype(np.int64)


def _on_grid(masks: NDArray[Any], grid: VoxelGrid, about: str) -> NDArray[Any]:
    """Return masks as the labeled volume has its voxels."""
    if masks.shape == grid.shape:
        return masks
    if masks.shape != grid.stored_shape:
        raise RecordingError(
            f"The masks of {about} have the shape {masks.shape}; expected that of the recording,"
            f" {grid.stored_shape}, or of what was labeled, {grid.shape}."
        )
    axes = [
        np.round(start + step * np.arange(n) + (step - 1) / 2).astype(int)
        for start, step, n in zip(grid.start_px, grid.bin_px, grid.shape, strict=True)
    ]
    return np.asarray(masks[np.ix_(*axes)])


def _masks(
    masks: NDArray[Any], voxel_size_um: tuple[float, float, float]
) -> tuple[Ints, Ints, Floats]:
    """Return number, voxels and center in um of each mask."""
    place = np.nonzero(masks)
    numbers, member, sizes = np.unique(masks[place], return_inverse=True, return_counts=True)
    sums = [np.bincount(member, axis, len(numbers)) for axis in place]
    center = np.stack(sums, axis=1) / sizes[:, None]
    return numbers.astype(np.int64), sizes.astype(np.int64), center * np.asarray(voxel_size_um)


def _shared(
    found: NDArray[Any], true: NDArray[Any], found_numbers: Ints, true_numbers: Ints
) -> Ints:
    """Return the voxels that each found mask shares with each true one."""
    inside = (found > 0) & (true > 0)
    row = np.searchsorted(found_numbers, found[inside])
    column = np.searchsorted(true_numbers, true[inside])
    n_rows, n_columns = len(found_numbers), len(true_numbers)
    flat = np.bincount(row * n_columns + column, minlength=n_rows * n_columns)
    return flat.reshape(n_rows, n_columns).astype(np.int64)


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
