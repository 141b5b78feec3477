"""A stand-in for a session: a thread that produces volumes, so that only the screen is tested."""

import threading
import time
from typing import Any

import numpy as np
from psygnal import Signal

from napari_acll.core import (
    AlignmentOrigin,
    ChannelAlignment,
    DeadlineReport,
    Detections,
    Durations,
    LabeledVolume,
    Mark,
    NeuronTable,
    SessionCounters,
    SessionState,
    StageTimings,
    TraceSample,
    TraceStore,
    Volume,
    VolumeSpec,
    VolumeStatus,
    VoxelGrid,
)
from napari_acll.session import Latest

N_NEURONS = 6
SHAPE = (4, 20, 24)
PERIOD_S = 0.6


def make_spec(shape: tuple[int, int, int] = SHAPE) -> VolumeSpec:
    grid = VoxelGrid(
        shape=shape,
        voxel_size_um=(1.0, 0.54, 0.54),
        stored_shape=(shape[0], 3 * shape[1] + 30, 3 * shape[2] + 60),
        start_px=(0, 30, 60),
        bin_px=(1, 3, 3),
    )
    return VolumeSpec(grid=grid, period_s=PERIOD_S)


def make_volume(index: int, spec: VolumeSpec) -> Volume:
    rng = np.random.default_rng(index)
    return Volume(
        index=index,
        timestamp_s=index * spec.period_s,
        marker=rng.integers(100, 400, spec.shape).astype(np.uint16),
        activity=rng.integers(100, 300, spec.shape).astype(np.uint16),
        spec=spec,
        slice_times_s=np.full(spec.shape[0], index * spec.period_s),
    )


def make_deadlines(label_s: float = 0.1, *, deadline_s: float | None = PERIOD_S) -> DeadlineReport:
    took = {"read": 0.005, "preprocess": 0.01, "label": label_s, "trace": 0.01}
    stages = {name: Durations(n=4, p50_s=s, p99_s=2 * s, max_s=2 * s) for name, s in took.items()}
    whole_s = sum(took.values())
    stages["publish"] = Durations()
    stages["end_to_end"] = Durations(n=4, p50_s=whole_s, p99_s=2 * whole_s, max_s=2 * whole_s)
    return DeadlineReport(deadline_s=deadline_s, n_judged=4, stages=stages)


def make_labeled(index: int, spec: VolumeSpec, n_neurons: int = N_NEURONS) -> LabeledVolume:
    instances = np.zeros(spec.shape, np.uint16)
    for row in range(n_neurons):
        instances[1:3, 4:8, 3 * row : 3 * row + 2] = row + 1
    neuron = np.arange(1, n_neurons + 1, dtype=np.int32)
    detections = Detections(
        centroid_px=np.zeros((n_neurons, 3), np.float32),
        n_voxels=np.full(n_neurons, 16, np.int32),
        neuron=neuron,
        probability=np.linspace(0.2, 0.95, n_neurons, dtype=np.float32),
        candidate_neuron=np.tile(neuron[:, None], (1, 5)),
        candidate_probability=np.zeros((n_neurons, 5), np.float32),
    )
    return LabeledVolume(index=index, spec=spec, instances=instances, detections=detections)


def make_sample(index: int, labeled: LabeledVolume) -> TraceSample:
    n_neurons = len(labeled.detections)
    empty = TraceSample.absent(index, index * PERIOD_S, n_neurons, VolumeStatus.TRACED)
    ratio = 1 + 0.5 * np.sin(index / 5 + np.arange(n_neurons))
    values: dict[str, Any] = {name: getattr(empty, name) for name in TraceSample.__slots__}
    values["ratio"] = ratio.astype(np.float32)
    values["confidence"] = labeled.detections.probability
    values["centroid_px"] = np.stack(
        [
            3.0 - 0.6 * np.arange(n_neurons),
            42 + np.arange(n_neurons),
            60 + 9 * np.arange(n_neurons),
        ],
        axis=1,
    ).astype(np.float32)
    return TraceSample(**values)


class FakeSession:
    """Yields `n_volumes` made-up volumes, then runs on until stopped if it `lingers`."""

    state_changed = Signal(SessionState)
    alignment_ready = Signal(ChannelAlignment)
    event = Signal(str, str)

    def __init__(
        self,
        n_volumes: int = 5,
        *,
        lingers: bool = False,
        error: Exception | None = None,
        spec: VolumeSpec | None = None,
    ) -> None:
        self.state = SessionState.IDLE
        self.request: Any = None
        self.calibrated_on = "simulation only"
        self.novelty = float("nan")
        self.drift: Any = None
        self.forecast: Any = None
        self.is_paused = False
        self.counters = SessionCounters()
        self.deadlines = make_deadlines()
        self.given_up: tuple[str, ...] = ()
        self.marked: list[tuple[str, float, str, str]] = []
        self.marks: tuple[Mark, ...] = ()
        self.store = TraceStore(NeuronTable.numbered(N_NEURONS))
        self._n_volumes, self._lingers, self._error = n_volumes, lingers, error
        self.spec = spec or make_spec()
        self._latest: Any = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="acll-fake")

    def latest(self) -> Any:
        return self._latest

    def mark(
        self, name: str, value: float = float("nan"), *, note: str = "", channel: str = "script"
    ) -> None:
        self.marked.append((name, value, note, channel))

    def start(self) -> None:
        self.state = SessionState.RUNNING
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def pause(self) -> None:
        self.is_paused = True

    def unpause(self) -> None:
        self.is_paused = False

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        self.event.emit("source", "channel 1 is the marker")
        self.alignment_ready.emit(
            ChannelAlignment(
                dy_um=1.0,
                dx_um=-0.5,
                theta_deg=0.4,
                score=0.8,
                n_volumes=5,
                origin=AlignmentOrigin.CALIBRATED,
                is_trusted=True,
            )
        )
        for index in range(self._n_volumes):
            self._produce(index)
        if self._lingers:
            self._stop.wait(30)
        self.state = SessionState.FAILED if self._error else SessionState.FINISHED

    def _produce(self, index: int) -> None:
        labeled = make_labeled(index, self.spec)
        sample = make_sample(index, labeled)
        self.store.append(sample)
        self.counters = SessionCounters(n_read=index + 1, n_traced=index + 1)
        self._latest = Latest(
            volume=make_volume(index, self.spec),
            labeled=labeled,
            sample=sample,
            timings=StageTimings(
                read_s=0, preprocess_s=0.01, wait_s=0, label_s=0.1, trace_s=0.01, total_s=0.2
            ),
            traced_s=time.perf_counter(),
        )
