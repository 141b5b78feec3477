"""Times of volumes that come one by one, each in a file of its own."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import SourceSettings
from napari_acll.sources._geometry import ASSUMED_PERIOD_S, are_times, even_slice_times
from napari_acll.sources._volume_files import FileVolume

_S_PER_DAY = 86_400.0


def first_period_s(first: FileVolume, settings: SourceSettings, notes: list[str]) -> float:
    """Return the period as far as the first volume tells it, in s.

    A volume tells how long its slices take; the way back of the piezo is not in it.

    Parameters
    ----------
    first : FileVolume
        The first volume.
    settings : SourceSettings
        May give the period.
    notes : list of str
        Gets what had to be assumed.
    """
    if settings.period_s is not None:
        return settings.period_s
    times_s = first.slice_times_s
    if times_s is not None and len(times_s) > 1 and are_times(times_s):
        period_s = float(times_s[-1] - times_s[0]) * len(times_s) / (len(times_s) - 1)
        notes.append(
            f"The period is not known before the second volume; {period_s:.3g} s, as long as the"
            " slices of the first one took, are given. Give the period if this is wrong."
        )
        return period_s
    notes.append(
        f"The period is not known before the second volume; {ASSUMED_PERIOD_S:g} s are given,"
        " and volumes are timed by when their files were written. Give the period if this is"
        " wrong."
    )
    return ASSUMED_PERIOD_S


class FolderTimes:
    """Gives each volume its times: by the settings, by its file, or by when it was written.

    Parameters
    ----------
    first : FileVolume
        The first volume; times count from its start.
    written_s : float
        When its file was written, in s of the clock of the file system.
    settings : SourceSettings
        May give the period, which then decides.
    period_s : float
        Time between volumes, in s.
    tell : callable
        Gets a sentence if times stand or go back.
    """

    def __init__(
        self,
        first: FileVolume,
        *,
        written_s: float,
        settings: SourceSettings,
        period_s: float,
        tell: Callable[[str], None],
    ) -> None:
        self._start_day = first.start_julian_day
        self._start_written_s = written_s
        self._is_even = settings.period_s is not None
        self._period_s = period_s
        self._tell = tell
        self._has_told = False
        self._last: tuple[int, float] | None = None

    @property
    def start(self) -> dict[str, float | None]:
        """Where the times count from, as JSON values."""
        return {"start_day": self._start_day, "start_written_s": self._start_written_s}

    def count_from(self, start_day: object, start_written_s: object) -> None:
        """Count times from where they did before an interruption, if that is known."""
        if isinstance(start_day, float):
            self._start_day = start_day
        if isinstance(start_written_s, float):
            self._start_written_s = start_written_s

    def times_of(self, index: int, stored: FileVolume, written_s: float) -> NDArray[np.float64]:
        """Return the times of the slices of any volume, shape (Z,), in s."""
        return self._found(index, stored, written_s)

    def slice_times_s(
        self, index: int, stored: FileVolume, written_s: float
    ) -> NDArray[np.float64]:
        """Return the times of the slices of the next volume, shape (Z,), in s."""
        times_s = self._found(index, stored, written_s)
        if self._last is not None and not times_s[0] > self._last[1]:
            last_index, last_s = self._last
            self._tell_once(index)
            start_s = last_s + (index - last_index) * self._period_s
            times_s = even_slice_times(start_s, len(times_s), self._period_s)
        self._last = (index, float(times_s[0]))
        return times_s

    def _found(self, index: int, stored: FileVolume, written_s: float) -> NDArray[np.float64]:
        n_z = stored.marker.shape[0]
        if self._is_even:
            return even_slice_times(index * self._period_s, n_z, self._period_s)
        day, times_s = stored.start_julian_day, stored.slice_times_s
        if self._start_day is not None and day is not None and times_s is not None:
            return np.asarray(times_s + (day - self._start_day) * _S_PER_DAY, np.float64)
        return even_slice_times(written_s - self._start_written_s, n_z, self._period_s)

    def _tell_once(self, index: int) -> None:
        if not self._has_told:
            self._has_told = True
            self._tell(
                f"The times of the files stand or go back at volume {index}; from there on the"
                " period is counted on where they do."
            )
