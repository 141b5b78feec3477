"""How much of a session the viewer shows, and how long after the samples."""

import math
from collections import deque
from statistics import median
from time import perf_counter

from napari_acll.session import Latest

_N_AVERAGED = 10


class ScreenMeter:
    """Counts the volumes that the viewer was given.

    A viewer that draws slowly is given the newest volume and none of those before: they are
    traced and saved all the same.
    """

    def __init__(self) -> None:
        self.n_shown = 0
        self._delays_s: deque[float] = deque(maxlen=_N_AVERAGED)

    def add(self, shown: Latest) -> None:
        """Count a volume whose layers were just brought up to date."""
        self.n_shown += 1
        if math.isfinite(shown.traced_s):
            self._delays_s.append(perf_counter() - shown.traced_s)

    @property
    def delay_s(self) -> float:
        """From the sample to its layers, in s: median of the last ten; NaN before the first."""
        return median(self._delays_s) if self._delays_s else math.nan
