"""What the head of an unfinished ND2 file tells: loops, channels, and candidates for the frame.

Size and type of the frames stand at the end of the file, which is not there yet. The head names
the camera's region and binning; which of them is true is decided by the length of a frame.
"""

import io
import struct
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_acll.core import RecordingError
from napari_acll.sources._errors import reason_of
from napari_acll.sources._nd2_chunks import PixelFormat
from napari_acll.sources._nd2_info import METADATA_ERRORS, Nd2Info, nd2_info
from napari_acll.sources._nd2_lv import LvValue, decode_record, find_values
from napari_acll.sources._nd2_tail import ALIGNMENT

ATTRIBUTES = b"ImageAttributesLV!"
PICTURE = b"ImageMetadataSeqLV|0!"
EXPERIMENT = b"ImageMetadataLV!"
HEAD_CHUNKS = (ATTRIBUTES, PICTURE, EXPERIMENT, b"ImageCalibrationLV|0!")
"""Chunks that say what the frames are."""

_MAGIC = 0x0ABECEDA
_HEADER = struct.Struct("<IIQ")
_START_NAME = b"ND2 FILE SIGNATURE CHUNK NAME01!"
_MAP_NAME = b"ND2 FILEMAP SIGNATURE NAME 0001!"
_MAP_SIGNATURE = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_LEVEL, _UNSIGNED = 11, 3
_ROW_BOUNDARY = 4
_LARGEST_SIDE = 2**15
_BITS = (16, 8)


@dataclass(frozen=True, slots=True)
class FrameSize:
    """Rows and columns of a frame, and bits per component if they are known."""

    height: int
    width: int
    bits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nd2Head:
    """What the head of an unfinished ND2 file tells.

    Parameters
    ----------
    info : Nd2Info
        Loops, channels and calibration; its `pixels` are a placeholder.
    camera : str
        Name of the camera; empty if it is not told.
    n_components : int
        Channels that a pixel holds.
    sizes : tuple of FrameSize
        What a frame may be, the likeliest first.
    """

    info: Nd2Info
    camera: str
    n_components: int
    sizes: tuple[FrameSize, ...] = field(default=())


def read_head(chunks: Mapping[bytes, bytes], *, recording: str) -> Nd2Head:
    """Return what the head of a file tells.

    Parameters
    ----------
    chunks : mapping of bytes to bytes
        Payload of each of `HEAD_CHUNKS` that has come.
    recording : str
        Stands in errors.

    Raises
    ------
    RecordingError
        If it lacks the channels, or cannot be understood.
    """
    if PICTURE not in chunks:
        raise RecordingError(
            f"{recording} holds frames before it tells its channels; wait until the recording"
            " has finished and replay it, and report the file."
        )
    try:
        picture = decode_record(chunks[PICTURE])
        attributes = decode_record(chunks[ATTRIBUTES]) if ATTRIBUTES in chunks else {}
        for name in (EXPERIMENT, HEAD_CHUNKS[-1]):
            decode_record(chunks.get(name, b""))  # only what is sound reaches the nd2 package
        n_components = _first_count(picture)
        info = _info_by_nd2(chunks, n_components, recording=recording)
    except METADATA_ERRORS as error:
        raise RecordingError(
            f"The head of {recording} cannot be understood ({reason_of(error)}); wait until the"
            " recording has finished and replay it."
        ) from error
    return Nd2Head(
        info=info,
        camera=_first_text(picture, ("CameraUniqueName", "CameraUserName")),
        n_components=n_components,
        sizes=tuple(dict.fromkeys([*_told_sizes(attributes), *_camera_sizes(picture)])),
    )


def fitting_pixels(
    head: Nd2Head, sizes: Iterator[FrameSize] | tuple[FrameSize, ...], n_bytes: int
) -> PixelFormat | None:
    """Return the first size that explains the length of a frame; None if none does.

    Parameters
    ----------
    head : Nd2Head
        Tells the number of components.
    sizes : iterable of FrameSize
        Candidates, the likeliest first.
    n_bytes : int
        Bytes of the pixels of a frame.
    """
    for size in sizes:
        for bits in _BITS if size.bits is None else (size.bits,):
            pixels = pixel_format(size, bits, head.n_components)
            if pixels.n_bytes == n_bytes:
                return pixels
    return None


def told_size(attributes: bytes) -> FrameSize | None:
    """Return the size that the attributes at the end of a file tell; None if damaged."""
    try:
        return next(_told_sizes(decode_record(attributes)), None)
    except ValueError:
        return None


def pixel_format(size: FrameSize, bits: int, n_components: int) -> PixelFormat:
    """Return how a frame of this size lies in the file, its rows padded to four bytes."""
    used = size.width * n_components * bits // 8
    return PixelFormat(
        height=size.height,
        width=size.width,
        n_components=n_components,
        row_bytes=-(-used // _ROW_BOUNDARY) * _ROW_BOUNDARY,
        dtype=np.dtype(f"<u{bits // 8}"),
        is_compressed=False,
    )


def _told_sizes(attributes: LvValue) -> Iterator[FrameSize]:
    for level in find_values(attributes, "SLxImageAttributes"):
        if not isinstance(level, Mapping):
            continue
        height, width, bits = (level.get(k) for k in ("uiHeight", "uiWidth", "uiBpcInMemory"))
        if isinstance(bits, int) and bits in _BITS:
            yield from _sizes(height, width, 1.0, 1.0, bits=bits)


def _camera_sizes(picture: LvValue) -> Iterator[FrameSize]:
    """Yield the region that the camera was set to, then its whole chip, with their binning."""
    for quality in find_values(picture, "FormatQuality"):
        form = quality.get("fmtDesc") if isinstance(quality, Mapping) else None
        if not isinstance(quality, Mapping) or not isinstance(form, Mapping):
            continue
        bins = [_number(form.get(key)) or 1.0 for key in ("dBinningY", "dBinningX")]
        for region in (quality.get("rectSensorUser"), form.get("rectSensorSource")):
            if isinstance(region, Mapping):
                bottom, top, right, left = (
                    _number(region.get(key)) for key in ("bottom", "top", "right", "left")
                )
                yield from _sizes(bottom - top, right - left, *bins)
                yield from _sizes(bottom - top, right - left, 1.0, 1.0)


def _sizes(
    height: Any, width: Any, y_bin: float, x_bin: float, *, bits: int | None = None
) -> Iterator[FrameSize]:
    n_y = int(_number(height) // max(y_bin, 1.0))
    n_x = int(_number(width) // max(x_bin, 1.0))
    if 0 < n_y <= _LARGEST_SIDE and 0 < n_x <= _LARGEST_SIDE:
        yield FrameSize(n_y, n_x, bits)


def _number(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and np.isfinite(value)
    return float(value) if is_number else 0.0


def _first_count(picture: LvValue) -> int:
    for planes in find_values(picture, "sPicturePlanes"):
        count = planes.get("uiCompCount") if isinstance(planes, Mapping) else None
        if isinstance(count, int) and 0 < count < 256:
            return count
    raise ValueError("it does not tell the number of channels")


def _first_text(picture: LvValue, names: tuple[str, ...]) -> str:
    for name in names:
        for value in find_values(picture, name):
            if isinstance(value, str) and value:
                return value
    return ""


def _info_by_nd2(chunks: Mapping[bytes, bytes], n_components: int, *, recording: str) -> Nd2Info:
    """Let the nd2 package read the head, as a finished file of one pixel that ends after it.

    So a recording is understood alike while it grows and when it is finished.
    """
    import nd2

    kept = {name: chunks[name] for name in HEAD_CHUNKS if name in chunks and name != ATTRIBUTES}
    kept[ATTRIBUTES] = _attributes(n_components)
    kept[b"CustomData|AcqTimesCache!"] = struct.pack("<d", 0.0)
    with warnings.catch_warnings(action="ignore"):
        file = nd2.ND2File(io.BytesIO(_finished_file(kept)))
        return nd2_info(file, recording)


def _attributes(n_components: int) -> bytes:
    values = {
        "uiWidth": 1,
        "uiWidthBytes": 2 * n_components,
        "uiHeight": 1,
        "uiComp": n_components,
        "uiBpcInMemory": 16,
        "uiBpcSignificant": 16,
        "uiSequenceCount": 1,
        "uiTileWidth": 1,
        "uiTileHeight": 1,
        "eCompression": 2,
        "ePixelType": 1,
        "uiVirtualComponents": n_components,
    }
    records = [
        _named(_UNSIGNED, name) + struct.pack("<I", value) for name, value in values.items()
    ]
    head = _named(_LEVEL, "SLxImageAttributes")
    first = len(head) + struct.calcsize("<IQ")
    starts = first + np.cumsum([0, *map(len, records)])
    offsets = [start for _, start in sorted(zip(values, starts[:-1].tolist(), strict=True))]
    level = struct.pack("<IQ", len(records), int(starts[-1]))
    return head + level + b"".join(records) + struct.pack(f"<{len(offsets)}Q", *offsets)


def _named(kind: int, name: str) -> bytes:
    return bytes((kind, len(name) + 1)) + name.encode("utf-16-le") + b"\0\0"


def _finished_file(chunks: Mapping[bytes, bytes]) -> bytes:
    content = bytearray(_chunk(_START_NAME, b"Ver3.0".ljust(64, b"\0")))
    entries = b""
    for name, payload in chunks.items():
        entries += name + struct.pack("<QQ", len(content), len(payload))
        content += _chunk(name, payload)
    footer = _MAP_SIGNATURE + struct.pack("<Q", len(content))
    return bytes(content + _chunk(_MAP_NAME, entries + footer) + footer)


def _chunk(name: bytes, payload: bytes) -> bytes:
    raw = _HEADER.pack(_MAGIC, len(name), len(payload)) + name + payload
    return raw.ljust(-(-len(raw) // ALIGNMENT) * ALIGNMENT, b"\0")
