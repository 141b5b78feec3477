"""Small stages with known answers, to test whatever is built around stages."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from napari_acll.core import (
    N_CANDIDATES,
    ChannelAlignment,
    Correction,
    Detections,
    LabeledVolume,
    Mark,
    NeuronTable,
    SessionError,
    StageTimings,
    TraceSample,
    Volume,
    VolumeSpec,
    VolumeStatus,
    VoxelGrid,
)

_SHAPE = (4, 12, 20)
_CORNERS = ((0, 2, 2), (1, 5, 8), (2, 8, 14))
_SIZE = (2, 3, 3)
_PATIENCE_S = 20.0

MARKER_BACKGROUND = 100.0
ACTIVITY_BACKGROUND = 50.0


def fake_spec(n_volumes: int | None = None) -> VolumeSpec:
    """Return the geometry of the fake volumes: `(4, 12, 20)` voxels, 0.5 s apart."""
    grid = VoxelGrid.as_stored(_SHAPE, (1.0, 0.5, 0.5))
    return VolumeSpec(grid=grid, period_s=0.5, n_volumes=n_volumes)


def fake_volume(index: int, *, spec: VolumeSpec | None = None) -> Volume:
    """Return a volume with three neurons; `expected_ratio` knows their ratios."""
    spec = spec or fake_spec()
    marker = np.full(_SHAPE, int(MARKER_BACKGROUND), np.uint16)
    activity = np.full(_SHAPE, int(ACTIVITY_BACKGROUND), np.uint16)
    for row in range(len(_CORNERS)):
        marker[_box(row)] += 40 + 10 * row
        activity[_box(row)] += 20 + 5 * row + index % 100
    return Volume(
        index=index,
        timestamp_s=index * spec.period_s,
        marker=marker,
        activity=activity,
        spec=spec,
        slice_times_s=np.array([index * spec.period_s + 0.1 * z for z in range(_SHAPE[0])]),
    )


def expected_ratio(index: int) -> list[float]:
    """Return the ratios of the three neurons of `fake_volume` under the identity alignment."""
    return [(20 + 5 * row + index % 100) / (40 + 10 * row) for row in range(len(_CORNERS))]


class FakeSource:
    """Gives fake volumes.

    Parameters
    ----------
    indices : sequence of int
        Volumes that it gives; what is missing in between is lost.
    n_volumes : int, optional
        How many volumes it claims to have.
    is_live : bool
        Whether it claims to be live; it then waits after its last volume until it is closed.
    ends : bool
        Whether the recording of a live one ends by itself.
    fails_at : int, optional
        Index of a volume that cannot be read.
    error : Exception, optional
        What it raises then.
    """

    def __init__(
        self,
        indices: Sequence[int],
        *,
        n_volumes: int | None = None,
        is_live: bool = False,
        ends: bool = False,
        fails_at: int | None = None,
        error: Exception | None = None,
    ) -> None:
        self._ends = ends or not is_live
        self.indices = list(indices)
        self.spec = fake_spec(n_volumes)
        self.is_live = is_live
        self.notes: Sequence[str] = ("These volumes are fake.",)
        self.closed = threading.Event()
        self.exhausted = threading.Event()
        self._fails_at = fails_at
        self._error = error or OSError("the disk is gone")

    def describe(self) -> Mapping[str, object]:
        """Return what identifies it."""
        return {"kind": "fake", "path": "nowhere"}

    def __iter__(self) -> Iterator[Volume]:
        for index in self.indices:
            if self.closed.is_set():
                return
            if index == self._fails_at:
                raise self._error
            yield fake_volume(index, spec=self.spec)
        self.exhausted.set()
        if not self._ends and not self.closed.wait(_PATIENCE_S):
            raise TimeoutError("nobody closed the live source")

    def close(self) -> None:
        """End a waiting iteration."""
        self.closed.set()


class FakePreprocessor:
    """Changes nothing but the backgrounds, which it knows."""

    def __init__(self, spec: VolumeSpec) -> None:
        self.spec = spec

    def apply(self, volume: Volume) -> Volume:
        """Return the volume with its backgrounds."""
        return replace(
            volume, marker_background=MARKER_BACKGROUND, activity_background=ACTIVITY_BACKGROUND
        )


class FakeLabeler:
    """Finds the three neurons of the fake volumes and a fourth thing without a name.

    Parameters
    ----------
    unfit : sequence of int
        Volumes that it calls unlabelable.
    fails_at : int, optional
        Volume at which it raises `error`.
    error : Exception, optional
        What it raises then.
    """

    def __init__(
        self,
        *,
        unfit: Sequence[int] = (),
        fails_at: int | None = None,
        error: Exception | None = None,
    ) -> None:
        self.neurons = NeuronTable(("AVAL", "AVAR", "RIBL", "OLLR"))
        self.batch_sizes: list[int] = []
        self.threads: set[str] = set()
        self.is_warm = False
        self._unfit = frozenset(unfit)
        self._fails_at = fails_at
        self._error = error or RuntimeError("out of memory")

    def describe(self) -> Mapping[str, object]:
        """Return what identifies it."""
        return {"name": "fake", "kind": "fake", "device": "cpu", "sha256": "0" * 64}

    def warm_up(self, spec: VolumeSpec, batch_size: int) -> None:
        """Note that it was called."""
        del spec, batch_size
        self.is_warm = True
        self.threads.add(threading.current_thread().name)

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Return the known places of the neurons."""
        self.threads.add(threading.current_thread().name)
        self.batch_sizes.append(len(volumes))
        return [self._label(volume) for volume in volumes]

    def _label(self, volume: Volume) -> LabeledVolume:
        if volume.index == self._fails_at:
            raise self._error
        return fake_labeled(volume, is_labelable=volume.index not in self._unfit)


class GatedLabeler(FakeLabeler):
    """Labels only as many batches as it is allowed to, to play a slow model without sleeping."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.began = threading.Semaphore(0)
        self._gate = threading.Semaphore(0)

    def allow(self, n_batches: int = 1) -> None:
        """Let this many batches through."""
        self._gate.release(n_batches)

    def wait_until_busy(self) -> None:
        """Wait until it was given one more batch.

        Raises
        ------
        TimeoutError
            If it is given none.
        """
        if not self.began.acquire(timeout=_PATIENCE_S):
            raise TimeoutError("the labeler was given nothing")

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Wait for permission, then label.

        Raises
        ------
        TimeoutError
            If nobody gives it.
        """
        self.began.release()
        if not self._gate.acquire(timeout=_PATIENCE_S):
            raise TimeoutError("nobody allowed this batch")
        return super().label(volumes)


class FakeCalibrator:
    """Takes its time and returns what it was given."""

    def __init__(self, n_volumes: int, result: ChannelAlignment) -> None:
        self.n_volumes = n_volumes
        self.seen: list[int] = []
        self._result = result

    @property
    def is_done(self) -> bool:
        """Whether it saw enough volumes."""
        return len(self.seen) >= self.n_volumes

    def add(self, volume: Volume) -> None:
        """See one more volume."""
        self.seen.append(volume.index)

    def result(self) -> ChannelAlignment:
        """Return what it was given, and on how many volumes it rests."""
        return self._result.model_copy(update={"n_volumes": len(self.seen)})


class MemoryWriter:
    """Keeps everything in lists.

    Parameters
    ----------
    fails_at : int, optional
        Volume at which it raises `SessionError`.
    """

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.samples: list[TraceSample] = []
        self.skipped: dict[int, VolumeStatus] = {}
        self.order: list[int] = []
        self.alignments: list[ChannelAlignment] = []
        self.events: list[tuple[str, str]] = []
        self.marks: list[Mark] = []
        self.corrections: list[Correction] = []
        self.timings: list[StageTimings] = []
        self.state = ""
        self.threads: set[str] = set()
        self._fails_at = fails_at

    def write(self, sample: TraceSample, labeled: LabeledVolume, timings: StageTimings) -> None:
        """Keep a sample.

        Raises
        ------
        SessionError
            At the volume at which it is to fail.
        """
        del labeled
        self.threads.add(threading.current_thread().name)
        if sample.index == self._fails_at:
            raise SessionError("the disk is full")
        self.samples.append(sample)
        self.order.append(sample.index)
        self.timings.append(timings)

    def skip(self, index: int, status: VolumeStatus) -> None:
        """Keep a gap."""
        self.skipped[index] = status
        self.order.append(index)

    def write_alignment(self, alignment: ChannelAlignment) -> None:
        """Keep the alignment."""
        self.alignments.append(alignment)

    def write_event(self, kind: str, message: str, details: Mapping[str, object]) -> None:
        """Keep an event."""
        del details
        self.events.append((kind, message))

    def write_marks(self, marks: Sequence[Mark]) -> None:
        """Keep marks."""
        self.marks += marks

    def write_corrections(self, corrections: Sequence[Correction]) -> None:
        """Keep corrections."""
        self.corrections += corrections

    def close(self, *, state: str) -> None:
        """Keep the last state."""
        self.state = state


def fake_labeled(volume: Volume, *, is_labelable: bool = True) -> LabeledVolume:
    """Return the places of the three neurons, in an order that is not that of their classes."""
    if not is_labelable:
        empty = np.zeros(volume.marker.shape, np.uint16)
        return LabeledVolume(
            index=volume.index,
            spec=volume.spec,
            instances=empty,
            detections=Detections.none(),
            is_labelable=False,
            why_not="the volume is out of focus",
        )
    return LabeledVolume(
        index=volume.index, spec=volume.spec, instances=_instances(), detections=_detections()
    )


def _box(row: int) -> tuple[slice, ...]:
    return tuple(slice(at, at + n) for at, n in zip(_CORNERS[row], _SIZE, strict=True))


def _instances() -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    instances = np.zeros(_SHAPE, np.uint16)
    for row in range(len(_CORNERS)):
        instances[_box(len(_CORNERS) - 1 - row)] = row + 1
    instances[3, 0, 19] = len(_CORNERS) + 1
    return instances


def _detections() -> Detections:
    centers = [
        [at + (n - 1) / 2 for at, n in zip(corner, _SIZE, strict=True)] for corner in _CORNERS
    ]
    candidates = np.full((4, N_CANDIDATES), -1, np.int32)
    candidates[:, :3] = [[3, 1, 0], [2, 3, 1], [1, 2, 3], [0, 4, 1]]
    probabilities = np.full((4, N_CANDIDATES), np.nan, np.float32)
    probabilities[:, :3] = [0.7, 0.2, 0.1]
    return Detections(
        centroid_px=np.array([*centers[::-1], [3.0, 0.0, 19.0]], np.float32),
        n_voxels=np.array([18, 18, 18, 1], np.int32),
        neuron=np.array([3, 2, 1, 0], np.int32),
        probability=np.array([0.7, 0.8, 0.9, 0.0], np.float32),
        candidate_neuron=candidates,
        candidate_probability=probabilities,
    )
