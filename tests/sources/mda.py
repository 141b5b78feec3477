"""A microscope under pymmcore-plus as its documentation describes the events, in plain Python.

`test_micromanager_core.py` compares it with the real one, where that is installed.
"""

from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
from psygnal import Signal


class Events:
    """`core.mda.events`."""

    sequenceStarted = Signal(object, dict)  # noqa: N815
    frameReady = Signal(np.ndarray, object, dict)  # noqa: N815
    sequenceFinished = Signal(object)  # noqa: N815


def sequence_of(
    n_t=3,
    n_z=4,
    channels=("GCaMP", "TagRFP"),
    *,
    order="tpgcz",
    interval_s=0.5,
    step_um=0.6,
    **sizes,
):
    """Return what of an `MDASequence` is used."""
    counts = {"t": n_t, "c": len(channels), "z": n_z, **sizes}
    return SimpleNamespace(
        uid=uuid4(),
        sizes={axis: counts.get(axis, 0) for axis in order},
        axis_order=tuple(order),
        channels=tuple(SimpleNamespace(config=name) for name in channels),
        time_plan=SimpleNamespace(interval=timedelta(seconds=interval_s)) if n_t else None,
        z_plan=[step_um * z for z in range(n_z)] if n_z else None,
    )


class Microscope:
    """Acquires frames of known counts; stands for a `CMMCorePlus`."""

    def __init__(self, sequence=None, *, pixel_um=0.54):
        self.mda = SimpleNamespace(events=Events())
        self.sequence = sequence or sequence_of()
        self.pixel_um = pixel_um

    @property
    def _events(self):
        return self.mda.events

    def start(self):
        self._events.sequenceStarted.emit(self.sequence, {})

    def finish(self):
        self._events.sequenceFinished.emit(self.sequence)

    def frame(self, image, t, z, *, c=None, cam=None, **meta):
        index = {"t": t, "z": z}
        index |= {} if c is None else {"c": c}
        index |= {} if cam is None else {"cam": cam}
        event = SimpleNamespace(index=index, sequence=self.sequence)
        known = {"runner_time_ms": 500.0 * t + 10.0 * z, "pixel_size_um": self.pixel_um, **meta}
        self._events.frameReady.emit(image, event, known)

    def volume(self, t, channels, *, without=(), is_channel_first=True):
        """Acquire one volume (C, Z, Y, X); `without` are (c, z) that are dropped."""
        n_c, n_z = channels.shape[:2]
        places = [(c, z) for c in range(n_c) for z in range(n_z)]
        for c, z in places if is_channel_first else sorted(places, key=lambda place: place[1]):
            if (c, z) not in without:
                self.frame(channels[c, z], t, z, c=c)
