"""The values of the neurons over time, in an NWB file."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hdmf.backends.hdf5.h5_utils import H5DataIO
from hdmf.data_utils import GenericDataChunkIterator
from numpy.typing import NDArray
from pynwb import TimeSeries
from pynwb.base import ProcessingModule
from pynwb.ophys import Fluorescence, PlaneSegmentation, RoiResponseSeries

from napari_acll.core import VolumeSpec, VolumeStatus
from napari_acll.export._layout import SAMPLE_ARRAYS, TIME_ARRAYS, TIMEPOINTS_PER_CHUNK
from napari_acll.export._output import Progress
from napari_acll.export._saved_session import SavedSession

_FLUORESCENCE = {
    "ratio": "a.u.",
    "activity": "counts",
    "marker": "counts",
    "activity_sum": "counts",
    "marker_sum": "counts",
}
"""Series of the container `Fluorescence`, with their units."""
_OF_NEURONS = {
    "confidence": "probability",
    "ratio_sd": "a.u.",
    "flags": "bits",
    "n_voxels": "voxels",
    "neuron_time_s": "seconds",
}
_OF_VOLUMES = {
    "novelty": "0 to 1",
    "activity_background": "counts",
    "marker_background": "counts",
    "light_factor": "factor",
}
_ABOUT = {spec.name: spec.about for spec in (*SAMPLE_ARRAYS, *TIME_ARRAYS)}
_POSITIONS_ABOUT = (
    "Center of each neuron in each volume, (volume, neuron, xyz), from the center of the first"
    " voxel of the recording as stored; NaN where it was not named."
)
_SWAP_ABOUT = "probability that the name should be that of the other body side"
_M_PER_UM = 1e-6
_Read = Callable[[int, int], NDArray[Any]]


class _Rows(GenericDataChunkIterator):  # type: ignore[misc]  # no types
    """Reads some volumes at a time while the file is written.

    Parameters
    ----------
    read : callable
        Returns the rows from a volume to another.
    shape : tuple of int
        Of the whole, at least one row.
    dtype : numpy.dtype
        Of the rows.
    tell : callable
        Called for each block.
    """

    def __init__(
        self, read: _Read, shape: tuple[int, ...], dtype: "np.dtype[Any]", tell: Callable[[], None]
    ) -> None:
        self._read, self._shape, self._type, self._tell = read, shape, dtype, tell
        block = (min(TIMEPOINTS_PER_CHUNK, shape[0]), *shape[1:])
        super().__init__(buffer_shape=block, chunk_shape=block)

    def _get_data(self, selection: tuple[slice, ...]) -> NDArray[Any]:
        self._tell()
        return self._read(selection[0].start, selection[0].stop)[(slice(None), *selection[1:])]

    def _get_maxshape(self) -> tuple[int, ...]:
        return self._shape

    def _get_dtype(self) -> "np.dtype[Any]":
        return self._type


class TraceSeries:
    """Adds the values of a session to a module; they are read when the file is written.

    Parameters
    ----------
    saved : SavedSession
        The session.
    spec : VolumeSpec
        Geometry of its volumes.
    rois : PlaneSegmentation
        The neurons.
    times_s : ndarray of float64, shape (n_timepoints,)
        Of the volumes, without NaN.
    progress : callable
        Told the part that is done.
    """

    def __init__(
        self,
        saved: SavedSession,
        spec: VolumeSpec,
        rois: PlaneSegmentation,
        times_s: NDArray[np.float64],
        progress: Progress,
    ) -> None:
        self._saved, self._spec, self._rois = saved, spec, rois
        self._times: object = times_s  # of the first series; the others refer to it
        self._progress = progress
        self._n_blocks = self._n_read = 0

    def add_to(self, module: ProcessingModule) -> None:
        """Add all series."""
        fluorescence = Fluorescence(name="Fluorescence")
        module.add(fluorescence)
        for name, unit in _FLUORESCENCE.items():
            fluorescence.add_roi_response_series(self._of_neurons(name, unit, self._reader(name)))
        for name, unit in _OF_NEURONS.items():
            module.add(self._of_neurons(name, unit, self._reader(name)))
        swapped = self._saved.side_swap_probability
        module.add(self._of_neurons("side_swap_probability", "probability", swapped))
        for name, unit in _OF_VOLUMES.items():
            module.add(self._series(TimeSeries, name, unit, self._reader(name), _ABOUT[name]))
        positions = self._series(
            TimeSeries,
            "positions",
            "meters",
            self._positions_um,
            _POSITIONS_ABOUT,
            conversion=_M_PER_UM,
        )
        module.add(positions)

    def _reader(self, name: str) -> _Read:
        return lambda start, stop: self._saved.read(name, start, stop)

    def _positions_um(self, start: int, stop: int) -> NDArray[np.float32]:
        size_um = np.array(self._spec.grid.stored_voxel_size_um(), np.float32)
        position_um: NDArray[np.float32] = self._saved.read("centroid_px", start, stop) * size_um
        return position_um[..., ::-1]

    def _of_neurons(self, name: str, unit: str, read: _Read) -> RoiResponseSeries:
        region = self._rois.create_roi_table_region(
            region=list(range(len(self._saved.neurons))), description="All neurons of the model."
        )
        about = _ABOUT.get(name, _SWAP_ABOUT)
        return self._series(RoiResponseSeries, name, unit, read, about, rois=region)

    def _series(
        self, kind: type[TimeSeries], name: str, unit: str, read: _Read, about: str, **more: object
    ) -> TimeSeries:
        series = kind(
            name=name,
            unit=unit,
            description=f"{about[:1].upper()}{about[1:]}.",
            data=self._data(read),
            timestamps=self._times,
            control=self._saved.status,
            control_description=[status.name.lower() for status in VolumeStatus],
            comments="One row per volume of the recording; times of volumes without values lie"
            " between those of their neighbors. `control` says what became of a volume.",
            **more,
        )
        self._times = series if isinstance(self._times, np.ndarray) else self._times
        return series

    def _data(self, read: _Read) -> object:
        sample = read(0, min(1, self._saved.n_timepoints))
        shape = (self._saved.n_timepoints, *sample.shape[1:])
        if 0 in shape:  # nothing to stream
            return np.zeros(shape, sample.dtype)
        self._n_blocks += -(-shape[0] // TIMEPOINTS_PER_CHUNK)
        return H5DataIO(_Rows(read, shape, sample.dtype, self._tell), compression="gzip")

    def _tell(self) -> None:
        self._progress(self._n_read / (self._n_blocks + 1))
        self._n_read += 1
