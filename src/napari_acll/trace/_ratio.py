"""The ratio of activity to marker, neuron by neuron."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    ChannelAlignment,
    LabeledVolume,
    NeuronTable,
    TraceSample,
    TraceSettings,
    Volume,
    VolumeStatus,
)
from napari_acll.trace._sampling import affine_to_activity, sum_instances


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
        self._settings = settings

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
        if labeled.instances.shape != volume.marker.shape:
            raise ValueError(
                f"Expected labels of shape {volume.marker.shape}, got {labeled.instances.shape}."
            )
        status = VolumeStatus.TRACED if labeled.is_labelable else VolumeStatus.UNLABELABLE
        sample = TraceSample.absent(volume.index, volume.timestamp_s, len(self._neurons), status)
        if labeled.is_labelable:
            self._fill(sample, volume, labeled, alignment)
        return sample

    def _fill(
        self,
        sample: TraceSample,
        volume: Volume,
        labeled: LabeledVolume,
        alignment: ChannelAlignment,
    ) -> None:
        detections = labeled.detections
        sums = sum_instances(
            volume.marker,
            volume.activity,
            labeled.instances,
            n_instances=len(detections),
            to_activity=affine_to_activity(alignment, volume.spec.grid),
            missing_z=volume.missing_z,
        )
        rows = np.flatnonzero((detections.neuron > 0) & (sums.n_voxels > 0))
        into = detections.neuron[rows] - 1
        n_voxels, marker_sum, activity_sum = (
            sums.n_voxels[rows],
            sums.marker[rows],
            sums.activity[rows],
        )
        centroid_px = detections.centroid_px[rows]
        marker = marker_sum / n_voxels - volume.marker_background
        activity = activity_sum / n_voxels - volume.activity_background
        sample.n_voxels[into] = n_voxels
        sample.marker_sum[into] = marker_sum
        sample.activity_sum[into] = activity_sum
        sample.marker[into] = marker
        sample.activity[into] = activity
        sample.ratio[into] = self._ratio(activity, marker)
        sample.confidence[into] = detections.probability[rows]
        sample.centroid_px[into] = volume.spec.grid.to_stored_px(centroid_px)
        sample.neuron_time_s[into] = _time_at(centroid_px[:, 0], volume)

    def _ratio(
        self, activity: NDArray[np.float64], marker: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        ratio = np.full(len(marker), np.nan)
        has_marker = marker >= self._settings.min_marker_counts
        np.divide(activity, marker, out=ratio, where=has_marker)
        return ratio


def _time_at(z_px: NDArray[np.floating], volume: Volume) -> NDArray[np.float64]:
    """Return the time of the slice through each position, in s, between slices linearly."""
    slice_times_s = np.asarray(volume.slice_times_s, np.float64)
    is_known = np.isfinite(slice_times_s)
    is_known[list(volume.missing_z)] = False  # nobody measured when they were taken
    if not is_known.any():
        return np.full(len(z_px), np.nan)
    known_z = np.flatnonzero(is_known).astype(np.float64)
    return np.asarray(np.interp(z_px, known_z, slice_times_s[is_known]), np.float64)
