"""NumPy and Zarr files as arrays that are read part by part."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError
from napari_acll.sources._axes import ArrayLike
from napari_acll.sources._errors import reason_of

_ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray")
_UM_PER_UNIT = {"micrometer": 1.0, "um": 1.0, "µm": 1.0, "nanometer": 1e-3, "millimeter": 1e3}
_S_PER_UNIT = {"second": 1.0, "s": 1.0, "millisecond": 1e-3, "minute": 60.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArray:
    """An array on disk and what its file says about it.

    Parameters
    ----------
    array : ArrayLike
        Read only where it is indexed.
    axes : str or None
        Order of the axes, if the file tells.
    voxel_size_um : tuple of float or None
        `(Z, Y, X)`; None where the file does not tell.
    period_s : float or None
        Time between volumes.
    channel_names : tuple of str
        Empty if the file does not tell.
    slice_times_s : ndarray of float64, shape (T, Z), or None
        Times of slices.
    """

    array: ArrayLike
    axes: str | None = None
    voxel_size_um: tuple[float | None, float | None, float | None] = (None, None, None)
    period_s: float | None = None
    channel_names: tuple[str, ...] = field(default=())
    slice_times_s: NDArray[np.float64] | None = None


class NpyArray:
    """A `.npy` file that is open only while a part of it is read.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    RecordingError
        If it is missing, truncated or not a plain array.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        mapped = self._mapped()
        self.shape: tuple[int, ...] = mapped.shape
        self.dtype: np.dtype[Any] = mapped.dtype

    def __getitem__(self, key: Any, /) -> NDArray[Any]:
        """Return a copy of a part."""
        return np.array(self._mapped()[key])

    def _mapped(self) -> NDArray[Any]:
        # mapping fails, with an error, where the file is shorter than its header says
        return load_npy(self._path, mmap_mode="r")


def load_npy(path: Path, *, mmap_mode: Literal["r"] | None = None) -> NDArray[Any]:
    """Return the array of a `.npy` file.

    Parameters
    ----------
    path : Path
        The file.
    mmap_mode : str, optional
        "r" maps it, which must not be done while another program may shorten it; None reads it.

    Raises
    ------
    RecordingError
        If it is missing, truncated or not a plain array.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, MemoryError, TokenError) as error:
        raise RecordingError(
            f"{path} is empty, truncated or not a NumPy array ({reason_of(error)});"
            " copy or save it again."
        ) from error
    except OSError as error:
        raise RecordingError(
            f"Cannot read {path} ({reason_of(error)}); check the path and its permissions."
        ) from error
    return array


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a Zarr array or group."""
    return path.is_dir() and any((path / mark).is_file() for mark in _ZARR_MARKS)


def open_zarr(path: Path) -> StoredArray:
    """Return the array of a Zarr folder, of an OME-Zarr its full resolution.

    Raises
    ------
    RecordingError
        If it cannot be read, or is a group without the OME-Zarr description of an image.
    """
    import zarr

    try:
        node = zarr.open(str(path), mode="r")
        if isinstance(node, zarr.Array):
            return StoredArray(array=node, axes=_dimension_axes(node))
        return _ome_image(node, path)
    except (OSError, ValueError, LookupError, TypeError, json.JSONDecodeError) as error:
        raise RecordingError(
            f"{path} cannot be read as a Zarr array ({reason_of(error)}); choose an OME-Zarr"
            " image or an array with the axes T, C, Z, Y, X."
        ) from error


def _dimension_axes(array: Any) -> str | None:
    names = getattr(array.metadata, "dimension_names", None)
    if not names or not all(names):
        return None
    return _letters(str(name) for name in names)


def _ome_image(group: Any, path: Path) -> StoredArray:
    attributes = dict(group.attrs)
    described = attributes.get("ome", attributes)
    if not described.get("multiscales"):
        raise RecordingError(
            f"{path} is a Zarr group without an OME-Zarr image; choose the array in it."
        )
    image = described["multiscales"][0]
    dataset = image["datasets"][0]
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in image["axes"]]
    letters = _letters(str(axis["name"]) for axis in axes)
    scale = _scale(dataset, image, len(axes))
    names = [
        str(channel.get("label", ""))
        for channel in described.get("omero", attributes.get("omero", {})).get("channels", [])
    ]
    return StoredArray(
        array=group[dataset["path"]],
        axes=letters,
        voxel_size_um=(
            _size(axes, scale, "z"),
            _size(axes, scale, "y"),
            _size(axes, scale, "x"),
        ),
        period_s=_period(axes, scale),
        channel_names=tuple(names),
        slice_times_s=_slice_times(group),
    )


def _letters(names: Any) -> str:
    return "".join(name[:1].upper() for name in names)


def _scale(dataset: Mapping[str, Any], image: Mapping[str, Any], n_axes: int) -> list[float]:
    scale = np.ones(n_axes)
    for level in (dataset, image):
        for transformation in level.get("coordinateTransformations", []):
            if transformation.get("type") == "scale" and "scale" in transformation:
                scale *= np.asarray(transformation["scale"], np.float64)
    return [float(factor) for factor in scale]


def _size(axes: Sequence[Mapping[str, Any]], scale: Sequence[float], name: str) -> float | None:
    for axis, factor in zip(axes, scale, strict=True):
        if str(axis["name"]).casefold() == name:
            per_unit = _UM_PER_UNIT.get(str(axis.get("unit", "")))
            return None if per_unit is None else factor * per_unit
    return None


def _period(axes: Sequence[Mapping[str, Any]], scale: Sequence[float]) -> float | None:
    for axis, factor in zip(axes, scale, strict=True):
        if str(axis["name"]).casefold() == "t":
            per_unit = _S_PER_UNIT.get(str(axis.get("unit", "")))
            return None if per_unit is None else factor * per_unit
    return None


def _slice_times(group: Any) -> NDArray[np.float64] | None:
    if "slice_times_s" not in group:
        return None
    return np.asarray(group["slice_times_s"], np.float64)
