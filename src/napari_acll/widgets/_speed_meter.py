"""How long volumes take, smoothed enough to be read."""

from collections import deque

import numpy as np

from napari_acll.core import StageTimings

_N_AVERAGED = 10


class SpeedMeter:
    """Median work per volume over the last few volumes.

    Work is what the computer does (preprocessing, labeling, tracing), not what it waits for.
    """

    def __init__(self) -> None:
        self._work_s: deque[float] = deque(maxlen=_N_AVERAGED)
        self._newest: StageTimings | None = None

    def add(self, timings: StageTimings) -> float:
        """Count a volume, once; return the present work per volume in s."""
        if timings is not self._newest:
            self._newest = timings
            parts = (timings.preprocess_s, timings.label_s, timings.trace_s)
            self._work_s.append(float(np.nansum(parts)))
        return float(np.median(self._work_s))
