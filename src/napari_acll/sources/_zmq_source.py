"""Volumes from another computer, through ZeroMQ."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from napari_acll.core import RecordingError, SourceSettings, Volume, VolumeSpec
from napari_acll.core import VolumeArray as Counts
from napari_acll.sources._channels import ChannelChoice
from napari_acll.sources._errors import reason_of
from napari_acll.sources._stream_header import StreamHeader, complete_slice_times
from napari_acll.sources._stream_source import StreamSource
from napari_acll.sources._zmq_message import (
    AGAIN,
    TOPIC,
    MalformedMessageError,
    MessageHeader,
    load_zmq,
    unpack,
)

_SCHEME = "tcp://"
_ADDRESS = re.compile(_SCHEME + r"[^:/\s]+:(\d{1,9})")
_HIGHEST_PORT = 65535
_MOST_WAITING = 4
_MOST_BYTES = 1 << 31
_RECONNECT_MS = 50
_Message = tuple[MessageHeader, Sequence[bytes]]


class ZmqSource(StreamSource):
    """The volumes that a `VolumeSender` offers, on this or another computer.

    The sender may come before or after the source, go and come back: what was sent meanwhile is
    missing, nothing else. With `live.takes_existing`, as `acll resume` has it, the last volumes
    that were sent before come, too, as far as the sender keeps them. A few volumes wait if they
    come faster than they are read; then some are dropped, and counted.

    Parameters
    ----------
    address : str
        `tcp://HOST:PORT` of the sender.
    settings : SourceSettings
        Channels, sizes that the sender does not give, and how to wait (`live`).

    Raises
    ------
    RecordingError
        If the address is not valid, or pyzmq is not installed.
    """

    def __init__(self, address: str, settings: SourceSettings) -> None:
        _require_address(address)
        super().__init__(address, settings)
        self._zmq: Any = load_zmq()
        self._context = self._zmq.Context()
        self._socket = self._context.socket(self._zmq.SUB)
        self._socket.set(self._zmq.LINGER, 0)
        self._socket.set(self._zmq.RCVHWM, _MOST_WAITING)
        self._socket.set(self._zmq.MAXMSGSIZE, _MOST_BYTES)
        self._socket.set(self._zmq.RECONNECT_IVL, _RECONNECT_MS)
        if settings.live.takes_existing:
            self._socket.subscribe(AGAIN)  # first: what is sent between the two is missing
        self._socket.subscribe(TOPIC)
        self._first: _Message | None = None
        self._about: StreamHeader | None = None
        self._choice: ChannelChoice | None = None
        self._recording = ""
        self._expected_number: int | None = None
        self._has_ended = False
        self._n_dropped = self._n_malformed = self._n_messages = 0
        try:
            self._socket.connect(address)
        except self._zmq.ZMQError as error:
            self.close()
            raise _no_address(address, reason_of(error)) from error

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this is no address of a sender, empty if it is one."""
        return "" if recording.startswith(_SCHEME) else f"it does not begin with {_SCHEME}"

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Return the source of an address; it waits for nothing.

        Raises
        ------
        RecordingError
            See the class.
        """
        return cls(recording, settings)

    @property
    def n_dropped(self) -> int:
        """Volumes that were sent and did not come: *skipped*, not lost."""
        return self._n_dropped

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording, as JSON values."""
        return {
            "kind": "network stream",
            "path": self._address,
            "recording": self._recording_id(),
        }

    def _recording_id(self) -> str:
        if self._first is not None:  # held back: it told the geometry
            return self._first[0].recording
        return self._recording

    def _counts(self) -> dict[str, int]:
        return {
            **super()._counts(),
            "Volumes that were sent and did not come": self._n_dropped,
            "Messages that could not be read": self._n_malformed,
        }

    def _look(self) -> VolumeSpec | None:
        while (message := self._receive()) is not None:
            header, _ = message
            if header.kind == "volume" and header.about is not None:
                self._first, self._about = message, header.about
                self._choice = self._about.choose(self._settings, recording=self._address)
                self._note(self._choice.note)
                return self._about.spec(self._settings, self._choice, self._notes)
        return None

    def _take(self) -> Volume | None:
        while not self._has_ended:
            message, self._first = self._first or self._receive(), None
            if message is None:
                return None
            volume = self._volume_of(message)
            if volume is not None:
                return volume
        return None

    def _volume_of(self, message: _Message) -> Volume | None:
        header, frames = message
        if header.kind == "end" or header.about is None:
            self._end_by(header)
            return None
        if header.recording != self._recording:
            self._begin(header)
        is_known = self._expected_number is not None and header.number < self._expected_number
        if self._has_ended or is_known:
            return None
        self._require_same_geometry(header.about)
        self._count_dropped(header.number)
        return self._make_volume(header, frames)

    def _end_by(self, header: MessageHeader) -> None:
        """Take an end for an end if it is that of the recording which is read."""
        if header.recording == self._recording:
            self._count_dropped(header.number)
            self._has_ended = True

    def _begin(self, header: MessageHeader) -> None:
        """Go over to another sender if the recording goes on with it."""
        if self._last_index is None:
            self._recording, self._expected_number = header.recording, None
        elif header.about == self._about and header.index > self._last_index:
            self._recording, self._expected_number = header.recording, None
            self._note("The sender was started again during the recording.")
        else:
            self._has_ended = True
            self._note(f"Another recording began at {self._address}, so this one is over.")

    def _require_same_geometry(self, about: StreamHeader) -> None:
        if about != self._about:
            raise RecordingError(
                f"The sender at {self._address} was started again with other volumes before the"
                " first one came; open the recording again."
            )

    def _count_dropped(self, number: int) -> None:
        if self._expected_number is not None:
            n_dropped = max(0, number - self._expected_number)
            self._n_dropped += n_dropped
            if n_dropped:
                self._note(
                    "Not all volumes that are sent come: the network or this computer is too slow;"
                    " bin them before they are sent."
                )
        self._expected_number = number + 1

    def _make_volume(self, header: MessageHeader, frames: Sequence[bytes]) -> Volume | None:
        if self._spec is None or self._choice is None or self._about is None:
            return None
        seen_s = time.perf_counter()
        times_s = np.full(self._about.shape[0], np.nan)
        if header.slice_times_s is not None:
            times_s[:] = header.slice_times_s
        times_s = complete_slice_times(times_s, header.time_s, self._spec.period_s)
        return Volume(
            index=header.index,
            timestamp_s=float(times_s[0]),
            marker=_counts(frames[2 + self._choice.marker], self._about),
            activity=_counts(frames[2 + self._choice.activity], self._about),
            spec=self._spec,
            slice_times_s=times_s,
            missing_z=header.missing_z,
            seen_s=seen_s,
        )

    def _receive(self) -> _Message | None:
        """Return the next message of ours that is there."""
        while not self._socket.closed and self._socket.poll(0):
            frames = self._socket.recv_multipart()
            self._n_messages += 1
            try:
                return unpack(frames, address=self._address), frames
            except MalformedMessageError:
                self._n_malformed += 1
                self._note("A message could not be read and is left out.")
        return None

    def _is_over(self) -> bool:
        return self._has_ended

    def _pulse(self) -> object:
        return self._n_messages

    def _release(self) -> None:
        self._first = None
        self._socket.close()
        self._context.term()


def _require_address(address: str) -> None:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise _no_address(address, "it lacks a host or a port")
    if not 0 < int(match[1]) <= _HIGHEST_PORT:
        raise _no_address(address, f"ports go from 1 to {_HIGHEST_PORT}")


def _no_address(address: str, reason: str) -> RecordingError:
    return RecordingError(
        f"{address} is no address of a sender ({reason}); tcp://HOST:PORT is expected, such as"
        " tcp://192.168.1.7:5555."
    )


def _counts(frame: bytes, about: StreamHeader) -> Counts:
    counts: Counts = np.frombuffer(frame, about.dtype).reshape(about.shape).copy()
    return counts
