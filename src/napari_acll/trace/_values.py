"""What all estimators take from a labeled volume alike."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    LabeledVolume,
    TraceSample,
    Volume,
    VolumeStatus,
)
from napari_acll.trace._sampling import InstanceSums, sum_instances


def empty_sample(volume: Volume, labeled: LabeledVolume, n_neurons: int) -> TraceSample:
    """Return the sample of a volume in which every neuron is absent.

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
    sample = TraceSample.absent(volume.index, volume.timestamp_s, n_neurons, status)
    return replace(
        sample,
        activity_background=float(volume.activity_background),
        marker_background=float(volume.marker_background),
    )


def sums_of(
    volume: Volume,
    labeled: LabeledVolume,
    voxels: NDArray[np.int64],
    to_activity: NDArray[np.float64],
) -> InstanceSums:
    """Return the raw sums of both channels under the masks of all detections.

    Parameters
    ----------
    volume, labeled : Volume, LabeledVolume
        The volume and its labels.
    voxels : ndarray of int64, shape (k,)
        What `labeled_voxels` says of the instances.
    to_activity : ndarray of float64, shape (2, 3)
        What `affine_to_activity` says of the alignment.
    """
    return sum_instances(
        volume.marker,
        volume.activity,
        labeled.instances,
        voxels=voxels,
        n_instances=len(labeled.detections),
        to_activity=to_activity,
        missing_z=volume.missing_z,
    )


def named_rows(labeled: LabeledVolume, sums: InstanceSums) -> NDArray[np.intp]:
    """Return the detections that have a name and at least one voxel that counts."""
    return np.flatnonzero((labeled.detections.neuron > 0) & (sums.n_voxels > 0))


def fill_raw(
    sample: TraceSample,
    volume: Volume,
    labeled: LabeledVolume,
    sums: InstanceSums,
    rows: NDArray[np.intp],
) -> None:
    """Write the sums, means, places, times and confidences of named detections.

    Parameters
    ----------
    sample : TraceSample
        Written to; the ratio is left to the estimator.
    volume, labeled : Volume, LabeledVolume
        The volume and its labels.
    sums : InstanceSums
        Of all detections.
    rows : ndarray of int, shape (k,)
        Detections with a name.
    """
    detections = labeled.detections
    into = detections.neuron[rows] - 1
    centroid_px = detections.centroid_px[rows]
    n_voxels = sums.n_voxels[rows]
    sample.n_voxels[into] = n_voxels
    sample.marker_sum[into] = sums.marker[rows]
    sample.activity_sum[into] = sums.activity[rows]
    sample.marker[into] = sums.marker[rows] / n_voxels - volume.marker_background
    sample.activity[into] = sums.activity[rows] / n_voxels - volume.activity_background
    sample.confidence[into] = detections.probability[rows]
    sample.centroid_px[into] = volume.spec.grid.to_stored_px(centroid_px)
    sample.neuron_time_s[into] = _time_at(centroid_px[:, 0], volume)


def _time_at(z_px: NDArray[np.floating], volume: Volume) -> NDArray[np.float64]:
    """Return the time of the slice through each position, in s, between slices linearly."""
    slice_times_s = np.asarray(volume.slice_times_s, np.float64)
    is_known = np.isfinite(slice_times_s)
    is_known[list(volume.missing_z)] = False  # nobody measured when they were taken
    if not is_known.any():
        return np.full(len(z_px), np.nan)
    known_z = np.flatnonzero(is_known).astype(np.float64)
    return np.asarray(np.interp(z_px, known_z, slice_times_s[is_known]), np.float64)
