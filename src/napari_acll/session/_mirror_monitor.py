"""Tells, while a session runs, that the recording seems to be mirrored."""

from collections import deque

import numpy as np

from napari_acll.core import LabeledVolume
from napari_acll.session._outbox import Event

_WINDOW = 8
_LIMIT = -0.5
"""Names by which the mirror image must agree better, in the median: of 14 animals, 7 of them
mirrored, 5 mirrored ones and no other fell below it in 8 volumes each; it was set on these."""


class MirrorMonitor:
    """Follows the handedness of volumes; tells once if the mirror image fits better.

    Some microscopes flip an axis. All names then change sides and fit nearly as well, so that a
    single volume says little; an animal is the same in all of them.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._is_told = False

    def add(self, labeled: LabeledVolume) -> Event | None:
        """Take note of the next volume, and return what is to be told, if anything."""
        if self._is_told or not np.isfinite(labeled.handedness):
            return None
        self._recent.append(labeled.handedness)
        level = float(np.median(self._recent))
        if len(self._recent) < _WINDOW or level > _LIMIT:
            return None
        self._is_told = True
        message = (
            "The recording may be mirrored: names agree better with each other in its mirror"
            " image, and would then be those of the other side. Check the orientation of the"
            " axes with a neuron that lies on one side only."
        )
        return Event("mirrored", message, {"index": labeled.index, "handedness": level})
