"""What an ND2 file says about itself, through the nd2 package."""

import math
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_acll.core import RecordingError
from napari_acll.sources._channels import ChannelInfo
from napari_acll.sources._errors import reason_of
from napari_acll.sources._nd2_chunks import PixelFormat

# what the nd2 package raises on metadata that it does not expect
METADATA_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    NameError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    MemoryError,
    SyntaxError,  # of the XML that old files hold
    struct.error,
    zlib.error,
)
_AXIS_OF_LOOP: dict[str, Literal["T", "Z", "P"]] = {
    "TimeLoop": "T",
    "NETimeLoop": "T",
    "ZStackLoop": "Z",
    "XYPosLoop": "P",
}
_PICTURES = ("ImageMetadataSeqLV|0", "ImageMetadataSeq|0")
_MS_PER_S = 1000.0
_INTEGER_BITS = (8, 16)


@dataclass(frozen=True, slots=True)
class Nd2Loop:
    """One loop of the acquisition: `T`, `Z`, `P` (stage positions) or `?`."""

    axis: Literal["T", "Z", "P", "?"]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nd2Info:
    """What an ND2 file says about itself.

    Parameters
    ----------
    pixels : PixelFormat
        How a frame lies in the file.
    channels : tuple of ChannelInfo
        In the order of the components.
    loops : tuple of Nd2Loop
        Outermost first; counts are what was planned.
    loop_period_s : float or None
        Planned time from one turn of the time loop to the next.
    voxel_size_um : tuple of float or None
        `(Z, Y, X)`; None where the file is not calibrated.
    start_julian_day : float or None
        Absolute time of the start of the recording.
    """

    pixels: PixelFormat
    channels: tuple[ChannelInfo, ...]
    loops: tuple[Nd2Loop, ...]
    loop_period_s: float | None
    voxel_size_um: tuple[float | None, float | None, float | None]
    start_julian_day: float | None


class _UnmappedFile:
    """A file that the nd2 package reads from instead of mapping it into memory."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._n_bytes = path.stat().st_size

    @property
    def closed(self) -> bool:
        return self._file.closed

    def read(self, size: int | None = -1, /) -> bytes:
        # memory is taken before it turns out that the file is shorter than a damaged length
        return self._file.read(self._n_bytes if size is None else min(size, self._n_bytes))

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def close(self) -> None:
        self._file.close()


def read_nd2_info(path: Path) -> Nd2Info:
    """Return what an ND2 file says about itself.

    Raises
    ------
    RecordingError
        If its metadata are damaged, or it holds RGB or floating-point pixels.
    """
    import nd2

    try:
        file = _UnmappedFile(path)
        try:
            with warnings.catch_warnings(action="ignore"):
                return nd2_info(nd2.ND2File(file), str(path))
        finally:
            file.close()
    except METADATA_ERRORS as error:
        raise RecordingError(
            f"The metadata of {path} cannot be understood ({reason_of(error)}); open it in"
            " NIS-Elements, save it again, and try the new file."
        ) from error


def nd2_info(file: Any, recording: str) -> Nd2Info:
    """Return what a file that the nd2 package has opened says about itself.

    Parameters
    ----------
    file : nd2.ND2File
        The open file.
    recording : str
        Stands in errors.

    Raises
    ------
    RecordingError
        If it holds RGB or floating-point pixels, or is compressed with loss.
    """
    metadata = file.metadata
    channels = tuple(
        ChannelInfo(entry.channel.name or f"channel {number}", entry.channel.emissionLambdaNm)
        for number, entry in enumerate(metadata.channels)
    )
    volume = metadata.channels[0].volume
    sizes_um = [
        size if is_calibrated else None
        for size, is_calibrated in zip(volume.axesCalibration, volume.axesCalibrated, strict=True)
    ]
    return Nd2Info(
        pixels=_pixels(file.attributes, len(channels), recording),
        channels=channels,
        loops=tuple(
            Nd2Loop(_AXIS_OF_LOOP.get(loop.type, "?"), loop.count) for loop in file.experiment
        ),
        loop_period_s=_loop_period(file.experiment),
        voxel_size_um=(sizes_um[2], sizes_um[1], sizes_um[0]),
        start_julian_day=_start_julian_day(file),
    )


def _pixels(attributes: Any, n_channels: int, recording: str) -> PixelFormat:
    if attributes.componentCount != n_channels:
        raise RecordingError(
            f"{recording} holds color (RGB) pictures; record each channel by itself, as unsigned"
            " integers of 8 or 16 bits."
        )
    bits = attributes.bitsPerComponentInMemory
    if bits not in _INTEGER_BITS or attributes.pixelDataType != "unsigned":
        raise RecordingError(
            f"{recording} holds {bits}-bit {attributes.pixelDataType} pixels; unsigned integers of"
            " 8 or 16 bits are needed: export it from NIS-Elements without processing."
        )
    if attributes.compressionType == "lossy":
        raise RecordingError(
            f"{recording} is compressed with loss, which cannot be read; record it without."
        )
    n_bytes = bits // 8
    return PixelFormat(
        height=attributes.heightPx,
        width=attributes.widthPx,
        n_components=n_channels,
        row_bytes=attributes.widthBytes or attributes.widthPx * n_channels * n_bytes,
        dtype=np.dtype(f"<u{n_bytes}"),
        is_compressed=attributes.compressionType == "lossless",
    )


def _loop_period(experiment: Sequence[Any]) -> float | None:
    for loop in experiment:
        if loop.type == "TimeLoop":
            period_ms = loop.parameters.periodMs or loop.parameters.periodDiff.avg
            return period_ms / _MS_PER_S if period_ms > 0 else None
    return None


def _start_julian_day(file: Any) -> float | None:
    # asking the package for the first frame would list all frames of the plan, however many
    for name, content in file.unstructured_metadata(include=_PICTURES).items():
        picture = content.get("SLxPictureMetadata", content) if name in _PICTURES else {}
        start = picture.get("TimeAbsolute", 0.0)
        if math.isfinite(start) and start >= 1:
            return float(start)
    return None
