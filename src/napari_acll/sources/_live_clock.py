"""When the slices of a growing recording were taken."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import SourceSettings
from napari_acll.sources._geometry import even_slice_times


class LiveClock:
    """Times of slices: those of the file where they can be true, else spread evenly.

    The times of volumes always go on, whatever the file says.

    Parameters
    ----------
    settings : SourceSettings
        A period given there replaces all times of the file.
    period_s : float
        Time from one volume to the next.

    Attributes
    ----------
    n_untimed : int
        Volumes whose times in the file are missing or cannot be true.
    n_constant : int
        Volumes whose slices all carry the same time.
    """

    def __init__(self, settings: SourceSettings, period_s: float) -> None:
        self._is_given = settings.period_s is not None
        self._period_s = period_s
        self._last: tuple[int, float] | None = None
        self._offset_s = 0.0
        self.n_untimed = 0
        self.n_constant = 0

    def go_on_after(self, before: "LiveClock", index: int) -> None:
        """Let time 0 of this file be when the volume of this index was due in the file before."""
        self._last = before._last
        self._offset_s = before._next_start_s(index)

    def slice_times_s(self, index: int, found_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the times of the slices of a volume, shape `(Z,)`, in s.

        Parameters
        ----------
        index : int
            Number of the volume.
        found_s : ndarray of float64, shape (Z,)
            What the file says; NaN where a slice is missing.
        """
        times_s = self._times_s(index, found_s + self._offset_s)
        self._last = index, float(times_s[0])
        return times_s

    def _times_s(self, index: int, found_s: NDArray[np.float64]) -> NDArray[np.float64]:
        n_z = len(found_s)
        if self._is_given:
            return even_slice_times(index * self._period_s, n_z, self._period_s)
        known_s = found_s[np.isfinite(found_s)]
        if not self._can_be_true(known_s):
            self.n_untimed += 1
            return even_slice_times(self._next_start_s(index), n_z, self._period_s)
        if n_z > 1 and len(known_s) > 1 and known_s[0] == known_s[-1]:
            self.n_constant += 1
            return even_slice_times(float(known_s[0]), n_z, self._period_s)
        return self._filled(found_s)

    def _can_be_true(self, known_s: NDArray[np.float64]) -> bool:
        if not len(known_s) or (np.diff(known_s) < 0).any():
            return False
        return self._last is None or bool(known_s[0] > self._last[1])

    def _next_start_s(self, index: int) -> float:
        if self._last is None:
            return index * self._period_s
        last_index, last_s = self._last
        return last_s + (index - last_index) * self._period_s

    def _filled(self, found_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put the times of missing slices in line with those of the others."""
        is_known = np.isfinite(found_s)
        slices = np.arange(len(found_s))
        return np.interp(slices, slices[is_known], found_s[is_known])
