"""Puts slices into volumes as they arrive."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.sources._buffer_pool import FRAMES_FREE, BufferPool
from napari_acll.sources._nd2_layout import FrameLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class AssembledVolume:
    """A volume whose slices have come, or will not come anymore.

    Parameters
    ----------
    index : int
        Number of the volume, from 0.
    frames : ndarray of uint8 or uint16, shape (Z, Y, X, channels)
        Counts.
    marker, activity : ndarray of uint8 or uint16, shape (Z, Y, X)
        Two channels of them: views, for to sort them takes longer than to read them.
    is_present : ndarray of bool, shape (Z,)
        Slices that came; the others are zero.
    times_s : ndarray of float64, shape (Z,)
        Times of the slices as recorded; NaN where a slice is missing.
    """

    index: int
    frames: NDArray[Any]
    marker: NDArray[Any]
    activity: NDArray[Any]
    is_present: NDArray[np.bool_]
    times_s: NDArray[np.float64]


class VolumeAssembly:
    """One volume at a time, filled slice by slice and channel by channel.

    Parameters
    ----------
    layout : FrameLayout
        Slices of a volume, and those that are left out at its start.
    frame_shape : tuple of int
        `(Y, X, channels)`.
    dtype : dtype
        Of the counts.
    channels : tuple of int
        Numbers of the marker and the activity channel.

    Attributes
    ----------
    next_index : int
        Number of the volume after the last one that was closed.
    n_late : int
        Slices that came after a later volume had begun; they are left out.
    """

    def __init__(
        self,
        layout: FrameLayout,
        frame_shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        channels: tuple[int, int],
    ) -> None:
        self._n_z = layout.n_z
        self._n_z_stored = layout.n_z_stored
        self._n_discarded = layout.n_z_stored - layout.n_z
        self._pool = BufferPool((layout.n_z, *frame_shape), dtype, most_free=FRAMES_FREE)
        self._channels = channels
        self._open: AssembledVolume | None = None
        self.next_index = 0
        self.n_late = 0

    def place_of(self, slot: int) -> tuple[int, int] | None:
        """Return volume and slice of a slot; None for one that is left out."""
        index, z = divmod(slot, self._n_z_stored)
        if slot < 0 or z < self._n_discarded:
            return None
        return index, z - self._n_discarded

    def close_before(self, index: int) -> AssembledVolume | None:
        """Return the open volume as it is, if a volume after it begins."""
        if self._open is None or self._open.index >= index:
            return None
        return self._closed()

    def add(
        self,
        index: int,
        z: int,
        pixels: NDArray[np.unsignedinteger] | None,
        time_s: float,
    ) -> AssembledVolume | None:
        """Take a slice; return its volume if that is complete now.

        Parameters
        ----------
        index, z : int
            Volume and slice; volumes before one that was closed are too late.
        pixels : ndarray, shape (Y, X, channels), optional
            Counts of all channels; copied. None for a volume whose counts nobody wants.
        time_s : float
            When the slice was taken.
        """
        if index < self.next_index:
            self.n_late += 1
            return None
        if self._open is None:
            self._open = self._new(index)
        volume = self._open
        if pixels is not None:
            volume.frames[z] = pixels
        volume.is_present[z] = True
        volume.times_s[z] = time_s
        return self._closed() if volume.is_present.all() else None

    def n_open_slices(self) -> int:
        """Return how many slices of a volume that is not complete have come."""
        return 0 if self._open is None else int(self._open.is_present.sum())

    def _new(self, index: int) -> AssembledVolume:
        frames = self._pool.take()
        marker, activity = self._channels
        return AssembledVolume(
            index=index,
            frames=frames,
            marker=frames[..., marker],
            activity=frames[..., activity],
            is_present=np.zeros(self._n_z, np.bool_),
            times_s=np.full(self._n_z, np.nan),
        )

    def _closed(self) -> AssembledVolume | None:
        volume, self._open = self._open, None
        if volume is not None:
            self.next_index = volume.index + 1
            volume.frames[~volume.is_present] = 0
        return volume
