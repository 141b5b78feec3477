"""The kernels that touch every stored pixel once; compiled, and free of the interpreter lock."""

from typing import Any, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

_Counts: TypeAlias = NDArray[Any]  # compiled for each type of counts as it comes

_USUAL_BIN_PX = 3
_LARGEST_TABLE = 2**22


def sum_bin(stored: _Counts, binned: _Counts, y_start: int, x_start: int, bin_px: int) -> int:
    """Crop and sum-bin one channel, and return the largest sum.

    Parameters
    ----------
    stored : ndarray of unsigned int, shape (Z, Y, X)
        Channel as stored, C-contiguous, already cropped along z.
    binned : ndarray of uint16 or uint32, shape (Z, Y', X')
        Filled with the sums; wide enough for them.
    y_start, x_start : int
        First row and column of the crop.
    bin_px : int
        Rows and columns that are summed into one.

    Returns
    -------
    int
    """
    if bin_px == 1:
        _, n_y, n_x = binned.shape
        binned[...] = stored[:, y_start : y_start + n_y, x_start : x_start + n_x]
        return int(binned.max())
    if bin_px == _USUAL_BIN_PX:
        return int(_sum_bin_three(stored, binned, y_start, x_start))
    return int(_sum_bin_any(stored, binned, y_start, x_start, bin_px))


@numba.njit(cache=True, nogil=True)
def _sum_bin_three(stored: Any, binned: Any, y_start: int, x_start: int) -> Any:
    """Bin 3 x 3; written out, because the compiler then keeps the sums in registers."""
    n_z, n_y, n_x = binned.shape
    largest = np.uint32(0)
    for z in range(n_z):
        for y in range(n_y):
            top = stored[z, y_start + 3 * y, x_start : x_start + 3 * n_x]
            middle = stored[z, y_start + 3 * y + 1, x_start : x_start + 3 * n_x]
            bottom = stored[z, y_start + 3 * y + 2, x_start : x_start + 3 * n_x]
            out = binned[z, y]
            for x in range(n_x):
                left = 3 * x
                total = np.uint32(top[left]) + np.uint32(top[left + 1])
                total += np.uint32(top[left + 2]) + np.uint32(middle[left])
                total += np.uint32(middle[left + 1]) + np.uint32(middle[left + 2])
                total += np.uint32(bottom[left]) + np.uint32(bottom[left + 1])
                total += np.uint32(bottom[left + 2])
                out[x] = total
                largest = max(largest, total)
    return largest


@numba.njit(cache=True, nogil=True)
def _sum_bin_any(stored: Any, binned: Any, y_start: int, x_start: int, bin_px: int) -> Any:
    """Bin by any number: rows first, which vectorizes, then columns."""
    n_z, n_y, n_x = binned.shape
    width = n_x * bin_px
    row_sums = np.empty(width, np.uint32)
    largest = np.uint32(0)
    for z in range(n_z):
        for y in range(n_y):
            row_sums[:] = 0
            for row in range(y_start + y * bin_px, y_start + (y + 1) * bin_px):
                line = stored[z, row, x_start : x_start + width]
                for column in range(width):
                    row_sums[column] += line[column]
            out = binned[z, y]
            for x in range(n_x):
                total = np.uint32(0)
                for column in range(x * bin_px, (x + 1) * bin_px):
                    total += row_sums[column]
                out[x] = total
                largest = max(largest, total)
    return largest


def median_of_counts(counts: _Counts, is_used: NDArray[np.bool_], largest: int) -> float:
    """Return the exact median of the used slices.

    Small values are counted, which is many times faster than sorting.

    Parameters
    ----------
    counts : ndarray of uint16 or uint32, shape (Z, Y, X)
        Counts.
    is_used : ndarray of bool, shape (Z,)
        Slices that take part.
    largest : int
        Largest value of `counts`.

    Returns
    -------
    float
        The mean of the two middle values of an even number of voxels; 0 without voxels.
    """
    if not is_used.any():
        return 0.0
    if largest > _LARGEST_TABLE:
        return float(np.median(counts[is_used]))
    return float(_median_by_table(counts, is_used, largest))


@numba.njit(cache=True, nogil=True)
def _median_by_table(counts: Any, is_used: Any, largest: int) -> Any:
    """Count how often each value occurs, then walk to the middle."""
    n_z, n_y, n_x = counts.shape
    frequency = np.zeros(largest + 1, np.int64)
    n_voxels = 0
    for z in range(n_z):
        if not is_used[z]:
            continue
        n_voxels += n_y * n_x
        for y in range(n_y):
            for x in range(n_x):
                frequency[counts[z, y, x]] += 1
    lower_rank = (n_voxels - 1) // 2
    upper_rank = n_voxels // 2
    seen = 0
    lower = -1
    for value in range(largest + 1):
        seen += frequency[value]
        if lower < 0 and seen > lower_rank:
            lower = value
        if seen > upper_rank:
            return (lower + value) / 2
    return 0.0
