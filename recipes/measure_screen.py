"""What one full update of the screen costs the GUI thread, in CPU time.

xvfb-run -a -s "-screen 0 1440x900x24" python recipes/measure_screen.py
xvfb-run -a -s "-screen 0 1440x900x24" python recipes/measure_screen.py --busy --all-docks

A session of made-up volumes (80 x 322 x 210 voxels, uint16, two channels) at the end of a
recording of 1600 is shown by the docks of the plugin in a viewer: images, labels, 150 names, heat
map, 20 traces with their bands and flags (2 % of the samples). *update* is what the engine takes
to show a new volume in all of them, *with drawing* all that the GUI thread does until the next
volume comes, on a computer without a graphics card the drawing of the canvas included. With
`--busy` a convolution runs in another thread meanwhile, as it does when the model labels; with
`--reference` all traces are compared with one of them.
"""

import argparse
import sys
import threading
import time

import napari
import numpy as np
from psygnal import Signal
from qtpy.QtTest import QTest

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    Corrections,
    DeadlineReport,
    Detections,
    Durations,
    LabeledVolume,
    Mark,
    NeuronTable,
    SessionCounters,
    SessionState,
    StageTimings,
    TraceFlag,
    TraceSample,
    TraceStore,
    Volume,
    VolumeSpec,
    VolumeStatus,
    VoxelGrid,
)
from napari_acll.quality import TraceQuality
from napari_acll.session import Latest
from napari_acll.widgets import (
    AlignmentWidget,
    LiveSessionWidget,
    NeuronsWidget,
    ReplayWidget,
    TracePlotWidget,
)
from napari_acll.widgets._run import RunRequest

SHAPE = (80, 322, 210)
VOXEL_UM = (0.54, 0.54, 0.54)
PERIOD_S = 0.6
RADIUS_PX = 4
N_WARM_UP = 5
FLAGGED_SHARE = 0.02
WINDOW_PX = (1366, 768)
Figures = tuple[list[float], list[float]]


class MadeUpSession:
    """Makes volumes on request; what it costs to make one is not measured."""

    state_changed = Signal(SessionState)
    alignment_ready = Signal(ChannelAlignment)
    event = Signal(str, str)

    def __init__(self, n_neurons: int, n_volumes: int) -> None:
        self.state = SessionState.RUNNING
        self.calibrated_on, self.novelty = "simulation only", float("nan")
        self.marks = (Mark(channel="key", name="light", time_s=600.0),)
        self.counters = SessionCounters()
        self.given_up: tuple[str, ...] = ()
        self.is_paused, self.drift, self.forecast = False, None, None
        self.store = TraceStore(NeuronTable.numbered(n_neurons))
        grid = VoxelGrid.as_stored(SHAPE, VOXEL_UM)
        self.spec = VolumeSpec(grid=grid, period_s=PERIOD_S)
        self.corrections = Corrections(self.store.neurons)
        self.quality = TraceQuality(self.store.neurons, VOXEL_UM)
        self._rng = np.random.default_rng(0)
        low, high = np.full(3, RADIUS_PX + 2), np.array(SHAPE) - RADIUS_PX - 2
        self._center_px = self._rng.uniform(low, high, (n_neurons, 3))
        self._latest: Latest | None = None
        for index in range(n_volumes):
            self._add(self._sample(index, self._center_px))

    @property
    def deadlines(self) -> DeadlineReport:
        """How long the stages took; another report for each volume, so that it is drawn."""
        n = self.store.n_timepoints
        took_s = {"read": 0.01, "label": 0.3 + 1e-3 * (n % 7), "trace": 0.003, "end_to_end": 0.35}
        stages = {
            name: Durations(n=n, p50_s=s, p99_s=2 * s, max_s=2 * s) for name, s in took_s.items()
        }
        return DeadlineReport(deadline_s=PERIOD_S, n_judged=n, stages=stages)

    def latest(self) -> Latest | None:
        """Return the newest volume."""
        return self._latest

    def start(self) -> None:
        """Do nothing: volumes come on request."""

    def stop(self) -> None:
        """End."""
        self.state = SessionState.FINISHED

    def join(self, timeout: float | None = None) -> None:
        """Return: there are no threads."""

    def produce(self) -> None:
        """Make the next volume."""
        index = self.store.n_timepoints
        center_px = np.clip(
            self._center_px + self._rng.normal(0, 1, 3), RADIUS_PX, np.array(SHAPE) - RADIUS_PX - 1
        )
        sample = self._sample(index, center_px)
        self._add(sample)
        marker, activity = (self._rng.integers(90, 120, SHAPE).astype(np.uint16) for _ in range(2))
        instances = np.zeros(SHAPE, np.uint16)
        for row, (z, y, x) in enumerate(center_px.astype(int)):
            place = tuple(slice(i - RADIUS_PX, i + RADIUS_PX + 1) for i in (z, y, x))
            instances[place], marker[place], activity[place] = row + 1, 400, 300
        volume = Volume(
            index=index,
            timestamp_s=sample.time_s,
            marker=marker,
            activity=activity,
            spec=self.spec,
            slice_times_s=np.full(SHAPE[0], sample.time_s),
        )
        labeled = LabeledVolume(
            index=index, spec=self.spec, instances=instances, detections=_detections(sample)
        )
        self._latest = Latest(volume, labeled, sample, _timings())

    def _add(self, sample: TraceSample) -> None:
        self.store.append(sample)
        self.quality.add(sample)

    def _sample(self, index: int, center_px: np.ndarray) -> TraceSample:
        n_neurons = len(center_px)
        sample = TraceSample.absent(index, PERIOD_S * index, n_neurons, VolumeStatus.TRACED)
        sample.ratio[:] = 1 + 0.3 * np.sin(index / 20 + np.arange(n_neurons))
        sample.ratio[:] += self._rng.normal(0, 0.05, n_neurons)
        sample.ratio_sd[:] = 0.05
        sample.flags[:] = TraceFlag.IMPULSE * (self._rng.random(n_neurons) < FLAGGED_SHARE)
        sample.confidence[:] = self._rng.uniform(0.55, 1, n_neurons)
        sample.centroid_px[:] = center_px
        return sample


def _detections(sample: TraceSample) -> Detections:
    n = len(sample.ratio)
    number = np.arange(1, n + 1, dtype=np.int32)
    return Detections(
        centroid_px=sample.centroid_px,
        n_voxels=np.full(n, (2 * RADIUS_PX + 1) ** 3, np.int32),
        neuron=number,
        probability=sample.confidence,
        candidate_neuron=np.tile(number[:, None], (1, 5)),
        candidate_probability=np.tile(sample.confidence[:, None], (1, 5)),
    )


def _timings() -> StageTimings:
    return StageTimings(
        read_s=0.01, preprocess_s=0.01, wait_s=0, label_s=0.1, trace_s=0.01, total_s=0.2
    )


def convolve(stop: threading.Event) -> None:
    """Compute what a labeler computes, until told to end."""
    import torch

    torch.set_num_threads(1)
    image = torch.zeros(1, 8, *(n // 2 for n in SHAPE))
    layer = torch.nn.Conv3d(8, 8, 3, padding=1)
    with torch.inference_mode():
        while not stop.is_set():
            layer(image)


def measure(live: LiveSessionWidget, session: MadeUpSession, n_updates: int) -> Figures:
    """Return the CPU time of each update, and of all until the next, in ms."""
    update_ms, all_ms = [], []
    for _ in range(n_updates):
        session.produce()
        start_s = time.thread_time()
        live.engine.poll()
        update_ms.append(1e3 * (time.thread_time() - start_s))
        QTest.qWait(int(1e3 * PERIOD_S))
        all_ms.append(1e3 * (time.thread_time() - start_s))
    return update_ms, all_ms


def report(name: str, values_ms: list[float]) -> None:
    """Print median and worst."""
    sys.stdout.write(
        f"{name:14s} median {np.median(values_ms):6.1f} ms   worst {max(values_ms):6.1f} ms\n"
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--volumes", type=int, default=1600, help="length of the recording")
    parser.add_argument("--neurons", type=int, default=150)
    parser.add_argument("--traces", type=int, default=20)
    parser.add_argument("--busy", action="store_true", help="convolve in another thread")
    parser.add_argument("--projections", action="store_true", help="show them, too")
    parser.add_argument("--reference", action="store_true", help="compare with one neuron, too")
    parser.add_argument("--all-docks", action="store_true", help="the other three docks, too")
    parser.add_argument("--picture", help="save the window as PNG")
    return parser.parse_args(arguments)


def open_docks(viewer: napari.Viewer, *, has_all: bool) -> LiveSessionWidget:
    """Return the Live dock, beside which the others are shown."""
    live = LiveSessionWidget(viewer)
    viewer.window.add_dock_widget(live, name="AutoCellLabel Live", area="right")
    viewer.window.add_dock_widget(TracePlotWidget(viewer), name="AutoCellLabel Traces")
    for kind in (NeuronsWidget, AlignmentWidget, ReplayWidget) if has_all else ():
        dock = viewer.window.add_dock_widget(kind(viewer), name=kind.__name__)
        dock.setFloating(True)  # the window has no room for five
    return live


def main(arguments: list[str] | None = None) -> Figures:
    """Measure, print and return the figures."""
    options = parse(arguments)
    viewer = napari.Viewer()
    viewer.window.set_geometry(0, 0, *WINDOW_PX)
    live = open_docks(viewer, has_all=options.all_docks)
    session = MadeUpSession(options.neurons, options.volumes - options.updates - N_WARM_UP)
    live.engine.build = lambda _request: session
    live.engine.name_all(True)
    live.engine.start(RunRequest(recording="made up", settings=AcllSettings(), out=None))
    live.projections.setChecked(options.projections)
    stop = threading.Event()
    worker = threading.Thread(target=convolve, args=(stop,))
    if options.busy:
        worker.start()
    measure(live, session, N_WARM_UP - 1)
    chosen = range(1, options.neurons, options.neurons // options.traces)
    live.engine.choose(chosen[: options.traces])
    live.engine.compare_with(chosen[0] if options.reference else 0)
    measure(live, session, 1)
    update_ms, all_ms = measure(live, session, options.updates)
    report("update", update_ms)
    report("with drawing", all_ms)
    if options.picture:
        live.window().grab().save(options.picture)
    stop.set()
    if options.busy:
        worker.join()
    live.stop()
    live.engine.run.wait()
    viewer.close()
    return update_ms, all_ms


if __name__ == "__main__":
    main()
