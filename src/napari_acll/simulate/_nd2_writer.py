"""Writes ND2 files frame by frame, laid out as the microscope's software lays them out."""

import math
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError
from napari_acll.simulate._nd2_lv import LvValue, encode_record
from napari_acll.simulate._nd2_metadata import Nd2Channel, Nd2Header, text_info

_ALIGNMENT = 4096
_MAGIC = 0x0ABECEDA
_HEADER = struct.Struct("<IIQ")
_FRAME_NAME_BYTES = _ALIGNMENT - _HEADER.size - 8  # so that the pixels start on a boundary
_NAME_RESERVE = 20
_TIME = struct.Struct("<d")
_FILE_SIGNATURE = b"ND2 FILE SIGNATURE CHUNK NAME01!"
_FILE_VERSION = b"Ver3.0"
_FILE_VERSION_BYTES = 64
_MAP_NAME = b"ND2 FILEMAP SIGNATURE NAME 0001!"
_MAP_SIGNATURE = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_SECOND_TIMES_UNUSED = 0.0

BLOCK_HEAD_BYTES = _ALIGNMENT
"""Where the pixels begin in what is written of a frame."""


class Nd2Writer:
    """A growing ND2 file; it becomes readable by other programs when it is closed.

    As in a real recording, the map of the file is written last: until then only a reader that
    walks the chunks can read it. Leaving the `with` block through an error leaves the file
    unfinished, as a crash of the microscope would.

    Parameters
    ----------
    path : Path
        File to write.
    frame_shape : tuple of int
        `(Y, X)` pixels.
    channels : sequence of Nd2Channel
        One per component.
    loops : mapping of str to int
        `{"T": n, "Z": m}` in nesting order, outermost first; a plan, which fewer frames may
        fall short of.
    dtype : dtype
        uint8 or uint16.
    significant_bits : int, optional
        Bits that the camera fills; None: all of `dtype`.
    voxel_size_um : tuple of float
        `(Z, Y, X)`.
    period_s : float
        Time from one volume to the next.
    is_equidistant : bool
        False writes the time loop as a `NETimeLoop`.
    start_julian_day : float
        Absolute time of time 0; 0 says unknown.
    is_compressed : bool
        Whether frames are packed with zlib.

    Raises
    ------
    RecordingError
        If the file exists or cannot be created.
    ValueError
        If dtype, loops or channels are not what an ND2 file can hold.
    """

    def __init__(
        self,
        path: Path,
        *,
        frame_shape: tuple[int, int],
        channels: Sequence[Nd2Channel],
        loops: Mapping[str, int],
        dtype: np.dtype[np.unsignedinteger] | type[np.unsignedinteger] = np.uint16,
        significant_bits: int | None = None,
        voxel_size_um: tuple[float, float, float] = (1.0, 1.0, 1.0),
        period_s: float = 0.0,
        is_equidistant: bool = True,
        start_julian_day: float = 0.0,
        is_compressed: bool = False,
    ) -> None:
        self._dtype: np.dtype[np.unsignedinteger] = np.dtype(dtype)
        _check(self._dtype, loops, channels)
        bits = self._dtype.itemsize * 8
        self._head = Nd2Header(
            frame_shape=frame_shape,
            channels=tuple(channels),
            loops=dict(loops),
            bits=bits,
            significant_bits=bits if significant_bits is None else significant_bits,
            voxel_size_um=voxel_size_um,
            period_s=period_s,
            is_equidistant=is_equidistant,
            start_julian_day=start_julian_day,
            is_compressed=is_compressed,
        )
        self._times_ms: list[float] = []
        self._map: list[tuple[bytes, int, int]] = []
        self._rows = np.zeros((frame_shape[0], self._head.row_bytes), np.uint8)
        self._position = 0
        self._file = _create(path)
        self._write_head()

    @property
    def n_frames(self) -> int:
        """Frames written or left out so far."""
        return len(self._times_ms)

    def append_frame(self, frame: NDArray[np.unsignedinteger], time_s: float) -> None:
        """Write the next frame: one slice of all channels.

        Parameters
        ----------
        frame : ndarray of the file's dtype, shape (C, Y, X)
            The pixels.
        time_s : float
            When it was taken, in s from the start of the recording.

        Raises
        ------
        ValueError
            If shape or dtype differ from those of the file.
        """
        expected = (len(self._head.channels), *self._head.frame_shape)
        if frame.shape != expected or frame.dtype != self._dtype:
            raise ValueError(
                f"Expected a frame of {expected} {self._dtype}, got {frame.shape} {frame.dtype}."
            )
        height, width = self._head.frame_shape
        used = self._rows[:, : width * expected[0] * self._dtype.itemsize]
        used.view(self._dtype).reshape(height, width, expected[0])[...] = np.moveaxis(frame, 0, 2)
        pixels = self._rows.tobytes()
        if self._head.is_compressed:
            pixels = zlib.compress(pixels)
        name = b"ImageDataSeq|%d!" % self.n_frames
        payload = struct.pack("<d", time_s * 1000.0) + pixels
        self._write_chunk(name, payload, name_bytes=_FRAME_NAME_BYTES)
        self._file.flush()
        self._times_ms.append(time_s * 1000.0)

    @property
    def position(self) -> int:
        """Where the next frame will start, in bytes; its pixels start `BLOCK_HEAD_BYTES` later."""
        return self._position

    def new_block(self) -> bytearray:
        """Return memory for one frame as it stands in the file, its pixels yet to be filled in.

        They belong at `BLOCK_HEAD_BYTES`: rows of all channels, padded to four bytes.
        """
        n_bytes = self._head.frame_shape[0] * self._head.row_bytes
        block = bytearray(_aligned(BLOCK_HEAD_BYTES + n_bytes))
        _HEADER.pack_into(block, 0, _MAGIC, _FRAME_NAME_BYTES, _TIME.size + n_bytes)
        return block

    def append_block(
        self, block: bytearray, time_s: float, *, halfway: Callable[[], None] | None = None
    ) -> None:
        """Write the next frame from memory of `new_block`, without a copy.

        Parameters
        ----------
        block : bytearray
            With pixels; not compressed, whatever the file says.
        time_s : float
            When it was taken, in s from the start of the recording.
        halfway : callable, optional
            Called when half of it is written.
        """
        name = b"ImageDataSeq|%d!" % self.n_frames
        end = _HEADER.size + _FRAME_NAME_BYTES
        block[_HEADER.size : end] = name.ljust(_FRAME_NAME_BYTES, b"\0")
        _TIME.pack_into(block, end, time_s * 1000.0)
        n_bytes = self._head.frame_shape[0] * self._head.row_bytes
        self._map.append((name, self._position, _TIME.size + n_bytes))
        self._write_through(block, halfway)
        self._times_ms.append(time_s * 1000.0)

    def append_damage(self, block: bytearray) -> None:
        """Write a frame whose head is damaged; the file counts it but does not list it."""
        damaged = bytearray(block)
        damaged[:BLOCK_HEAD_BYTES] = b"\xa5" * BLOCK_HEAD_BYTES
        self._write_through(damaged, None)
        self._times_ms.append(math.nan)

    def _write_through(self, block: bytearray, halfway: Callable[[], None] | None) -> None:
        middle = 0 if halfway is None else len(block) // 2
        with memoryview(block) as view:
            if halfway is not None:
                self._file.write(view[:middle])
                self._file.flush()
                halfway()
            self._file.write(view[middle:])
            self._file.flush()
        self._position += len(block)

    def skip_frames(self, n_frames: int) -> None:
        """Leave out the next frames: the file counts them but does not hold them."""
        self._times_ms.extend([math.nan] * n_frames)

    def close(self) -> None:
        """Write what stands after the frames, the map of the file last."""
        if self._file.closed:
            return
        try:
            self._write_tail()
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Close the file without finishing it, as a crash would leave it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _write_head(self) -> None:
        version = _FILE_VERSION.ljust(_FILE_VERSION_BYTES, b"\0")
        self._write_chunk(_FILE_SIGNATURE, version, name_bytes=len(_FILE_SIGNATURE))
        if self._head.loops:
            self._write_metadata(b"ImageMetadataLV!", self._head.experiment())
        self._write_metadata(b"ImageMetadataSeqLV|0!", self._head.picture())
        self._file.flush()

    def _write_tail(self) -> None:
        self._write_metadata(b"ImageTextInfoLV!", text_info(self._head))
        times_ms = np.asarray(self._times_ms, "<f8")
        self._write_padded(b"CustomData|AcqTimesCache!", times_ms.tobytes())
        second = np.full(self.n_frames, _SECOND_TIMES_UNUSED, "<f8")
        self._write_padded(b"CustomData|AcqTimes2Cache!", second.tobytes())
        numbers = np.arange(self.n_frames, dtype="<i4")
        self._write_padded(b"CustomData|AcqFramesCache!", numbers.tobytes())
        self._write_metadata(b"ImageAttributesLV!", self._head.attributes(self.n_frames))
        self._write_map()

    def _write_metadata(self, name: bytes, value: Mapping[str, LvValue]) -> None:
        ((root, content),) = value.items()
        self._write_padded(name, encode_record(root, content))

    def _write_padded(self, name: bytes, payload: bytes) -> None:
        """Write a chunk whose name is padded so that the payload ends on a boundary."""
        least = _HEADER.size + len(name) + _NAME_RESERVE + len(payload)
        self._write_chunk(name, payload, name_bytes=_aligned(least) - _HEADER.size - len(payload))

    def _write_chunk(self, name: bytes, payload: bytes, *, name_bytes: int) -> None:
        start = self._position
        self._file.write(_HEADER.pack(_MAGIC, name_bytes, len(payload)))
        self._file.write(name.ljust(name_bytes, b"\0"))
        self._file.write(payload)
        end = start + _HEADER.size + name_bytes + len(payload)
        self._file.write(bytes(_aligned(end) - end))
        self._position = _aligned(end)
        if name != _FILE_SIGNATURE:
            self._map.append((name, start, len(payload)))

    def _write_map(self) -> None:
        start = self._position
        entries = b"".join(
            name + struct.pack("<QQ", offset, length) for name, offset, length in self._map
        )
        footer = _MAP_SIGNATURE + struct.pack("<Q", start)
        content = entries + footer
        least = _HEADER.size + len(_MAP_NAME) + _NAME_RESERVE + len(content) + len(footer)
        name_bytes = len(_MAP_NAME) + _NAME_RESERVE
        filler = bytes(_aligned(least) - least)
        payload = content + filler + footer
        self._file.write(_HEADER.pack(_MAGIC, name_bytes, len(payload)))
        self._file.write(_MAP_NAME.ljust(name_bytes, b"\0"))
        self._file.write(payload)


def _aligned(position: int) -> int:
    return (position + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT


def _create(path: Path) -> BinaryIO:
    try:
        return path.open("xb")
    except FileExistsError as error:
        raise RecordingError(f"{path} exists already; choose another name.") from error
    except OSError as error:
        raise RecordingError(
            f"Cannot create {path} ({error.strerror}); choose a folder that can be written."
        ) from error


def _check(
    dtype: np.dtype[np.unsignedinteger], loops: Mapping[str, int], channels: Sequence[Nd2Channel]
) -> None:
    if dtype not in (np.uint8, np.uint16):
        raise ValueError(f"ND2 files of this writer hold uint8 or uint16, got {dtype}.")
    if not set(loops) <= {"T", "Z"} or any(count < 1 for count in loops.values()):
        raise ValueError(f"Loops are T and Z with counts of at least 1, got {dict(loops)}.")
    if not channels:
        raise ValueError("An ND2 file needs at least one channel.")
