"""A few raw volumes on disk that are shown over and over, frame by frame."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, Volume, VolumeSpec

_FRAMES, _ABOUT = "frames.raw", "film.json"
_VERSION = 1
_ITEM_BYTES = 2
N_CHANNELS = 2
"""Activity and marker."""

Progress = Callable[[int], None]
"""Called with the number of volumes made so far."""


class _VolumesOfSpec(Protocol):
    @property
    def spec(self) -> VolumeSpec: ...

    def __iter__(self) -> Iterator[Volume]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmInfo:
    """What all volumes of a film share.

    Parameters
    ----------
    shape : tuple of int
        `(Z, Y, X)` of a channel; counts are uint16.
    n_volumes : int
        Different volumes.
    voxel_size_um : tuple of float
        `(Z, Y, X)`.
    period_s : float
        From one volume to the next, as recorded.
    version : int
        Of the file.
    """

    shape: tuple[int, int, int]
    n_volumes: int
    voxel_size_um: tuple[float, float, float]
    period_s: float
    version: int = _VERSION

    @property
    def frame_bytes(self) -> int:
        """Bytes of one slice of both channels."""
        return self.shape[1] * self.shape[2] * N_CHANNELS * _ITEM_BYTES

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume."""
        return self.shape[0] * self.frame_bytes


class Film:
    """Raw volumes in a file, each frame as the camera's software writes it: `(Y, X, C)`.

    Channel 0 is the activity, channel 1 the marker. After the first loop the system has the file
    in memory, as far as there is some to spare; the process itself holds one frame.

    Parameters
    ----------
    folder : Path
        Where `make_film` made it.

    Raises
    ------
    RecordingError
        If there is no film.
    """

    def __init__(self, folder: Path) -> None:
        try:
            known = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            known["shape"], known["voxel_size_um"] = (
                tuple(known["shape"]),
                tuple(known["voxel_size_um"]),
            )
            self.info = FilmInfo(**known)
            self._file = (folder / _FRAMES).open("rb", buffering=0)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RecordingError(
                f"{folder} holds no film of this version; delete it, so that it is made anew."
            ) from error

    def shown(self, volume: int) -> int:
        """Return which volume of the film is the recording's: forwards and backwards in turn.

        So that the animal never jumps.
        """
        last = self.info.n_volumes - 1
        return last - abs(last - volume % max(1, 2 * last))

    def read_frame_into(self, shown: int, z: int, view: memoryview) -> None:
        """Fill `view` with one frame.

        Raises
        ------
        RecordingError
            If the film became shorter.
        """
        self._file.seek((shown * self.info.shape[0] + z) * self.info.frame_bytes)
        filled = 0
        while filled < self.info.frame_bytes:
            step = self._file.readinto(view[filled : self.info.frame_bytes])
            if not step:
                raise RecordingError("The film became shorter while it was shown; start again.")
            filled += step

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def film_folder(cache: Path, recording: str, n_volumes: int) -> Path:
    """Return where the film of a recording belongs."""
    path = Path(recording)
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    text = f"{recording}|{stamp}|{n_volumes}|{_VERSION}"
    return cache / hashlib.sha256(text.encode()).hexdigest()[:16]


def is_film(folder: Path) -> bool:
    """Return whether there is a film."""
    return (folder / _ABOUT).is_file()


def make_film(
    source: _VolumesOfSpec, folder: Path, n_volumes: int, *, progress: Progress | None = None
) -> None:
    """Write the first volumes of a recording as a film.

    Parameters
    ----------
    source : source of volumes
        Counts of at most 16 bits.
    folder : Path
        Folder to make; what describes the film is written last.
    n_volumes : int
        Volumes to take; fewer if the recording has fewer.
    progress : callable, optional
        Called with the number of volumes made so far.

    Raises
    ------
    RecordingError
        If there are no volumes, they have more than 16 bits, or the folder cannot be written.
    """
    n_made = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _FRAMES).open("wb") as file:
            for volume in islice(source, n_volumes):
                for frame in _frames(volume):
                    file.write(frame.data.cast("B"))
                n_made += 1
                if progress is not None:
                    progress(n_made)
        info = _info(source.spec, n_made)
        (folder / _ABOUT).write_text(json.dumps(asdict(info)), encoding="utf-8")
    except OSError as error:
        raise RecordingError(
            f"Cannot write the film {folder} ({error.strerror}); free some space or choose"
            " another folder (--film)."
        ) from error


def _info(spec: VolumeSpec, n_volumes: int) -> FilmInfo:
    if not n_volumes:
        raise RecordingError("The recording holds no volumes to show; choose another one.")
    return FilmInfo(
        shape=spec.shape,
        n_volumes=n_volumes,
        voxel_size_um=spec.voxel_size_um,
        period_s=spec.period_s,
    )


def _frames(volume: Volume) -> Iterator[NDArray[np.uint16]]:
    marker, activity = _as_uint16(volume.marker), _as_uint16(volume.activity)
    frame = np.empty((*marker.shape[1:], N_CHANNELS), np.uint16)
    for z in range(len(marker)):
        frame[..., 0] = activity[z]
        frame[..., 1] = marker[z]
        yield frame


def _as_uint16(counts: NDArray[Any]) -> NDArray[np.uint16]:
    if counts.dtype.itemsize > _ITEM_BYTES:
        raise RecordingError(
            f"The recording has counts of type {counts.dtype}; a film holds uint16: choose a"
            " recording as the camera made it."
        )
    return counts.astype(np.uint16, copy=False)
