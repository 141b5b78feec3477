"""Levels of the marker channel: how dark, how bright, how noisy, and what the detector is shown.

Counts are whole numbers, of which there are few different ones: they are counted, not sorted, and
what is shown for each is computed once.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_acll.label._point_numba import jit

Floats = NDArray[np.float32]
Grid: TypeAlias = NDArray[Any]
"""Counts as they came, unsigned, or resampled, of single precision."""

_LARGEST_TABLE = 2**22
_SDS_PER_STEP = 0.954
"""Median of the absolute difference of two numbers, in SDs of one: 0.6745 times the root of 2."""


class Levels(NamedTuple):
    """Levels of a volume, in counts.

    Parameters
    ----------
    dark : float
        What nothing has.
    scale : float
        What the brightest voxels exceed, above `dark`.
    noise : float
        SD of single voxels.
    """

    dark: float
    scale: float
    noise: float


def measure_levels(some: Grid, *, background: float, n_bright: int) -> Levels:
    """Return the levels of voxels.

    Parameters
    ----------
    some : ndarray of unsigned int or float32, shape (Z, Y, X)
        Counts of a part of the voxels.
    background : float
        Counts of nothing; 0 if not measured, then it is the median.
    n_bright : int
        How many of them are the brightest.
    """
    largest = _largest_of_table(some)
    if largest is None:
        dark, bright, step = _levels_by_sorting(some.astype(np.float32), background, n_bright)
    else:
        dark, bright, step = _levels_by_counting(some, largest, background, n_bright)
    return Levels(dark, max(bright - dark, 0.0), step / _SDS_PER_STEP)


def normalized(grid: Grid, *, dark: float, gain: float) -> Floats:
    """Return what the detector is shown: the inverse hyperbolic sine of counts above nothing.

    Parameters
    ----------
    grid : ndarray of unsigned int or float32, shape (Z, Y, X)
        Counts.
    dark : float
        Counts of nothing.
    gain : float
        Of the scale, for one count.
    """
    largest = _largest_of_table(grid)
    if largest is None:
        return _shown(grid.astype(np.float32), dark, gain)
    shown = _shown(np.arange(largest + 1, dtype=np.float32), dark, gain)
    image = np.empty(grid.shape, np.float32)
    _look_up(grid, shown, image)
    return image


def _largest_of_table(grid: Grid) -> int | None:
    """Return the largest count, None if a table up to it makes no sense."""
    if grid.dtype.kind != "u":
        return None
    largest = int(grid.max(initial=0))
    return largest if largest < _LARGEST_TABLE else None


def _shown(counts: Floats, dark: float, gain: float) -> Floats:
    above: Floats = (counts - np.float32(dark)) * np.float32(gain)
    np.arcsinh(above, out=above)
    return above


def _levels_by_sorting(
    some: Floats, background: float, n_bright: int
) -> tuple[float, float, float]:
    dark = background or float(np.median(some))
    rank = some.size - n_bright
    bright = float(np.partition(some, rank, axis=None)[rank])
    return dark, bright, float(np.median(np.abs(np.diff(some, axis=2)))) if _has_steps(some) else 0


def _levels_by_counting(
    some: Grid, largest: int, background: float, n_bright: int
) -> tuple[float, float, float]:
    n_of_count, n_of_step = np.zeros((2, largest + 1), np.int64)
    _count(np.ascontiguousarray(some), n_of_count, n_of_step)
    counts = np.cumsum(n_of_count)
    bright = float(np.searchsorted(counts, some.size - n_bright, side="right"))
    step = _middle(np.cumsum(n_of_step)) if _has_steps(some) else 0.0
    return background or _middle(counts), bright, step


def _has_steps(some: Grid) -> bool:
    return bool(some.shape[2] > 1)


def _middle(n_up_to: NDArray[np.int64]) -> float:
    """Return the median of whole numbers, of which so many are not larger than each."""
    n = int(n_up_to[-1])
    lower, upper = np.searchsorted(n_up_to, [(n - 1) // 2, n // 2], side="right")
    return float(lower + upper) / 2


@jit
def _count(some: Grid, n_of_count: NDArray[np.int64], n_of_step: NDArray[np.int64]) -> None:
    """Count how often each count occurs, and each difference of neighbors along x."""
    n_z, n_y, n_x = some.shape
    for z in range(n_z):
        for y in range(n_y):
            line = some[z, y]
            before = np.int64(line[0])
            n_of_count[before] += 1
            for x in range(1, n_x):
                value = np.int64(line[x])
                n_of_count[value] += 1
                n_of_step[abs(value - before)] += 1
                before = value


@jit
def _look_up(grid: Grid, shown: Floats, image: Floats) -> None:
    n_z, n_y, n_x = grid.shape
    for z in range(n_z):
        for y in range(n_y):
            line, image_line = grid[z, y], image[z, y]
            for x in range(n_x):
                image_line[x] = shown[line[x]]
