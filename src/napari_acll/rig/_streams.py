"""The two routes that hand over whole volumes without a file."""

import time

import numpy as np

from napari_acll.core import RecordingError
from napari_acll.rig._clock import RigClock
from napari_acll.rig._faults import VolumeFaults
from napari_acll.rig._film import N_CHANNELS, Film
from napari_acll.rig._routes import CHANNELS
from napari_acll.sources import VolumeRingWriter, VolumeSender

_NAMES = tuple(channel.name for channel in CHANNELS)
_LINGER_S = 3.0
"""How long the last volumes stay in shared memory after the end."""


class SharedMemoryRoute:
    """Volumes of all channels, `(Z, Y, X, C)`, in a ring of shared memory.

    Parameters
    ----------
    name : str
        Name of the sender.
    film : Film
        What is shown.
    clock : RigClock
        When.
    n_volumes : int
        Planned length.

    Raises
    ------
    RecordingError
        If there is not enough shared memory, or the name is not free.
    """

    def __init__(self, name: str, film: Film, clock: RigClock, *, n_volumes: int) -> None:
        self.address = f"shm:{name}"
        self._film, self._clock = film, clock
        self._stack = np.empty((*film.info.shape, N_CHANNELS), np.uint16)
        try:
            self._ring: VolumeRingWriter | None = VolumeRingWriter(
                name,
                shape=self._stack.shape,
                channel_names=_NAMES,
                voxel_size_um=film.info.voxel_size_um,
                period_s=clock.period_s,
                n_volumes=n_volumes,
            )
        except (ValueError, OSError, MemoryError) as error:
            raise RecordingError(f"Cannot offer volumes at {self.address}: {error}") from error

    def play(self, index: int, faults: VolumeFaults) -> None:
        """Hand a volume over when its last slice was exposed."""
        shown = self._film.shown(index)
        for z, frame in enumerate(self._stack):
            self._film.read_frame_into(shown, z, frame.data.cast("B"))
        self._stack[list(faults.lacking_z)] = 0
        times_s = [self._clock.frame_time_s(index, z) for z in range(len(self._stack))]
        self._clock.wait_until(self._clock.frame_time_s(index + 1, 0))
        if self._ring is not None:
            self._ring.write(
                self._stack, index=index, slice_times_s=times_s, missing_z=faults.lacking_z
            )

    def leave_out(self, index: int) -> None:
        """Leave a gap in the numbers."""

    def finish(self, *, is_crash: bool) -> None:
        """End the recording; who reads has some seconds for the last volumes."""
        if self._ring is None:
            return
        if not is_crash:
            self._ring.finish()
            time.sleep(_LINGER_S)
        self._ring.close()
        self._ring = None


class NetworkRoute:
    """Volumes sent through ZeroMQ, each channel `(Z, Y, X)`.

    Parameters
    ----------
    address : str
        `tcp://HOST:PORT` to offer them at.
    film : Film
        What is shown.
    clock : RigClock
        When.
    n_volumes : int
        Planned length.

    Raises
    ------
    RecordingError
        If the address cannot be used, or pyzmq is not installed.
    """

    def __init__(self, address: str, film: Film, clock: RigClock, *, n_volumes: int) -> None:
        self._film, self._clock = film, clock
        _, height, width = film.info.shape
        self._channels = np.empty((N_CHANNELS, *film.info.shape), np.uint16)
        self._frame = np.empty((height, width, N_CHANNELS), np.uint16)
        self._sender = VolumeSender(
            address,
            shape=film.info.shape,
            channel_names=_NAMES,
            voxel_size_um=film.info.voxel_size_um,
            period_s=clock.period_s,
            n_volumes=n_volumes,
        )
        self.address = self._sender.address

    def wait_for_reader(self, timeout_s: float) -> bool:
        """Return whether somebody reads; what is sent before is lost."""
        return self._sender.wait_for_reader(timeout_s)

    def play(self, index: int, faults: VolumeFaults) -> None:
        """Send a volume when its last slice was exposed."""
        shown = self._film.shown(index)
        for z in range(self._film.info.shape[0]):
            self._film.read_frame_into(shown, z, self._frame.data.cast("B"))
            self._channels[:, z] = np.moveaxis(self._frame, 2, 0)
        self._channels[:, list(faults.lacking_z)] = 0
        times_s = [self._clock.frame_time_s(index, z) for z in range(self._channels.shape[1])]
        self._clock.wait_until(self._clock.frame_time_s(index + 1, 0))
        self._sender.send(
            self._channels, index=index, slice_times_s=times_s, missing_z=faults.lacking_z
        )

    def leave_out(self, index: int) -> None:
        """Leave a gap in the numbers."""

    def finish(self, *, is_crash: bool) -> None:  # noqa: ARG002  nobody can crash within a message
        """Tell the readers that it is over."""
        self._sender.close()
