"""The frames of a growing ND2 file, once its head and its first frame are there."""

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources._channels import choose_channels, require_two_channels
from napari_acll.sources._frame_order import TimedFrame
from napari_acll.sources._nd2_chunks import PixelFormat
from napari_acll.sources._nd2_head import (
    ATTRIBUTES,
    HEAD_CHUNKS,
    FrameSize,
    Nd2Head,
    fitting_pixels,
    read_head,
    told_size,
)
from napari_acll.sources._nd2_info import Nd2Info, read_nd2_info
from napari_acll.sources._nd2_layout import FrameLayout, plan_layout
from napari_acll.sources._nd2_rig import remember_size, remembered_sizes
from napari_acll.sources._nd2_tail import ALIGNMENT, FRAME_TIME, Nd2Tail, TailChunk

_S_PER_MS = 1e-3
_LARGEST_HEAD_CHUNK = 2**24
_LARGEST_FRAME = 2**28
_ZLIB_MARK = 0x78


class Nd2Follower:
    """Head and frames of one growing ND2 file; waits for nothing.

    Parameters
    ----------
    path : Path
        The file.
    settings : SourceSettings
        Channels, slices, and the size of a frame where the file does not tell it.

    Attributes
    ----------
    has_begun : bool
        Whether the first frame is there; then there is the rest, too.
    info : Nd2Info
        What the head tells.
    pixels : PixelFormat
        How a frame lies in the file.
    layout : FrameLayout
        Which frames make up which volume.
    marker, activity : int
        Numbers of the two channels.
    notes : list of str
        What the user should know.
    skim_before : int
        Of frames before this number only the time is read at first.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    info: Nd2Info
    pixels: PixelFormat
    layout: FrameLayout
    marker: int
    activity: int

    def __init__(self, path: Path, settings: SourceSettings) -> None:
        self._path = path
        self._settings = settings
        self._head: dict[bytes, bytes] = {}
        self._buffer = bytearray()
        self._buffered_offset = -1
        self.notes: list[str] = []
        self._measured: Nd2Head | None = None
        self.has_begun = False
        self.skim_before = 0
        self.tail = Nd2Tail(path)

    def begin(self) -> bool:
        """Read on to the first frame; return whether it is there and could be understood.

        Raises
        ------
        RecordingError
            If the file is no ND2 file, its head cannot be understood, it is not a two-channel
            series of volumes, or its frames have another size than it should have.
        """
        while (chunk := self.tail.next_chunk()) is not None:
            if chunk.frame is not None:
                self._understand(chunk)
                self.tail.put_back(chunk)
                self.has_begun = True
                return True
            if chunk.name in HEAD_CHUNKS and chunk.n_bytes <= _LARGEST_HEAD_CHUNK:
                self._head[chunk.name] = self.tail.payload(chunk)
        if self.tail.is_finished:
            raise RecordingError(f"{self._path} holds no frames; choose another recording.")
        return False

    def next_frame(self, *, is_over: bool = False) -> TimedFrame | None:
        """Return the next frame that is complete, None if it is not there yet.

        Parameters
        ----------
        is_over : bool
            Whether nothing more will be written.

        Raises
        ------
        RecordingError
            If the file became shorter.
        """
        while (chunk := self.tail.next_chunk(is_over=is_over)) is not None:
            if chunk.frame is None:
                if chunk.name == ATTRIBUTES and chunk.n_bytes <= _LARGEST_HEAD_CHUNK:
                    self._confirm(self.tail.payload(chunk))
                continue
            if chunk.is_followed and chunk.frame < self.skim_before:
                return TimedFrame(chunk, chunk.frame, self._read_time(chunk))
            time_s = self._read(chunk)
            if not chunk.is_followed and self._has_hole():
                self.tail.put_back(chunk)
                return None
            return TimedFrame(chunk, chunk.frame, time_s)
        return None

    def read_pixels(self, frame: TimedFrame) -> NDArray[np.unsignedinteger] | None:
        """Return the pixels, shape (Y, X, components); None if they are damaged.

        The next call overwrites them.

        Raises
        ------
        RecordingError
            If the file became shorter.
        """
        if self._buffered_offset != frame.chunk.offset:
            self._read(frame.chunk)
        raw = memoryview(self._buffer)[FRAME_TIME.size : frame.chunk.n_bytes]
        if not self.pixels.is_compressed:
            return self.pixels.pixels(raw)
        unpacked = _unpacked(raw, self.pixels.n_bytes)
        return None if len(unpacked) < self.pixels.n_bytes else self.pixels.pixels(unpacked)

    def close(self) -> None:
        """Close the file."""
        self.tail.close()

    def _confirm(self, attributes: bytes) -> None:
        """Compare the size that was used with the one that the file tells at its end."""
        size, used = told_size(attributes), self.pixels
        if size is None or self._measured is None:
            return
        remember_size(self._measured, size)
        if (size.height, size.width) != (used.height, used.width):
            self.notes.append(
                f"Frames were read as {used.height} rows and {used.width} columns, but at its end"
                f" the file tells {size.height} and {size.width}: the volumes are WRONG. Replay"
                " the file; the right size is used from now on."
            )

    def _read(self, chunk: TailChunk) -> float:
        if len(self._buffer) < chunk.n_bytes:
            self._buffer = bytearray(chunk.n_bytes)
        self._buffered_offset = -1
        self.tail.read_into(chunk, memoryview(self._buffer)[: chunk.n_bytes])
        self._buffered_offset = chunk.offset
        return _time_s(self._buffer)

    def _read_time(self, chunk: TailChunk) -> float:
        raw = bytearray(FRAME_TIME.size)
        self.tail.read_into(chunk, memoryview(raw))
        return _time_s(raw)

    def _has_hole(self) -> bool:
        """Return whether a whole page of the frame is zero, which no camera makes.

        Space that is only reserved reads as zero, and a frame may be written in any order.
        """
        n_bytes = 0 if self.pixels.is_compressed else self.pixels.n_bytes
        n_pages = n_bytes // ALIGNMENT
        raw = np.frombuffer(self._buffer, np.uint8, n_pages * ALIGNMENT, FRAME_TIME.size)
        pages = raw.reshape(n_pages, ALIGNMENT)
        dark = pages[~pages[:, : FRAME_TIME.size].any(axis=1)]
        return bool(len(dark)) and not bool(dark.any(axis=1).all())

    def _understand(self, chunk: TailChunk) -> None:
        if self.tail.has_end_mark():
            self.info = read_nd2_info(self._path)
            pixels = self.info.pixels
        else:
            head = read_head(self._head, recording=str(self._path))
            self.info = head.info
            pixels = self._measure(head, chunk)
        self.pixels = pixels
        require_two_channels(len(self.info.channels), recording=str(self._path))
        choice = choose_channels(self.info.channels, self._settings, recording=str(self._path))
        self.marker, self.activity = choice.marker, choice.activity
        self.notes.append(choice.note)
        self.layout = _live_layout(self.info, self._settings, self.notes, str(self._path))
        least = FRAME_TIME.size + (1 if pixels.is_compressed else pixels.n_bytes)
        most = FRAME_TIME.size + pixels.n_bytes
        if pixels.is_compressed:
            most += pixels.n_bytes // 8 + ALIGNMENT
        self.tail.expect_frames(range(least, most + 1))

    def _measure(self, head: Nd2Head, chunk: TailChunk) -> PixelFormat:
        """Return the size of a frame that its length agrees with."""
        self._measured = head
        sizes = (*head.sizes, *remembered_sizes(head))
        given = self._settings.live.frame_size_px
        if given is not None:
            sizes = (FrameSize(*given),) if min(given) > 0 else ()
        n_bytes = chunk.n_bytes - FRAME_TIME.size
        pixels = fitting_pixels(head, sizes, n_bytes)
        if pixels is None and sizes:
            pixels = self._compressed_pixels(head, sizes, chunk)
        if pixels is None:
            raise self._unknown_size(head, sizes, n_bytes, is_given=given is not None)
        if ATTRIBUTES not in self._head and given is None:
            self.notes.append(
                f"Frames are taken to have {pixels.height} rows and {pixels.width} columns, as"
                " the camera was set or had before; their length agrees."
            )
        return pixels

    def _compressed_pixels(
        self, head: Nd2Head, sizes: tuple[FrameSize, ...], chunk: TailChunk
    ) -> PixelFormat | None:
        raw = self.tail.payload(chunk)[FRAME_TIME.size :]
        if raw[0] != _ZLIB_MARK:
            return None
        found = fitting_pixels(head, sizes, len(_unpacked(raw, _LARGEST_FRAME)))
        if found is None:
            return None
        self.notes.append(
            "Frames are compressed, which costs time; switch compression off in the microscope's"
            " software."
        )
        return PixelFormat(
            height=found.height,
            width=found.width,
            n_components=found.n_components,
            row_bytes=found.row_bytes,
            dtype=found.dtype,
            is_compressed=True,
        )

    def _unknown_size(
        self, head: Nd2Head, sizes: tuple[FrameSize, ...], n_bytes: int, *, is_given: bool
    ) -> RecordingError:
        tried = " or ".join(dict.fromkeys(f"{size.height} x {size.width}" for size in sizes))
        origin = "was given" if is_given else "is told by its head"
        return RecordingError(
            f"The frames of {self._path} have {n_bytes} bytes for {head.n_components} channels,"
            f" but {tried or 'no size'} {origin}, which does not agree; give the rows and columns"
            " of a frame (source.live.frame_size_px)."
        )


def _time_s(raw: bytearray) -> float:
    (time_ms,) = FRAME_TIME.unpack_from(raw)
    return float(time_ms) * _S_PER_MS if abs(time_ms) < math.inf else math.nan


def _live_layout(
    info: Nd2Info, settings: SourceSettings, notes: list[str], recording: str
) -> FrameLayout:
    """Return the plan; how many volumes come is known at the end only."""
    planned = math.prod(loop.count for loop in info.loops if loop.count > 1)
    if any(loop.axis == "Z" and loop.count > 1 for loop in info.loops):
        layout = plan_layout(info.loops, planned, settings, notes, recording=recording)
        if layout.slice_stride != 1:
            raise RecordingError(
                f"{recording} takes all timepoints of a slice before the next slice, so that no"
                " volume is complete before the end; replay it when it is finished."
            )
        return layout
    if settings.n_z is not None:  # the planned count says nothing about what will come
        planned = settings.z_first + settings.n_z
    return plan_layout(info.loops, max(planned, 2), settings, notes, recording=recording)


def _unpacked(raw: Any, most_bytes: int) -> bytes:
    """Return what compressed bytes hold, empty if they are damaged or hold more."""
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(raw, most_bytes + 1)
    except zlib.error:
        return b""
    return content if len(content) <= most_bytes else b""
