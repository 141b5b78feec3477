"""Tells, while a session runs, that the animal looks unlike what the model knows."""

from collections import deque

import numpy as np

from napari_acll.core import NOVELTY_LIMIT, LabeledVolume
from napari_acll.session._outbox import Event

_WINDOW = 20
"""Volumes, 12 s at the usual pace: one odd volume is a cough, twenty are an odd animal."""
_LEAST = 8
_USUAL_AGAIN = 0.8
"""Part of the limit below which a stretch is over, so that it does not end and begin in turns."""


class NoveltyMonitor:
    """Follows the novelty of volumes; looks back only.

    A stretch begins when the median of the last 20 volumes reaches the limit, and each stretch is
    told once. Labelers that do not say how odd a volume is are never odd.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._is_odd = False

    @property
    def level(self) -> float:
        """Median novelty of the last 20 volumes, 0 to 1; NaN before the eighth."""
        return float(np.median(self._recent)) if len(self._recent) >= _LEAST else float("nan")

    def add(self, labeled: LabeledVolume) -> Event | None:
        """Take note of the next volume, and return what is to be told about it, if anything."""
        if not np.isfinite(labeled.novelty):
            return None
        self._recent.append(labeled.novelty)
        level = self.level
        if not self._is_odd and level >= NOVELTY_LIMIT:
            self._is_odd = True
            return _beginning(labeled, level)
        if self._is_odd and level < _USUAL_AGAIN * NOVELTY_LIMIT:
            self._is_odd = False
            message = f"From about volume {labeled.index} on the animal looks as usual again."
            return Event("usual again", message, {"index": labeled.index, "novelty": level})
        return None


def _beginning(labeled: LabeledVolume, level: float) -> Event:
    reason = f" ({labeled.why_novel})" if labeled.why_novel else ""
    message = (
        f"Around volume {labeled.index} the animal looks unlike those that the model"
        f" knows{reason}: names and their probabilities may be worse than they say."
    )
    return Event("unusual", message, {"index": labeled.index, "novelty": level})
