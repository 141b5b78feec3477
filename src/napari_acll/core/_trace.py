"""One column of values per volume, and the growing table of them."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from napari_acll.core._neurons import NeuronTable


class VolumeStatus(IntEnum):
    """What became of one timepoint."""

    PENDING = 0
    """Not reached yet."""
    TRACED = 1
    """Labeled and traced."""
    SKIPPED = 2
    """Seen, but dropped because we were late."""
    LOST = 3
    """Never seen: the recording has a gap here."""
    UNLABELABLE = 4
    """Seen and judged unfit for labeling; its values are NaN."""
    BACKFILLED = 5
    """Skipped while the recording ran, labeled and traced when there was time."""


class TraceFlag(IntFlag):
    """What is to be said against a sample, besides its confidence; several may hold."""

    IMPULSE = 1
    """The ratio jumps away from the neuron's last few."""
    MARKER_JUMP = 2
    """The marker is not what it usually is under this name: another nucleus, or a wrong mask."""
    OVERLAPPED = 4
    """Light of another nucleus is at its place: the two channels shine from different points."""
    CUT_OFF = 8
    """A part lies outside of the frame of a camera, or in slices that were not recorded."""
    WEAK_MARKER = 16
    """There is too little marker to divide by, and so no ratio."""
    LIGHT_STEP = 32
    """The light on all neurons has changed in this volume."""
    SUSPECT = IMPULSE | MARKER_JUMP | OVERLAPPED
    """Each of these says that the value itself may be wrong; the others, how it was taken."""

    @classmethod
    def names_of(cls, flags: int) -> list[str]:
        """Return the names of the flags that hold, in lower case, as files and messages say."""
        return [flag.name.lower() for flag in cls if flag.name and flag & flags]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSample:
    """The values of all neurons of the model at one timepoint; NaN where a neuron is absent.

    All arrays have one row per neuron, in the order of the model's `NeuronTable`.

    Parameters
    ----------
    index : int
        Number of the volume in the recording.
    time_s : float
        Time of the first slice, in s from the start of the recording.
    neuron_time_s : ndarray of float64, shape (n,)
        Time of the slice through each neuron's centroid, in s.
    ratio, activity, marker : ndarray of float32, shape (n,)
        Activity over marker, and the background-subtracted counts of both: means over the mask, or
        what else the estimator takes.
    activity_sum, marker_sum : ndarray of float64, shape (n,)
        Raw sums over the neuron's voxels, background included, from which all can be recomputed.
    confidence : ndarray of float32, shape (n,)
        Probability that the name is right.
    centroid_px : ndarray of float32, shape (n, 3)
        `(z, y, x)` in voxels of the recording as stored.
    n_voxels : ndarray of int32, shape (n,)
        Voxels of the neuron on the grid that was labeled; 0 where absent.
    ratio_sd : ndarray of float32, shape (n,)
        Standard deviation of the ratio by the noise alone; NaN where the estimator does not say.
    flags : ndarray of uint8, shape (n,)
        `TraceFlag`, 0 where there is nothing to be said against a sample, or nobody looked.
    activity_background, marker_background : float
        Counts per voxel that belong to no neuron, the same for the whole volume.
    light_factor : float
        What the ratios were multiplied by because the light on all neurons has changed.
    status : VolumeStatus
        `TRACED`, `UNLABELABLE` with all values NaN, or `BACKFILLED`.
    """

    index: int
    time_s: float
    neuron_time_s: NDArray[np.float64]
    ratio: NDArray[np.float32]
    activity: NDArray[np.float32]
    marker: NDArray[np.float32]
    activity_sum: NDArray[np.float64]
    marker_sum: NDArray[np.float64]
    confidence: NDArray[np.float32]
    centroid_px: NDArray[np.float32]
    n_voxels: NDArray[np.int32]
    ratio_sd: NDArray[np.float32]
    flags: NDArray[np.uint8]
    activity_background: float = float("nan")
    marker_background: float = float("nan")
    light_factor: float = 1.0
    status: VolumeStatus = VolumeStatus.TRACED

    @classmethod
    def absent(
        cls, index: int, time_s: float, n_neurons: int, status: VolumeStatus
    ) -> "TraceSample":
        """Return a sample in which every neuron is absent."""

        def nan32() -> NDArray[np.float32]:
            return np.full(n_neurons, np.nan, np.float32)

        return cls(
            index=index,
            time_s=time_s,
            neuron_time_s=np.full(n_neurons, np.nan),
            ratio=nan32(),
            activity=nan32(),
            marker=nan32(),
            activity_sum=np.full(n_neurons, np.nan),
            marker_sum=np.full(n_neurons, np.nan),
            confidence=nan32(),
            centroid_px=np.full((n_neurons, 3), np.nan, np.float32),
            n_voxels=np.zeros(n_neurons, np.int32),
            ratio_sd=nan32(),
            flags=np.zeros(n_neurons, np.uint8),
            status=status,
        )


def volume_times(time_s: NDArray[np.float64], period_s: float) -> NDArray[np.float64]:
    """Return the times with those of lost volumes filled in, by the period at both ends.

    Parameters
    ----------
    time_s : ndarray of float64, shape (n_timepoints,)
        In s; NaN where nothing came.
    period_s : float
        Time from one volume to the next, in s.
    """
    index = np.arange(len(time_s), dtype=np.float64)
    known = np.flatnonzero(np.isfinite(time_s))
    if known.size == 0:
        return index * period_s
    filled = np.interp(index, known, time_s[known])
    before = np.minimum(index - known[0], 0)
    after = np.maximum(index - known[-1], 0)
    times: NDArray[np.float64] = filled + (before + after) * period_s
    return times


class TraceStore:
    """Traces in memory, `(n_neurons, n_timepoints)`, growing by doubling.

    A column's position is the volume's index in the recording; timepoints that never came stay
    NaN. Written by one thread; a reader takes `n_timepoints` first and slices up to it.

    Parameters
    ----------
    neurons : NeuronTable
        Decides the rows.
    """

    _FIRST_CAPACITY = 256

    def __init__(self, neurons: NeuronTable) -> None:
        self.neurons = neurons
        self._n_timepoints = 0
        self._status = np.zeros(self._FIRST_CAPACITY, np.uint8)
        self._time_s = np.full(self._FIRST_CAPACITY, np.nan)
        shape = (len(neurons), self._FIRST_CAPACITY)
        self._ratio = np.full(shape, np.nan, np.float32)
        self._confidence = np.full(shape, np.nan, np.float32)
        self._ratio_sd = np.full(shape, np.nan, np.float32)
        self._flags = np.zeros(shape, np.uint8)

    @property
    def n_timepoints(self) -> int:
        """Number of columns, gaps included."""
        return self._n_timepoints

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Time of each column in s, shape `(n_timepoints,)`; NaN where nothing came."""
        return self._time_s[: self._n_timepoints]

    @property
    def status(self) -> NDArray[np.uint8]:
        """`VolumeStatus` of each column, shape `(n_timepoints,)`."""
        return self._status[: self._n_timepoints]

    @property
    def ratio(self) -> NDArray[np.float32]:
        """Ratios, shape `(n_neurons, n_timepoints)`."""
        return self._ratio[:, : self._n_timepoints]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Confidences, shape `(n_neurons, n_timepoints)`."""
        return self._confidence[:, : self._n_timepoints]

    @property
    def ratio_sd(self) -> NDArray[np.float32]:
        """Standard deviations of the ratios by noise, shape `(n_neurons, n_timepoints)`."""
        return self._ratio_sd[:, : self._n_timepoints]

    @property
    def flags(self) -> NDArray[np.uint8]:
        """`TraceFlag` of each sample, shape `(n_neurons, n_timepoints)`."""
        return self._flags[:, : self._n_timepoints]

    def append(self, sample: TraceSample) -> None:
        """Write the column of a sample.

        Raises
        ------
        ValueError
            If the sample has another number of neurons than the table.
        """
        if len(sample.ratio) != len(self.neurons):
            raise ValueError(
                f"Expected a sample of {len(self.neurons)} neurons, got {len(sample.ratio)}."
            )
        self._reserve(sample.index)
        self._ratio[:, sample.index] = sample.ratio
        self._confidence[:, sample.index] = sample.confidence
        self._ratio_sd[:, sample.index] = sample.ratio_sd
        self._flags[:, sample.index] = sample.flags
        self._time_s[sample.index] = sample.time_s
        self._status[sample.index] = sample.status
        self._n_timepoints = max(self._n_timepoints, sample.index + 1)

    def skip(self, index: int, status: VolumeStatus) -> None:
        """Record that a timepoint has no values, and why."""
        self._reserve(index)
        self._status[index] = status
        self._n_timepoints = max(self._n_timepoints, index + 1)

    def _reserve(self, index: int) -> None:
        capacity = len(self._status)
        if index < capacity:
            return
        extra = max(capacity, index + 1 - capacity)
        self._status = np.pad(self._status, (0, extra))
        self._time_s = np.pad(self._time_s, (0, extra), constant_values=np.nan)
        widths = ((0, 0), (0, extra))
        self._ratio = np.pad(self._ratio, widths, constant_values=np.nan)
        self._confidence = np.pad(self._confidence, widths, constant_values=np.nan)
        self._ratio_sd = np.pad(self._ratio_sd, widths, constant_values=np.nan)
        self._flags = np.pad(self._flags, widths)
