"""Tells, while a session runs, that the channels no longer lie as the alignment says."""

import numpy as np

from napari_acll.core import (
    AlignmentSettings,
    ChannelAlignment,
    ChannelDrift,
    LabeledVolume,
    Volume,
)
from napari_acll.session._outbox import Event

_N_MEASURED = 3
"""Volumes whose median is one measurement: a single odd volume must not raise an alarm."""
_MOST_TRIED = 10
"""Volumes that are tried for it; if they tell nothing, it is for the next turn."""
_OVER_AGAIN = 0.6
"""Part of the limit below which an alarm is over, so that it does not come and go in turns."""


class DriftMonitor:
    """Measures now and then how far the channels lie from the applied alignment; looks back only.

    It tells, and never changes the alignment. A jump is told within `drift_every_volumes` + 4
    labelable volumes: three are measured, and it may come right before the last of them.

    Parameters
    ----------
    settings : AlignmentSettings
        How often, and from which distance on it is told.
    """

    def __init__(self, settings: AlignmentSettings) -> None:
        self._every = settings.drift_every_volumes
        self._limit_um = settings.max_drift_um
        self._n_until = self._every
        self._n_tried = 0
        self._found: list[ChannelDrift] = []
        self._is_drifting = False
        self.newest: ChannelDrift | None = None

    def add(
        self, volume: Volume, labeled: LabeledVolume, alignment: ChannelAlignment
    ) -> Event | None:
        """Take note of the next volume, and return what is to be told about it, if anything."""
        if self._every == 0 or not labeled.is_labelable:
            return None
        self._n_until -= 1
        if self._n_until >= 0:
            return None
        self._measure(volume, labeled, alignment)
        if len(self._found) < _N_MEASURED:
            if self._n_tried >= _MOST_TRIED:
                self._begin_anew()
            return None
        self.newest = _median(self._found)
        self._begin_anew()
        return self._judge(self.newest)

    def _measure(
        self, volume: Volume, labeled: LabeledVolume, alignment: ChannelAlignment
    ) -> None:
        # scipy takes a while to import, which a session without the monitor need not pay
        from napari_acll.preprocess import channel_drift

        self._n_tried += 1
        drift = channel_drift(volume, labeled.detections.centroid_px, alignment)
        if drift is not None:
            self._found.append(drift)

    def _begin_anew(self) -> None:
        self._found, self._n_tried = [], 0
        self._n_until = self._every

    def _judge(self, drift: ChannelDrift) -> Event | None:
        details = {
            "index": drift.index,
            "dy_um": drift.dy_um,
            "dx_um": drift.dx_um,
            "limit_um": self._limit_um,
        }
        if not self._is_drifting and drift.distance_um > self._limit_um:
            self._is_drifting = True
            return Event("drift", self._alarm(drift), details)
        if self._is_drifting and drift.distance_um < _OVER_AGAIN * self._limit_um:
            self._is_drifting = False
            message = (
                f"Around volume {drift.index} the channels lie as the alignment says again"
                f" ({drift.distance_um:.2f} um off)."
            )
            return Event("aligned again", message, details)
        return None

    def _alarm(self, drift: ChannelDrift) -> str:
        return (
            f"Around volume {drift.index} the activity channel lies {drift.distance_um:.2f} um (y"
            f" {drift.dy_um:+.2f}, x {drift.dx_um:+.2f}) from where the alignment puts it, the"
            f" limit is {self._limit_um:g} um: values may be taken beside the nuclei. The session"
            " keeps its alignment; check the cameras and calibrate for the next one."
        )


def _median(found: list[ChannelDrift]) -> ChannelDrift:
    return ChannelDrift(
        index=found[-1].index,
        dy_um=float(np.median([one.dy_um for one in found])),
        dx_um=float(np.median([one.dx_um for one in found])),
        agreement=float(np.median([one.agreement for one in found])),
        n_nuclei=min(one.n_nuclei for one in found),
    )
