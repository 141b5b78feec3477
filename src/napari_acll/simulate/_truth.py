"""What is true of a simulated volume."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import ChannelAlignment, NeuronTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of one simulated volume; one row per nucleus.

    Parameters
    ----------
    index : int
        Number of the volume in the recording.
    time_s : float
        Time of the first slice.
    names : tuple of str
        Name of each nucleus, empty where it has none.
    is_listed : ndarray of bool, shape (n,)
        Whether an annotator would have named it.
    centroid_px : ndarray of float64, shape (n, 3)
        `(z, y, x)` in voxels as stored, at the time of the slice through the nucleus; may lie
        outside of the volume.
    centroid_time_s : ndarray of float64, shape (n,)
        That time.
    radius_um : ndarray of float64, shape (n,)
        Mean radius of each nucleus.
    marker, activity : ndarray of float64, shape (n,)
        Light of each nucleus in each channel, before blur.
    ratio : ndarray of float64, shape (n,)
        F/F20 of the activity.
    alignment : ChannelAlignment
        How the activity channel lies against the marker channel.
    slice_offset_um : ndarray of float64, shape (Z, 2)
        `(y, x)` of the animal's center at the time of each slice.
    """

    index: int
    time_s: float
    names: tuple[str, ...]
    is_listed: NDArray[np.bool_]
    centroid_px: NDArray[np.float64]
    centroid_time_s: NDArray[np.float64]
    radius_um: NDArray[np.float64]
    marker: NDArray[np.float64]
    activity: NDArray[np.float64]
    ratio: NDArray[np.float64]
    alignment: ChannelAlignment
    slice_offset_um: NDArray[np.float64]

    def class_numbers(self, neurons: NeuronTable) -> NDArray[np.int32]:
        """Return the class number of each nucleus in a model's table, 0 where it has none."""
        number = {name: index + 1 for index, name in enumerate(neurons.names)}
        return np.array([number.get(name, 0) for name in self.names], np.int32)

    def is_inside(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Return whether each centroid lies within a volume of this shape, as `(n,)` bool."""
        upper = np.asarray(shape) - 1
        inside = (self.centroid_px >= 0) & (self.centroid_px <= upper)
        return np.asarray(inside.all(axis=1), np.bool_)
