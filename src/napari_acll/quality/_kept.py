"""The measures of a recording whose traces are kept."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, TraceSample, VolumeStatus
from napari_acll.quality._trace_quality import TraceQuality

MEASURED = ("ratio", "marker", "confidence", "n_voxels", "centroid_px")
"""Fields of `TraceSample` that are measured."""


def quality_of(
    neurons: NeuronTable,
    stored_voxel_size_um: tuple[float, float, float],
    *,
    status: NDArray[np.uint8],
    values: Mapping[str, NDArray[Any]],
    novelty: NDArray[np.floating],
    n_volumes: int | None = None,
) -> TraceQuality:
    """Return what the measures of a recording were, had they been taken while it ran.

    Parameters
    ----------
    neurons : NeuronTable
        The neurons of the model.
    stored_voxel_size_um : tuple of float
        `(z, y, x)` extent of a voxel of the recording as stored, in um.
    status : ndarray of uint8, shape (n_timepoints,)
        `VolumeStatus` of each timepoint.
    values : mapping of str to ndarray, shape (n_timepoints, n_neurons, ...)
        The fields `MEASURED` of all samples.
    novelty : ndarray of float, shape (n_timepoints,)
        Of each volume, NaN where nobody knows.
    n_volumes : int, optional
        Timepoints from the beginning that count; all of them if None.
    """
    quality = TraceQuality(neurons, stored_voxel_size_um)
    for index, state in enumerate(status[:n_volumes].tolist()):
        empty = TraceSample.absent(index, float("nan"), len(neurons), VolumeStatus(state))
        sample = replace(empty, **{name: values[name][index] for name in MEASURED})
        quality.add(sample, novelty=float(novelty[index]))
    return quality
