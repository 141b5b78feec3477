"""Walks the chunks of an ND2 file that is still growing.

The list of chunks is the last thing that is written, so a growing file can only be read by going
from one chunk header to the next. Every chunk starts on a boundary of 4096 bytes and tells its
own name and length; nothing else is relied on, because foreign chunks may stand between frames.
"""

import string
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_acll.core import RecordingError
from napari_acll.sources._growing_file import GrowingFile

ALIGNMENT = 4096
"""Every chunk starts on a multiple of so many bytes."""

FRAME_TIME = struct.Struct("<d")
"""What stands before the pixels of a frame: its time in ms."""

_MAGIC = 0x0ABECEDA
_JPEG2000_MAGIC = 0x0C000000
_HEADER = struct.Struct("<IIQ")
_HEAD_BYTES = 256  # header and the longest name
_FRAME_PREFIX = b"ImageDataSeq|"
_FRAME_NAME_BYTES = 4072
_MAP_PREFIX = b"ND2 FILEMAP SIGNATURE"
_END_MARK = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_END_BYTES = len(_END_MARK) + 8
_PRINTABLE = frozenset(string.printable.encode()) - frozenset(b"\t\n\r\x0b\x0c")
_LONGEST_NAME_BYTES = 16_384
_LARGEST_CHUNK = 2**31
_LARGEST_FRAME_DIGITS = 9
_TAIL_BYTES = 64

_STALLS_PER_SCAN = 16
_SCAN_BYTES = 2**20
_SCAN_REACH = 2**26


@dataclass(frozen=True, slots=True)
class TailChunk:
    """One complete chunk.

    Parameters
    ----------
    name : bytes
        With the `!` that ends it.
    offset, payload_offset : int
        Where its header and its payload start, in bytes.
    n_bytes : int
        Length of the payload.
    frame : int or None
        Number of the frame, if it is one.
    is_followed : bool
        Whether the next chunk has begun. Else that this one is complete was told by its last
        bytes, and a writer that writes out of order could still owe a part of it.
    """

    name: bytes
    offset: int
    payload_offset: int
    n_bytes: int
    frame: int | None
    is_followed: bool

    @property
    def end(self) -> int:
        """First byte after the payload."""
        return self.payload_offset + self.n_bytes

    @property
    def next_offset(self) -> int:
        """Where the next chunk starts."""
        return aligned(self.end)


def aligned(position: int) -> int:
    """Return the first boundary at which a chunk can start from here on."""
    return (position + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def parse_head(raw: bytes | bytearray, offset: int) -> TailChunk | None:
    """Return the chunk whose header these bytes are; None if they cannot be one.

    Lengths that no recording has are refused, so that damaged bytes cost neither memory nor time.
    """
    if len(raw) < _HEADER.size:
        return None
    magic, name_bytes, data_bytes = _HEADER.unpack_from(raw)
    if magic != _MAGIC or not 0 < name_bytes <= _LONGEST_NAME_BYTES:
        return None
    name, mark, _ = bytes(raw[_HEADER.size : _HEADER.size + name_bytes]).partition(b"!")
    if not mark or data_bytes > _LARGEST_CHUNK or not _PRINTABLE.issuperset(name):
        return None
    frame = None
    if name.startswith(_FRAME_PREFIX):
        digits = name[len(_FRAME_PREFIX) :]
        is_number = digits.isdigit() and len(digits) <= _LARGEST_FRAME_DIGITS
        if not is_number or name_bytes != _FRAME_NAME_BYTES or data_bytes <= FRAME_TIME.size:
            return None
        frame = int(digits)
    payload_offset = offset + _HEADER.size + name_bytes
    return TailChunk(name + mark, offset, payload_offset, data_bytes, frame, False)


class Nd2Tail:
    """The chunks of a growing ND2 file in their order, as they become complete.

    Bytes that are not a chunk are waited for, because they may be half written; if they stay and
    chunks follow on the grid, they are skipped and counted.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    n_resyncs : int
        How often bytes had to be skipped.
    n_skipped_bytes : int
        How many.
    is_finished : bool
        Whether the list of chunks was seen, which ends a recording.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = GrowingFile(path)
        self._position = 0
        self._end = 0  # of what was read; the file cannot become shorter than this
        self._frame_bytes: range | None = None
        self._n_stalls = 0
        self._scan_position = 0
        self.n_resyncs = 0
        self.n_skipped_bytes = 0
        self.is_finished = False

    @property
    def position(self) -> int:
        """Where the next chunk is expected, in bytes."""
        return self._position

    def size(self) -> int:
        """Return the size of the file in bytes."""
        return self._file.size()

    def expect_frames(self, n_bytes: range) -> None:
        """Take frames with a payload of another length as damaged from now on."""
        self._frame_bytes = n_bytes

    def next_chunk(self, *, is_over: bool = False) -> TailChunk | None:
        """Return the next chunk if it is complete.

        Parameters
        ----------
        is_over : bool
            Whether nothing more will be written: then a last chunk needs no proof that its bytes
            are those that were meant.

        Raises
        ------
        RecordingError
            If the file became shorter than what was read of it, or is no ND2 file.
        OSError
            If it cannot be read.
        """
        if self.is_finished:
            return None
        n_bytes = self._file.size()
        if n_bytes < self._end:
            raise RecordingError(
                f"{self._path} became shorter ({n_bytes} bytes) than what was read of it"
                f" ({self._end} bytes); what was read before is kept. Start again on the new"
                " recording."
            )
        chunk = self._chunk_at(self._position, n_bytes)
        if chunk is None:
            if self._position == 0:
                self._check_start()
        elif chunk.name.startswith(_MAP_PREFIX):
            self.is_finished = True
            return None
        elif (found := self._completed(chunk, n_bytes, is_over=is_over)) is not None:
            self._go_on_after(found)
            return found
        self._stall(n_bytes)
        return None

    def put_back(self, chunk: TailChunk) -> None:
        """Give a chunk again, because a part of it turned out not to be there yet."""
        self._position = chunk.offset

    def payload(self, chunk: TailChunk) -> bytes:
        """Return what a chunk holds.

        Raises
        ------
        RecordingError
            If the file became shorter.
        """
        raw = self._file.read(chunk.payload_offset, min(chunk.n_bytes, self._file.size()))
        if len(raw) < chunk.n_bytes:
            raise self._cut_off(chunk)
        return bytes(raw)

    def read_into(self, chunk: TailChunk, view: memoryview) -> None:
        """Fill `view` with the start of what a chunk holds.

        Raises
        ------
        RecordingError
            If the file became shorter.
        """
        if self._file.read_into(chunk.payload_offset, view) < len(view):
            raise self._cut_off(chunk)

    def has_end_mark(self) -> bool:
        """Return whether the file ends as a finished one does."""
        return self._file.read(max(0, self.size() - _END_BYTES), _END_BYTES).startswith(_END_MARK)

    def check_identity(self) -> None:
        """Raise if the file was deleted, moved or replaced.

        Raises
        ------
        RecordingError
            If so.
        """
        self._file.check_identity()

    def close(self) -> None:
        """Close the file; may be done twice."""
        self._file.close()

    def _cut_off(self, chunk: TailChunk) -> RecordingError:
        return RecordingError(
            f"{self._path} became shorter while {chunk.name.decode()} was read; what was read"
            " before is kept. Start again on the new recording."
        )

    def _check_start(self) -> None:
        start = self._file.read(0, 4)
        magic = int.from_bytes(start, "little")
        if len(start) < 4 or 0 in start or magic == _MAGIC:
            return  # not written yet
        if magic == _JPEG2000_MAGIC:
            raise RecordingError(
                f"{self._path} is an ND2 file of the old JPEG 2000 kind; record with a current"
                " version of NIS-Elements."
            )
        raise RecordingError(f"{self._path} is not an ND2 file; choose another recording.")

    def _chunk_at(self, offset: int, n_bytes: int) -> TailChunk | None:
        if offset + _HEADER.size > n_bytes:
            return None
        chunk = parse_head(self._file.read(offset, _HEAD_BYTES), offset)
        if chunk is None or chunk.frame is None or self._frame_bytes is None:
            return chunk
        return chunk if chunk.n_bytes in self._frame_bytes else None

    def _completed(self, chunk: TailChunk, n_bytes: int, *, is_over: bool) -> TailChunk | None:
        if chunk.end > n_bytes:
            return None
        following = self._file.read(chunk.next_offset, _HEADER.size)
        if len(following) == _HEADER.size and _HEADER.unpack(following)[0] == _MAGIC:
            return TailChunk(
                chunk.name, chunk.offset, chunk.payload_offset, chunk.n_bytes, chunk.frame, True
            )
        last = min(_TAIL_BYTES, chunk.n_bytes)
        if any(self._file.read(chunk.end - last, last)):  # space that is only reserved is zero
            return chunk
        return chunk if is_over and n_bytes <= chunk.next_offset else None

    def _go_on_after(self, chunk: TailChunk) -> None:
        self._position = chunk.next_offset
        self._end = max(self._end, chunk.end)
        self._n_stalls = 0
        self._scan_position = 0

    def _stall(self, n_bytes: int) -> None:
        self._n_stalls += 1
        if self._n_stalls % _STALLS_PER_SCAN == 0:
            self._scan(n_bytes)

    def _scan(self, n_bytes: int) -> None:
        """Look a part further on for a chunk; in the next call for one after that part."""
        start = max(self._scan_position, self._position + ALIGNMENT)
        stop = min(n_bytes, self._position + _SCAN_REACH)
        if start >= stop:
            self._scan_position = 0
            return
        raw = self._file.read(start, min(_SCAN_BYTES, stop - start))
        self._scan_position = start + _SCAN_BYTES
        words = np.frombuffer(raw, "<u4", len(raw) // 4)[:: ALIGNMENT // 4]
        for place in np.flatnonzero(words == _MAGIC):
            found = start + int(place) * ALIGNMENT
            if self._chunk_at(found, n_bytes) is not None:
                self.n_resyncs += 1
                self.n_skipped_bytes += found - self._position
                self._position = found
                self._scan_position = 0
                return
