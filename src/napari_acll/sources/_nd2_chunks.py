"""Finds and reads the chunks of a finished ND2 file without mapping it into memory.

A mapped file that another program shortens kills the process that reads it; a plain read
reports an error instead.
"""

import io
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError
from napari_acll.sources._errors import reason_of

_MAGIC = 0x0ABECEDA
_JPEG2000_MAGIC = 0x0C000000
_HEADER = struct.Struct("<IIQ")
_FOOTER = struct.Struct("<32sQ")
_ENTRY = struct.Struct("<QQ")
_TIME = struct.Struct("<d")
_MAP_SIGNATURE = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_FRAME_PREFIX = b"ImageDataSeq|"
_TIMES_NAME = b"CustomData|AcqTimesCache!"
_FRAME_NAME_BYTES = 4072
_READ_ERRORS = (ValueError, struct.error, OSError)
_PIXELS_AFTER = _HEADER.size + _FRAME_NAME_BYTES + _TIME.size


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """How the pixels of a frame lie in the file."""

    height: int
    width: int
    n_components: int
    row_bytes: int
    dtype: np.dtype[np.unsignedinteger]
    is_compressed: bool

    @property
    def n_bytes(self) -> int:
        """Bytes of an uncompressed frame."""
        return self.height * self.row_bytes

    @property
    def is_dense(self) -> bool:
        """Whether rows follow each other without a gap."""
        return self.row_bytes == self.width * self.n_components * self.dtype.itemsize

    def pixels(self, raw: bytes | memoryview) -> NDArray[np.unsignedinteger]:
        """Return raw bytes as a view, shape (Y, X, components), without the row padding."""
        rows = np.frombuffer(raw, np.uint8, self.n_bytes).reshape(self.height, self.row_bytes)
        used = rows[:, : self.width * self.n_components * self.dtype.itemsize]
        return used.view(self.dtype).reshape(self.height, self.width, self.n_components)


def is_finished_nd2(file: io.FileIO) -> bool:
    """Return whether an open file ends as a finished ND2 file does.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    n_bytes = file.seek(0, 2)
    if n_bytes < _FOOTER.size:
        return False
    file.seek(n_bytes - _FOOTER.size)
    return bool(file.read(len(_MAP_SIGNATURE)) == _MAP_SIGNATURE)


class Nd2Chunks:
    """The chunks of one ND2 file, open for reading.

    Parameters
    ----------
    path : Path
        A finished ND2 file.

    Attributes
    ----------
    frame_offsets : ndarray of int64, shape (n_frames,)
        Where each frame starts in the file; -1 where the file lacks it.

    Raises
    ------
    RecordingError
        If the file is missing, empty, foreign or unfinished.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frame = bytearray()  # kept: taking new memory for a frame costs as much as reading
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise RecordingError(
                f"Cannot read {path} ({error.strerror}); check the path and its permissions."
            ) from error
        try:
            self._n_bytes = self._file.seek(0, 2)
            self._check_start()
            self._others, self.frame_offsets = self._read_map()
        except (OSError, RecordingError):
            self._file.close()
            raise

    def frame_times_ms(self) -> NDArray[np.float64] | None:
        """Return the time of each frame in ms, or None if the file has no good list of them."""
        offset = self._others.get(_TIMES_NAME)
        if offset is None:
            return None
        try:
            payload = self._payload(offset)
        except _READ_ERRORS:
            return None
        return np.frombuffer(payload, "<f8", len(payload) // _TIME.size)

    def frame_time_ms(self, frame: int) -> float:
        """Return the time that stands at the head of a frame, in ms; NaN if it is damaged."""
        try:
            head = self._read(int(self.frame_offsets[frame]), _PIXELS_AFTER)
        except _READ_ERRORS:
            return math.nan
        (time_ms,) = _TIME.unpack_from(head, _PIXELS_AFTER - _TIME.size)
        return float(time_ms)

    def check_frame_size(self, layout: PixelFormat) -> None:
        """Raise if the first frame is not as long as the metadata say.

        Raises
        ------
        RecordingError
            If so: the metadata are not to be believed.
        """
        present = self.frame_offsets[self.frame_offsets >= 0]
        if layout.is_compressed or not len(present):
            return
        try:
            head = self._read(int(present[0]), _HEADER.size)
            _, _, data_bytes = _HEADER.unpack(head)
        except _READ_ERRORS as error:
            raise RecordingError(
                f"The first frame of {self._path} is damaged ({reason_of(error)}); copy the"
                " file again."
            ) from error
        if data_bytes < layout.n_bytes + _TIME.size:
            raise RecordingError(
                f"The frames of {self._path} have {data_bytes - _TIME.size} bytes, but its"
                f" metadata say {layout.n_bytes}; the file is damaged: copy it again."
            )

    def read_frame_into(
        self, frame: int, layout: PixelFormat, pixels: NDArray[np.unsignedinteger]
    ) -> None:
        """Fill an array with the pixels of a frame.

        Parameters
        ----------
        frame : int
            Its number.
        layout : PixelFormat
            How they lie in the file.
        pixels : ndarray, shape (Y, X, components)
            Of their type; in one piece.

        Raises
        ------
        RecordingError
            If the frame is damaged.
        """
        offset = int(self.frame_offsets[frame])
        try:
            if layout.is_compressed:
                raw = zlib.decompress(self._payload(offset)[_TIME.size :])
                pixels[...] = layout.pixels(raw)
            elif layout.is_dense:
                self._check_header(self._read(offset, _HEADER.size))
                self._fill(pixels.data.cast("B"), offset + _PIXELS_AFTER)
            else:
                pixels[...] = self._padded_pixels(offset, layout)
        except (*_READ_ERRORS, zlib.error) as error:
            raise RecordingError(
                f"Frame {frame} of {self._path} is damaged ({reason_of(error)}); copy the file"
                " again from the microscope, or use the volumes before it."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check_start(self) -> None:
        if self._n_bytes == 0:
            raise RecordingError(f"{self._path} is empty; copy it again from the microscope.")
        start = self._read(0, _HEADER.size) if self._n_bytes >= _HEADER.size else b""
        magic = _HEADER.unpack(start)[0] if start else 0
        if magic == _JPEG2000_MAGIC:
            raise RecordingError(
                f"{self._path} is an ND2 file of the old JPEG 2000 kind; save it again with a"
                " current version of NIS-Elements."
            )
        if magic != _MAGIC:
            raise RecordingError(f"{self._path} is not an ND2 file; choose another recording.")

    def _read_map(self) -> tuple[dict[bytes, int], NDArray[np.int64]]:
        try:
            footer = self._read(self._n_bytes - _FOOTER.size, _FOOTER.size)
            signature, position = _FOOTER.unpack(footer)
            if signature != _MAP_SIGNATURE:
                raise ValueError("its last bytes are not the end of a map")
            return self._parse_map(self._payload(position))
        except _READ_ERRORS as error:
            raise RecordingError(
                f"{self._path} is truncated or still being recorded (the map at its end is"
                " missing or damaged); wait until the recording has finished, or copy the file"
                " again."
            ) from error

    def _parse_map(self, entries: bytes) -> tuple[dict[bytes, int], NDArray[np.int64]]:
        frames: dict[int, int] = {}
        others: dict[bytes, int] = {}
        position = 0
        while True:
            end = entries.index(b"!", position) + 1
            name = entries[position:end]
            if name == _MAP_SIGNATURE:
                break
            offset, length = _ENTRY.unpack_from(entries, end)
            position = end + _ENTRY.size
            if not name.startswith(_FRAME_PREFIX):
                others[name] = offset
            elif offset + length <= self._n_bytes or length == offset:
                # some maps repeat the offset where the length belongs
                frames[int(name[len(_FRAME_PREFIX) : -1])] = offset
        offsets = np.full(max(frames, default=-1) + 1, -1, np.int64)
        offsets[list(frames.keys())] = list(frames.values())
        return others, offsets

    def _padded_pixels(self, offset: int, layout: PixelFormat) -> NDArray[np.unsignedinteger]:
        n_bytes = _PIXELS_AFTER + layout.n_bytes
        if len(self._frame) != n_bytes:
            self._frame = bytearray(n_bytes)
        self._fill(memoryview(self._frame), offset)
        self._check_header(self._frame)
        return layout.pixels(memoryview(self._frame)[_PIXELS_AFTER:])

    def _payload(self, offset: int) -> bytes:
        magic, name_bytes, data_bytes = _HEADER.unpack(self._read(offset, _HEADER.size))
        if magic != _MAGIC:
            raise ValueError(f"no chunk starts at byte {offset}")
        return bytes(self._read(offset + _HEADER.size + name_bytes, data_bytes))

    def _check_header(self, raw: bytearray) -> None:
        magic, name_bytes, _ = _HEADER.unpack_from(raw)
        if magic != _MAGIC or name_bytes != _FRAME_NAME_BYTES:
            raise ValueError("it has no valid header")

    def _read(self, offset: int, n_bytes: int) -> bytearray:
        if n_bytes > self._n_bytes:  # before memory is taken for it
            raise ValueError(f"{n_bytes} bytes at {offset} reach over the end of the file")
        raw = bytearray(n_bytes)
        self._fill(memoryview(raw), offset)
        return raw

    def _fill(self, view: memoryview, offset: int) -> None:
        n_bytes = len(view)
        if offset < 0 or n_bytes > self._n_bytes - offset:
            raise ValueError(f"{n_bytes} bytes at {offset} reach over the end of the file")
        self._file.seek(offset)
        filled = 0
        while filled < n_bytes:
            step = self._file.readinto(view[filled:])
            if not step:
                raise ValueError("the file became shorter while it was read")
            filled += step
