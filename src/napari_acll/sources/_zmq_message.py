"""What goes over the network between a sender of volumes and a source, and how it is checked.

A message has the frames

1. `ACLL`, which is what readers subscribe to, or `AGAIN` before a volume that is sent once more
   to those who subscribed to that,
2. a `MessageHeader` as JSON,
3. of a volume: one frame per channel, its counts `(Z, Y, X)` in C order, little-endian.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_acll.core import RecordingError
from napari_acll.sources._stream_header import StreamHeader

TOPIC = b"ACLL"
AGAIN = b"AGAIN"
"""Whoever subscribes to this, too, is sent the last volumes once more."""
VERSION = 1

_Count = Annotated[int, Field(ge=0)]


class MessageHeader(BaseModel):
    """The header of one message; keys that a reader does not know are ignored.

    `recording` is random for each recording, `number` counts the volumes that were sent in it and
    `index` is the microscope's own number. Every volume carries all about the stream, so that a
    reader may come at any time.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int
    kind: Literal["volume", "end"]
    recording: str
    number: _Count
    """Of an end: how many volumes were sent."""
    index: _Count = 0
    time_s: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    slice_times_s: tuple[float, ...] | None = None
    missing_z: tuple[_Count, ...] = ()
    about: StreamHeader | None = None


class MalformedMessageError(ValueError):
    """A message that is none of ours."""


def load_zmq() -> ModuleType:
    """Return pyzmq.

    Raises
    ------
    RecordingError
        If it is not installed; says how to install it.
    """
    try:
        import zmq
    except ImportError as error:
        raise RecordingError(
            "Volumes from another computer need pyzmq; install it with"
            ' pip install "napari-acll[zmq]".'
        ) from error
    return zmq


def pack(header: MessageHeader, channels: Sequence[NDArray[np.unsignedinteger]]) -> list[bytes]:
    """Return the frames of a message."""
    text = header.model_dump_json(exclude_defaults=True).encode()
    return [TOPIC, text, *(np.ascontiguousarray(counts).tobytes() for counts in channels)]


def unpack(frames: Sequence[bytes], *, address: str) -> MessageHeader:
    """Return the header of a message whose frames fit it.

    Parameters
    ----------
    frames : sequence of bytes-like
        As received.
    address : str
        Stands in errors.

    Raises
    ------
    MalformedMessageError
        If it is none of our messages, or damaged.
    RecordingError
        If it is one of another version.
    """
    if len(frames) < 2 or bytes(frames[0]) not in (TOPIC, AGAIN):
        raise MalformedMessageError("no message of ours")
    try:
        header = MessageHeader.model_validate_json(bytes(frames[1]))
    except ValidationError as error:
        raise _other_version(frames[1], address) or MalformedMessageError(str(error)) from error
    if header.version != VERSION:
        raise _of_version(header.version, address)
    if header.kind == "volume":
        _check_volume(header, [len(frame) for frame in frames[2:]])
    return header


def _check_volume(header: MessageHeader, n_bytes: Sequence[int]) -> None:
    about = header.about
    if about is None:
        raise MalformedMessageError("a volume without geometry")
    if list(n_bytes) != [about.n_channel_bytes] * len(about.channel_names):
        raise MalformedMessageError(f"frames of {n_bytes} bytes")
    n_z = about.shape[0]
    if header.slice_times_s is not None and len(header.slice_times_s) != n_z:
        raise MalformedMessageError(f"{len(header.slice_times_s)} slice times")
    if any(z >= n_z for z in header.missing_z):
        raise MalformedMessageError(f"missing slices {header.missing_z}")


class _Versioned(BaseModel):
    version: int


def _other_version(text: bytes, address: str) -> RecordingError | None:
    """Return the error of a header that only a later version could read."""
    try:
        version = _Versioned.model_validate_json(bytes(text)).version
    except ValidationError:
        return None
    return None if version == VERSION else _of_version(version, address)


def _of_version(version: int, address: str) -> RecordingError:
    return RecordingError(
        f"The sender at {address} uses version {version} of the messages and this is version"
        f" {VERSION}; install the same version of napari-acll on both computers."
    )
