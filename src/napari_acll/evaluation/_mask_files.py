"""Instance masks on disk: one file per volume, or one array for all."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError


def _read_npy(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def _read_npz(path: Path) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as file:
        array: NDArray[Any] = file[file.files[0]]
    return array


def _read_tiff(path: Path) -> NDArray[Any]:
    import tifffile

    return np.asarray(tifffile.imread(path))


def _read_nrrd(path: Path) -> NDArray[Any]:
    import nrrd

    # the field's NRRD volumes are x, y, z in the header's own order
    return np.asarray(nrrd.read(str(path), index_order="C")[0])


_READERS: Mapping[str, Callable[[Path], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".nrrd": _read_nrrd,
}


class MaskFolder:
    """A folder with one file of masks per volume, whose names end in the number of the volume.

    Files are `.npz`, `.npy`, `.tif` or `.nrrd`. `_t0001` counts from 1, as microscopes and the
    original pipeline do; any other last number, such as `mask_17`, is the number of the volume
    as it is.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    RecordingError
        If it holds no such file.
    """

    def __init__(self, folder: Path) -> None:
        files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _READERS]
        numbered = [(_volume_number(path.stem), path) for path in files]
        self._files = {number: path for number, path in numbered if number is not None}
        if not self._files:
            raise RecordingError(
                f"{folder} holds no masks; expected one {', '.join(_READERS)} file per volume"
                " whose name ends in the number of the volume, such as masks_t0001.npz."
            )

    @property
    def volumes(self) -> Sequence[int]:
        """Numbers of the volumes, ascending."""
        return sorted(self._files)

    def read(self, volume: int) -> NDArray[Any]:
        """Return the masks of one volume, `(Z, Y, X)` of int, 0 outside.

        Raises
        ------
        RecordingError
            If the file cannot be read or holds no volume of whole numbers.
        """
        path = self._files[volume]
        try:
            masks = _READERS[path.suffix.lower()](path)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise RecordingError(f"The masks {path} cannot be read ({error}).") from error
        return _checked(masks, path)


class MaskArray:
    """Masks of all volumes in one array with the axes T, Z, Y, X; Zarr, or OME-Zarr.

    Parameters
    ----------
    path : Path
        Folder of the Zarr array or group.

    Raises
    ------
    RecordingError
        If it is no such array.
    """

    def __init__(self, path: Path) -> None:
        import zarr

        self._path = path
        try:
            opened: Any = zarr.open(str(path), mode="r")
            self._array: Any = opened if isinstance(opened, zarr.Array) else opened["0"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{path} is no Zarr array of masks ({error}).") from error
        self._is_with_channel = self._array.ndim == 5 and self._array.shape[1] == 1
        if self._array.ndim != 4 and not self._is_with_channel:
            raise RecordingError(
                f"{path} has the shape {self._array.shape}; masks need the axes T, Z, Y, X."
            )

    @property
    def volumes(self) -> Sequence[int]:
        """Numbers of the volumes, ascending."""
        return range(self._array.shape[0])

    def read(self, volume: int) -> NDArray[Any]:
        """Return the masks of one volume, `(Z, Y, X)` of int, 0 outside.

        Raises
        ------
        RecordingError
            If it holds no whole numbers.
        """
        masks = np.asarray(self._array[volume])
        return _checked(masks[0] if self._is_with_channel else masks, self._path)


def open_masks(path: Path) -> MaskFolder | MaskArray:
    """Return the masks at a path.

    Parameters
    ----------
    path : Path
        A folder of files, or a Zarr array.

    Raises
    ------
    RecordingError
        If there are none.
    """
    if not path.is_dir():
        raise RecordingError(
            f"There is no folder {path} of masks; give a folder with one file per volume, or Zarr."
        )
    is_zarr = any((path / name).exists() for name in ("zarr.json", ".zarray", ".zgroup"))
    return MaskArray(path) if is_zarr else MaskFolder(path)


def _volume_number(stem: str) -> int | None:
    counted = re.search(r"_t(\d+)(?:_ch\d+)?$", stem)
    if counted:
        return int(counted[1]) - 1
    last = re.search(r"(\d+)$", stem)
    return int(last[1]) if last else None


def _checked(masks: NDArray[Any], path: Path) -> NDArray[Any]:
    if masks.ndim != 3 or masks.dtype.kind not in "iub":
        raise RecordingError(
            f"{path} holds {masks.dtype} of shape {masks.shape}; masks are whole numbers on the"
            " axes Z, Y, X, 0 outside and another number for each nucleus."
        )
    return masks
