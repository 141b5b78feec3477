"""Where the volumes of a growing ND2 file lie, so that they can be read once more."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Volume, VolumeSpec
from napari_acll.sources._frame_order import TimedFrame
from napari_acll.sources._nd2_follower import Nd2Follower
from napari_acll.sources._nd2_tail import TailChunk

_OFFSET, _PAYLOAD, _N_BYTES = range(3)


class GivenVolumes:
    """Places and times of the slices of all volumes that came; 3 kB for a volume of 80 slices.

    Parameters
    ----------
    n_z : int
        Slices of a volume.
    """

    def __init__(self, n_z: int) -> None:
        self._n_z = n_z
        self._places: dict[int, NDArray[np.int64]] = {}
        self._times_s: dict[int, NDArray[np.float64]] = {}

    def add(self, index: int, z: int, chunk: TailChunk) -> None:
        """Take note of a slice."""
        places = self._places.setdefault(index, np.full((self._n_z, 3), -1, np.int64))
        places[z] = chunk.offset, chunk.payload_offset, chunk.n_bytes

    def close(self, index: int, slice_times_s: NDArray[np.float64]) -> None:
        """Take note of the times of a volume that is complete."""
        self._times_s[index] = slice_times_s

    def read(self, index: int, follower: Nd2Follower, spec: VolumeSpec) -> Volume | None:
        """Return a volume, None if it did not come.

        Raises
        ------
        OSError, RecordingError
            If it cannot be read any more.
        """
        if index not in self._times_s or index not in self._places:
            return None
        marker = np.zeros(spec.shape, follower.pixels.dtype)
        activity = np.zeros_like(marker)
        is_missing = np.ones(self._n_z, np.bool_)
        for z, place in enumerate(self._places[index].tolist()):
            pixels = follower.read_pixels(_frame(place)) if place[_OFFSET] >= 0 else None
            if pixels is not None:
                marker[z] = pixels[..., follower.marker]
                activity[z] = pixels[..., follower.activity]
                is_missing[z] = False
        slice_times_s = self._times_s[index]
        return Volume(
            index=index,
            timestamp_s=float(slice_times_s[0]),
            marker=marker,
            activity=activity,
            spec=spec,
            slice_times_s=slice_times_s,
            missing_z=tuple(is_missing.nonzero()[0].tolist()),
        )


def _frame(place: list[int]) -> TimedFrame:
    chunk = TailChunk(
        name=b"",
        offset=place[_OFFSET],
        payload_offset=place[_PAYLOAD],
        n_bytes=place[_N_BYTES],
        frame=0,
        is_followed=True,
    )
    return TimedFrame(chunk, 0, 0.0)
