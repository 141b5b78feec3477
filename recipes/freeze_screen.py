"""What a viewer that is frozen for half a minute costs a session.

xvfb-run -a -s "-screen 0 1440x900x24" python recipes/freeze_screen.py

A live source gives a volume of 80 x 322 x 210 voxels (two channels, uint16) every 0.6 s to a real
session with a labeler that finds nothing but costs nothing, shown by all five docks. Then the
thread of the screen stands still, as it does while another plugin computes. Volumes that were
lost or skipped meanwhile, volumes in memory and the memory of the process are printed.
"""

import argparse
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import napari
import numpy as np
import psutil
from measure_screen import PERIOD_S, SHAPE, VOXEL_UM, WINDOW_PX, open_docks
from qtpy.QtTest import QTest

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    Detections,
    LabeledVolume,
    TraceSettings,
    Volume,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.session import Session
from napari_acll.testing import FakeLabeler, FakePreprocessor
from napari_acll.trace import RatioTraceEstimator
from napari_acll.widgets._run import RunRequest

N_BEFORE, N_AFTER = 5, 3
PATIENCE_MS = 60_000


class Microscope:
    """Gives a new volume every period, whether anybody is ready for it or not."""

    is_live = True
    notes = ()

    def __init__(self) -> None:
        grid = VoxelGrid.as_stored(SHAPE, VOXEL_UM)
        self.spec = VolumeSpec(grid=grid, period_s=PERIOD_S)
        self._closed = threading.Event()
        self._given: list[weakref.ref[np.ndarray]] = []

    @property
    def n_alive(self) -> int:
        """Volumes that somebody still has in memory."""
        return sum(given() is not None for given in self._given)

    def describe(self) -> dict[str, object]:
        """Return what identifies it."""
        return {"kind": "made up"}

    def __iter__(self) -> Iterator[Volume]:
        rng, index, start_s = np.random.default_rng(0), 0, time.monotonic()
        while not self._closed.wait(max(0.0, start_s + index * PERIOD_S - time.monotonic())):
            marker, activity = (rng.integers(90, 400, SHAPE, dtype=np.uint16) for _ in range(2))
            self._given.append(weakref.ref(marker))
            time_s = index * PERIOD_S
            yield Volume(
                index=index,
                timestamp_s=time_s,
                marker=marker,
                activity=activity,
                spec=self.spec,
                slice_times_s=np.full(SHAPE[0], time_s),
            )
            del marker, activity
            index += 1

    def close(self) -> None:
        """End."""
        self._closed.set()


class NothingLabeler(FakeLabeler):
    """Finds nothing in volumes of any size."""

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Return empty label maps."""
        return [
            LabeledVolume(
                index=volume.index,
                spec=volume.spec,
                instances=np.zeros(volume.spec.shape, np.uint16),
                detections=Detections.none(),
            )
            for volume in volumes
        ]


def session_on(source: Microscope) -> Session:
    """Return a session that traces what the microscope gives."""
    labeler = NothingLabeler()
    return Session(
        source=source,
        preprocessor=FakePreprocessor(source.spec),
        labeler=labeler,
        calibrator=None,
        trace_estimator=RatioTraceEstimator(labeler.neurons, TraceSettings()),
        writers=[],
        settings=AcllSettings(),
        alignment=ChannelAlignment.identity("Nothing was calibrated."),
    )


def wait_for(session: Session, n_traced: int) -> None:
    """Let the screen work until so many volumes are traced."""
    deadline_s = time.monotonic() + PATIENCE_MS / 1000
    while session.counters.n_traced < n_traced:
        QTest.qWait(50)
        if time.monotonic() > deadline_s:
            raise SystemExit("It takes too long.")


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Freeze, print and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--freeze", type=float, default=30.0, help="in s")
    freeze_s = parser.parse_args(arguments).freeze
    viewer = napari.Viewer()
    viewer.window.set_geometry(0, 0, *WINDOW_PX)
    live = open_docks(viewer, has_all=True)
    source = Microscope()
    session = session_on(source)
    live.engine.build = lambda _request: session
    live.engine.start(
        RunRequest(recording="made up", settings=AcllSettings(), out=Path("nowhere"))
    )
    wait_for(session, N_BEFORE)
    process = psutil.Process()
    before_mb, n_before = process.memory_info().rss / 1e6, session.counters.n_traced
    time.sleep(freeze_s)
    figures = {
        "traced": session.counters.n_traced - n_before,
        "in memory": source.n_alive,
        "MB more": round(process.memory_info().rss / 1e6 - before_mb),
    }
    wait_for(session, session.counters.n_traced + N_AFTER)
    figures |= {"skipped": session.counters.n_skipped, "lost": session.counters.n_lost}
    live.stop()
    live.engine.run.wait()
    viewer.close()
    sys.stdout.write(", ".join(f"{name} {value}" for name, value in figures.items()) + "\n")
    return figures


if __name__ == "__main__":
    main()
