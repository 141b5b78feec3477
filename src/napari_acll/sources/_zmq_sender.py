"""Sends volumes to other computers."""

import secrets
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError
from napari_acll.sources._errors import reason_of
from napari_acll.sources._stream_header import StreamHeader
from napari_acll.sources._zmq_message import AGAIN, TOPIC, VERSION, MessageHeader, load_zmq, pack

_WAITING_BYTES = 1 << 28
_WAITING = (4, 64)
_LINGER_MS = 1000


class VolumeSender:
    """Offers the volumes of one recording to everybody who connects; waits for nobody.

    For a reader that is late, 256 MB of volumes are kept, from 4 to 64; one that is later, or not
    there, misses volumes, and sees by their numbers which. The last volumes, as many, are kept for
    a reader that was killed and comes back: it asks for them, and gets them with the next one.

    Parameters
    ----------
    address : str
        Where readers connect to: `tcp://127.0.0.1:5555` for this computer only, `tcp://*:5555`
        for all that can reach it. Nothing is encrypted: use a network that is yours.
    shape : tuple of int
        `(Z, Y, X)` of a channel as it is sent.
    channel_names : sequence of str
        One for each channel.
    dtype : str
        uint8, uint16 or uint32; sums of bins may need more bits than the camera has.
    voxel_size_um : tuple of float, optional
        `(Z, Y, X)` of a voxel as it is sent.
    period_s : float, optional
        Time from one volume to the next.
    n_volumes : int, optional
        Planned length of the recording.
    stored_shape : tuple of int, optional
        `(Z, Y, X)` of the camera's frames, if volumes are cropped or binned before.
    start_px, bin_px : tuple of int
        First pixel of the crop and pixels that are summed into one, along `(Z, Y, X)`.

    Raises
    ------
    RecordingError
        If the geometry is not possible, the address cannot be used, or pyzmq is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> sender = VolumeSender(
    ...     "tcp://127.0.0.1:*", shape=(4, 6, 8), channel_names=("GCaMP", "mNeptune")
    ... )
    >>> with sender:
    ...     sender.send(np.ones((2, 4, 6, 8), np.uint16), index=0)
    """

    def __init__(
        self,
        address: str,
        *,
        shape: Sequence[int],
        channel_names: Sequence[str],
        dtype: str = "uint16",
        voxel_size_um: Sequence[float] | None = None,
        period_s: float | None = None,
        n_volumes: int | None = None,
        stored_shape: Sequence[int] | None = None,
        start_px: Sequence[int] = (0, 0, 0),
        bin_px: Sequence[int] = (1, 1, 1),
    ) -> None:
        about = {
            "shape": shape,
            "dtype": dtype,
            "channel_names": channel_names,
            "voxel_size_um": voxel_size_um,
            "period_s": period_s,
            "n_volumes": n_volumes,
            "stored_shape": stored_shape,
            "start_px": start_px,
            "bin_px": bin_px,
        }
        self._about = StreamHeader.parse(about, recording=address)
        self._recording = secrets.token_hex(8)
        self._n_sent, self._next_index = 0, 0
        self._began_s: float | None = None
        self._zmq: Any = load_zmq()
        self._context = self._zmq.Context()
        self._socket = self._context.socket(self._zmq.XPUB)
        self._socket.set(self._zmq.LINGER, _LINGER_MS)
        n_kept = _most_waiting(self._about)
        self._kept: deque[list[bytes]] = deque(maxlen=n_kept)
        self._socket.set(self._zmq.SNDHWM, 2 * n_kept)
        self._socket.set(
            self._zmq.XPUB_VERBOSE, 1
        )  # tells of every reader, not of the first alone
        self._is_finished = False
        self._end_frames: list[list[bytes]] = []
        try:
            self._socket.bind(address)
        except self._zmq.ZMQError as error:
            self.close()
            raise RecordingError(
                f"Cannot offer volumes at {address} ({reason_of(error)}); choose another port,"
                " or an address of this computer such as tcp://127.0.0.1:5555."
            ) from error

    @property
    def address(self) -> str:
        """Address with the port that was chosen, where it was left open (`tcp://127.0.0.1:*`)."""
        return str(self._socket.get_string(self._zmq.LAST_ENDPOINT))

    def wait_for_reader(self, timeout_s: float) -> bool:
        """Return whether somebody reads; waits for the first one.

        Parameters
        ----------
        timeout_s : float
            Longest wait, in s.
        """
        until_s = time.monotonic() + timeout_s
        while (left_s := until_s - time.monotonic()) > 0:
            if self._socket.poll(int(1000 * left_s) + 1) and self._heard() == b"\1" + TOPIC:
                return True
        return False

    def send(
        self,
        channels: Sequence[NDArray[np.unsignedinteger]] | NDArray[np.unsignedinteger],
        *,
        index: int | None = None,
        time_s: float | None = None,
        slice_times_s: Sequence[float] | None = None,
        missing_z: Sequence[int] = (),
    ) -> None:
        """Send one volume to everybody who reads.

        Parameters
        ----------
        channels : ndarray, shape (C, Z, Y, X), or sequence of ndarray, shape (Z, Y, X)
            Counts, in the order of the channels' names.
        index : int, optional
            Number of the volume as the microscope counts it; None: one after the last.
        time_s : float, optional
            Time of the first slice, in s from the start of the recording; None: measured from
            the first volume on.
        slice_times_s : sequence of float, optional
            Time of each slice.
        missing_z : sequence of int
            Slices without data.

        Raises
        ------
        ValueError
            If the volume is not as it was announced, or the recording is over.
        """
        if self._is_finished:
            raise ValueError("The recording is over; make a new sender for the next one.")
        self._check(channels)
        now_s = time.perf_counter()
        self._began_s = now_s if self._began_s is None else self._began_s
        index = self._next_index if index is None else index
        header = MessageHeader(
            version=VERSION,
            kind="volume",
            recording=self._recording,
            number=self._n_sent,
            index=index,
            time_s=now_s - self._began_s if time_s is None else time_s,
            slice_times_s=None if slice_times_s is None else tuple(slice_times_s),
            missing_z=tuple(missing_z),
            about=self._about,
        )
        self._answer()
        frames = pack(header, list(channels))
        self._socket.send_multipart(frames)
        self._kept.append([AGAIN, *frames[1:]])
        self._n_sent, self._next_index = self._n_sent + 1, index + 1

    def skip(self, n_volumes: int = 1) -> None:
        """Say that volumes are lost: the next one has an index that is so much higher."""
        self._next_index += n_volumes

    def finish(self) -> None:
        """Tell the readers that the recording is over; may be called twice."""
        if self._is_finished:
            return
        self._is_finished = True
        self._answer()
        header = MessageHeader(
            version=VERSION, kind="end", recording=self._recording, number=self._n_sent
        )
        frames = pack(header, ())
        self._socket.send_multipart(frames)
        self._end_frames = [[AGAIN, *frames[1:]]]

    def stay(self, timeout_s: float) -> None:
        """Answer readers that come back, for so many s; after `finish` nothing else does.

        Parameters
        ----------
        timeout_s : float
            How long.
        """
        until_s = time.monotonic() + timeout_s
        while (left_s := until_s - time.monotonic()) > 0:
            if self._socket.poll(int(1000 * left_s) + 1):
                self._heard()

    def close(self) -> None:
        """Finish, wait shortly for what is on its way, and release the address."""
        if self._socket.closed:
            return
        self.finish()
        self._socket.close()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _answer(self) -> None:
        """Send the last volumes once more if somebody has asked for them."""
        while self._socket.poll(0):
            self._heard()

    def _heard(self) -> bytes:
        """Return what a reader says; one that was away is sent what it may have missed."""
        said = bytes(self._socket.recv())
        if said == b"\1" + AGAIN:
            for frames in (*self._kept, *self._end_frames):
                self._socket.send_multipart(frames)
        return said

    def _check(
        self, channels: Sequence[NDArray[np.unsignedinteger]] | NDArray[np.unsignedinteger]
    ) -> None:
        n_channels = len(self._about.channel_names)
        if len(channels) != n_channels:
            raise ValueError(f"Expected {n_channels} channels, got {len(channels)}.")
        for counts in channels:
            if counts.shape != self._about.shape or counts.dtype != self._about.dtype:
                raise ValueError(
                    f"Expected {self._about.shape} {self._about.dtype}, got {counts.shape}"
                    f" {counts.dtype}."
                )


def _most_waiting(about: StreamHeader) -> int:
    lowest, highest = _WAITING
    n_bytes = about.n_channel_bytes * len(about.channel_names)
    return min(highest, max(lowest, _WAITING_BYTES // n_bytes))
