"""The samples of a refined session: taken once more, or the saved ones under other names."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    ChannelAlignment,
    Detections,
    LabeledVolume,
    Labeler,
    NeuronTable,
    RandomAccessSource,
    TraceEstimator,
    TraceSample,
    VolumeSpec,
    VolumeStatus,
)
from napari_acll.session._stages import Preprocessing

if TYPE_CHECKING:
    from napari_acll.export import SavedSession

_AT_ONCE = 64
"""Timepoints that are read together: the length of a chunk on the disk."""
_SAME_PX = 0.5
"""A model that is run once more must find each nucleus where it was, in voxels."""


Taken: TypeAlias = tuple[LabeledVolume, TraceSample]
"""A volume and its values."""


class Values(Protocol):
    """Gives the values of a volume under the names that it has now."""

    def take(self, labeled: LabeledVolume, status: VolumeStatus) -> Taken:
        """Return the volume with the masks that were used, and the sample.

        Parameters
        ----------
        labeled : LabeledVolume
            The masks of the saved label map, under the names that they have now.
        status : VolumeStatus
            What became of the volume when it was recorded.
        """
        ...


@dataclass(kw_only=True, eq=False)
class SavedSamples:
    """What a session holds of each timepoint, read in blocks.

    Parameters
    ----------
    saved : SavedSession
        The session.
    """

    saved: "SavedSession"
    _start: int = field(default=-1, init=False)
    _block: dict[str, NDArray[Any]] = field(default_factory=dict, init=False)

    def row(self, name: str, index: int) -> Any:
        """Return what an array of the session holds for a timepoint."""
        start = index - index % _AT_ONCE
        if start != self._start:
            self._start, self._block = start, {}
        if name not in self._block:
            self._block[name] = self.saved.read(name, start, start + _AT_ONCE)
        return self._block[name][index - start]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReassignedValues:
    """The saved values, under the names that their nuclei have now.

    A nucleus that had no name when the session was recorded has no values.

    Parameters
    ----------
    samples : SavedSamples
        Of the session.
    before : mapping of int to Detections
        The names that the values were saved under.
    neurons : NeuronTable
        Of the model.
    """

    samples: SavedSamples
    before: dict[int, Detections]
    neurons: NeuronTable

    def take(self, labeled: LabeledVolume, status: VolumeStatus) -> Taken:
        """Return the volume as it is, and the sample."""
        index = labeled.index
        time_s = float(self.samples.row("time_s", index))
        sample = TraceSample.absent(index, time_s, len(self.neurons), status)
        old, new = self.before[index].neuron, labeled.detections.neuron
        rows = np.flatnonzero((old > 0) & (new > 0))
        for name in value_arrays(sample):
            saved = self.samples.row(name, index)
            getattr(sample, name)[new[rows] - 1] = saved[old[rows] - 1]
        has_value = sample.n_voxels[new[rows] - 1] > 0
        named = new[rows[has_value]] - 1
        sample.confidence[named] = labeled.detections.probability[rows[has_value]]
        return labeled, sample


def value_arrays(sample: TraceSample) -> Iterator[str]:
    """Yield the names of the fields of a sample that have a row per neuron."""
    for item in fields(sample):
        value = getattr(sample, item.name)
        if isinstance(value, np.ndarray) and len(value) == len(sample.ratio):
            yield item.name


@dataclass(kw_only=True, eq=False)
class RecordedValues:
    """Values taken from the recording once more, by the masks of the session or of its model.

    Parameters
    ----------
    source : RandomAccessSource
        The recording.
    preprocessor : Preprocessing
        Crop, binning, background.
    estimator : TraceEstimator
        Takes the values.
    alignment : ChannelAlignment
        That of the session.
    labeler : Labeler, optional
        The model of the session, to make the masks once more.
    n_other_masks : int
        Volumes in which it found other nuclei than the session has.
    """

    source: RandomAccessSource
    preprocessor: Preprocessing
    estimator: TraceEstimator
    alignment: ChannelAlignment
    labeler: Labeler | None = None
    n_other_masks: int = field(default=0, init=False)

    def take(self, labeled: LabeledVolume, status: VolumeStatus) -> Taken:
        """Return the volume, with the masks of the model if it makes them, and the sample."""
        volume = self.preprocessor.apply(self.source.read(labeled.index))
        if self.labeler is not None:
            again = self.labeler.label([volume])[0]
            if is_same(again.detections, labeled.detections):
                labeled = replace(labeled, instances=again.instances)
            else:
                self.n_other_masks += 1
        sample = self.estimator.estimate(volume, labeled, self.alignment)
        return labeled, replace(sample, status=status)


def is_same(found: Detections, saved: Detections) -> bool:
    """Return whether a model found once more what it had found, in the same order.

    Parameters
    ----------
    found, saved : Detections
        Both with centers in voxels of the same grid.
    """
    if len(found) != len(saved):
        return False
    return bool((np.abs(found.centroid_px - saved.centroid_px) <= _SAME_PX).all())


def instances_of(
    labels: NDArray[np.integer], found: Detections, spec: VolumeSpec
) -> NDArray[np.uint16]:
    """Return the instances that a label map shows: those of the named nuclei.

    Parameters
    ----------
    labels : ndarray of int, shape (Z, Y, X)
        Class number at each voxel, as the session was recorded.
    found : Detections
        With the names of that time.
    spec : VolumeSpec
        Of the label map.

    Raises
    ------
    ValueError
        If the map has another shape.
    """
    if labels.shape != spec.shape:
        raise ValueError(f"Expected a label map of {spec.shape}, got {labels.shape}.")
    row_of_class = np.zeros(max(int(labels.max(initial=0)), int(found.neuron.max(initial=0))) + 1)
    named = np.flatnonzero(found.neuron > 0)
    row_of_class[found.neuron[named]] = named + 1
    instances: NDArray[np.uint16] = row_of_class.astype(np.uint16)[labels]
    return instances
