"""The ratio of activity to marker, neuron by neuron."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    ChannelAlignment,
    LabeledVolume,
    NeuronTable,
    TraceFlag,
    TraceSample,
    TraceSettings,
    Volume,
)
from napari_acll.trace._sampling import affine_to_activity, labeled_voxels
from napari_acll.trace._values import empty_sample, fill_raw, named_rows, sums_of


class RatioTraceEstimator:
    """Takes the ratio of background-subtracted mean counts of every named neuron.

    The activity channel is sampled at the aligned position of each labeled voxel, bilinearly
    within its slice. Voxels whose counterpart lies outside of the frame, and slices that the
    recording lacks, count in neither channel. A neuron of which no voxel counts is absent.

    Parameters
    ----------
    neurons : NeuronTable
        The neurons of the model, which decide the rows.
    settings : TraceSettings
        Below `min_marker_counts` of mean marker signal a neuron has no ratio. An activity below
        its background is kept: over a marker that is really there, a negative ratio is noise
        around zero, not an error.
    """

    def __init__(self, neurons: NeuronTable, settings: TraceSettings) -> None:
        self._neurons = neurons
        self._min_marker = settings.min_marker_counts

    def estimate(
        self, volume: Volume, labeled: LabeledVolume, alignment: ChannelAlignment
    ) -> TraceSample:
        """Return one value of each kind for every neuron of the model.

        Parameters
        ----------
        volume : Volume
            Raw counts, with the background of both channels measured.
        labeled : LabeledVolume
            The instances and names of the same volume.
        alignment : ChannelAlignment
            Where the activity channel lies.

        Returns
        -------
        TraceSample
            NaN where a neuron is absent; all NaN, and `UNLABELABLE`, where the volume was unfit.

        Raises
        ------
        ValueError
            If the labels are of another shape than the volume.
        """
        sample = empty_sample(volume, labeled, len(self._neurons))
        if not labeled.is_labelable:
            return sample
        to_activity = affine_to_activity(alignment, volume.spec.grid)
        sums = sums_of(volume, labeled, labeled_voxels(labeled.instances), to_activity)
        fill_raw(sample, volume, labeled, sums, named_rows(labeled, sums))
        has_marker = self._has_marker(sample.marker)
        np.divide(sample.activity, sample.marker, out=sample.ratio, where=has_marker)
        sample.flags[(sample.n_voxels > 0) & ~has_marker] |= np.uint8(TraceFlag.WEAK_MARKER)
        return sample

    def _has_marker(self, marker: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.asarray(marker >= self._min_marker, np.bool_)


class NaiveTraceEstimator(RatioTraceEstimator):
    """The original program's rule: mean activity over mean marker, whatever the marker is.

    Both means are above the median of the volume. Where the marker is hardly above it, or below,
    the ratio is huge or negative. Only a marker of exactly 0 gives no ratio here, where the
    original stored infinity. It is kept to compare with.

    Parameters
    ----------
    neurons : NeuronTable
        The neurons of the model, which decide the rows.
    settings : TraceSettings
        Nothing of it counts.
    """

    def _has_marker(self, marker: NDArray[np.float32]) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(marker) & (marker != 0), np.bool_)
