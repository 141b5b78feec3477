"""Binning of both channels at once, where they came pixel by pixel in one array."""

from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

_Counts: TypeAlias = NDArray[Any]  # compiled for each type of counts as it comes

_USUAL_BIN_PX, _USUAL_CHANNELS = 3, 2


@dataclass(frozen=True, slots=True, eq=False)
class SharedFrames:
    """The array that both channels of a volume are views of.

    To read it line by line costs half as much as to sort its channels first.

    Parameters
    ----------
    array : ndarray of unsigned int, shape (Z, Y, X, channels)
        In one piece.
    marker, activity : int
        Numbers of the channels.
    """

    array: _Counts
    marker: int
    activity: int

    @classmethod
    def of(cls, marker: _Counts, activity: _Counts) -> Self | None:
        """Return what two channels share, None if each has an array of its own.

        Parameters
        ----------
        marker, activity : ndarray, shape (Z, Y, X)
            Both channels.
        """
        base = marker.base
        if base is None or base is not activity.base or base.ndim != 4:
            return None
        first, second = _number_in(base, marker), _number_in(base, activity)
        if first is None or second is None or not base.flags.c_contiguous:
            return None
        return cls(base, first, second)

    def lines(self, z_start: int, z_stop: int) -> _Counts:
        """Return slices as lines, `(Z, Y, X * channels)`."""
        slices = self.array[z_start:z_stop]
        n_z, n_y, n_x, n_channels = slices.shape
        return slices.reshape(n_z, n_y, n_x * n_channels)

    def sum_bin(
        self,
        marker: _Counts,
        activity: _Counts,
        *,
        start: tuple[int, int, int],
        bin_px: int,
    ) -> tuple[int, int]:
        """Crop and sum-bin both channels, and return the largest sum of each.

        Parameters
        ----------
        marker, activity : ndarray of uint16 or uint32, shape (Z', Y', X')
            Filled with the sums; wide enough for them.
        start : tuple of int
            First slice, row and column of the crop.
        bin_px : int
            Rows and columns that are summed into one.
        """
        z_start, y_start, x_start = start
        if bin_px == 1:
            channels = (self.marker, self.activity)
            most = [
                self._copy(into, number, start)
                for into, number in zip((marker, activity), channels, strict=True)
            ]
            return most[0], most[1]
        lines = self.lines(z_start, z_start + len(marker))
        n_channels = self.array.shape[3]
        if (bin_px, n_channels) == (_USUAL_BIN_PX, _USUAL_CHANNELS):
            pair = (marker, activity) if self.marker == 0 else (activity, marker)
            sums = _sum_bin_usual(lines, *pair, y_start, 2 * x_start)
            largest = sums if self.marker == 0 else sums[::-1]
        else:
            largest = _sum_bin_any(
                lines,
                (n_channels, self.marker, self.activity),
                (marker, activity),
                (y_start, x_start),
                bin_px,
            )
        return int(largest[0]), int(largest[1])

    def _copy(self, into: _Counts, number: int, start: tuple[int, int, int]) -> int:
        """Crop a channel, and return its largest count."""
        z, y, x = (slice(a, a + n) for a, n in zip(start, into.shape, strict=True))
        into[...] = self.array[z, y, x, number]
        return int(into.max())


def _number_in(frames: _Counts, channel: _Counts) -> int | None:
    """Return which channel of frames a view is, None if it is something else."""
    if channel.dtype != frames.dtype:
        return None
    place = channel.__array_interface__["data"][0] - frames.__array_interface__["data"][0]
    number = place // frames.itemsize
    if not 0 <= number < frames.shape[3]:
        return None
    expected = frames[..., number]
    is_it = channel.shape == expected.shape and channel.strides == expected.strides
    return number if is_it else None


@numba.njit(cache=True, nogil=True)
def _sum_bin_usual(lines: Any, first: Any, second: Any, y_start: int, start: int) -> Any:
    """Bin two channels by 3 x 3: rows first, which vectorizes, then columns."""
    n_z, n_y, n_x = first.shape
    width = 6 * n_x
    rows = np.empty(width, np.uint32)
    largest_first, largest_second = np.uint32(0), np.uint32(0)
    for z in range(n_z):
        for y in range(n_y):
            top = lines[z, y_start + 3 * y, start : start + width]
            middle = lines[z, y_start + 3 * y + 1, start : start + width]
            bottom = lines[z, y_start + 3 * y + 2, start : start + width]
            for i in range(width):
                rows[i] = np.uint32(top[i]) + np.uint32(middle[i]) + np.uint32(bottom[i])
            first_line, second_line = first[z, y], second[z, y]
            for x in range(n_x):
                i = 6 * x
                sum_first = rows[i] + rows[i + 2] + rows[i + 4]
                sum_second = rows[i + 1] + rows[i + 3] + rows[i + 5]
                first_line[x], second_line[x] = sum_first, sum_second
                largest_first = max(largest_first, sum_first)
                largest_second = max(largest_second, sum_second)
    return largest_first, largest_second


@numba.njit(cache=True, nogil=True)
def _sum_bin_any(lines: Any, channels: Any, pair: Any, start: Any, bin_px: int) -> Any:
    """Bin two of any number of channels by any number."""
    n_channels, marker_channel, activity_channel = channels
    marker, activity = pair
    n_z, n_y, n_x = marker.shape
    first, width = n_channels * start[1], n_channels * bin_px * n_x
    rows = np.empty(width, np.uint32)
    largest_marker, largest_activity = np.uint32(0), np.uint32(0)
    for z in range(n_z):
        for y in range(n_y):
            rows[:] = 0
            for row in range(start[0] + y * bin_px, start[0] + (y + 1) * bin_px):
                line = lines[z, row, first : first + width]
                for i in range(width):
                    rows[i] += line[i]
            marker_line, activity_line = marker[z, y], activity[z, y]
            for x in range(n_x):
                sum_marker, sum_activity = np.uint32(0), np.uint32(0)
                for column in range(x * bin_px, (x + 1) * bin_px):
                    sum_marker += rows[n_channels * column + marker_channel]
                    sum_activity += rows[n_channels * column + activity_channel]
                marker_line[x], activity_line[x] = sum_marker, sum_activity
                largest_marker = max(largest_marker, sum_marker)
                largest_activity = max(largest_activity, sum_activity)
    return largest_marker, largest_activity
