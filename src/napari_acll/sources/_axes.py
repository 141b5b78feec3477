"""Arrays with axes in any order, as channels in `(Z, Y, X)`."""

from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError

_LEAST_SLICES = 2
_LARGEST_COUNT = int(np.iinfo(np.uint16).max)
_KEPT_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))
_CONVERTIBLE_KINDS = "uif"
_DEFAULT_AXES = {5: "TCZYX", 4: "CZYX"}
_MANY_CHANNELS = 8


class ArrayLike(Protocol):
    """What is needed of an array that may lie on disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Return a part of it."""
        ...


def resolve_axes(
    shape: Sequence[int], asked: str | None, found: str | None, *, recording: str
) -> str:
    """Return the order of the axes: as asked, else the file's, else by their number.

    Parameters
    ----------
    shape : sequence of int
        Lengths of the axes.
    asked, found : str or None
        Order that the user gave and that the file tells, such as `"TCZYX"`.
    recording : str
        Stands in errors.

    Raises
    ------
    RecordingError
        If the order does not fit the array, or lacks one of C, Z, Y, X.
    """
    ndim = len(shape)
    axes = asked or found or _DEFAULT_AXES.get(ndim)
    shown = tuple(shape)
    if axes is None:
        _raise_for_dimensions(shown, recording)
    if len(axes) != ndim or len(set(axes)) != ndim:
        raise RecordingError(
            f"{recording} has {ndim} axes, {shown}, which {axes} does not name one by one; give"
            " the order of its axes, such as TCZYX."
        )
    if set("CZYX") - set(axes) or set(axes) - set("TCZYX"):
        raise RecordingError(
            f"{recording} has the axes {axes} {shown}; volumes need C, Z, Y and X, and T if"
            " there are several: choose a recording with two channels, or give the order of its"
            " axes."
        )
    if asked is None and found is None and shape[axes.index("C")] > _MANY_CHANNELS:
        raise RecordingError(
            f"{recording} of shape {shown} would have {shape[axes.index('C')]} channels in the"
            f" order {axes}; give the order of its axes."
        )
    if shape[axes.index("Z")] < _LEAST_SLICES:
        raise RecordingError(
            f"{recording} has a single slice ({axes} {shown}); volumes of at least"
            f" {_LEAST_SLICES} slices are needed: choose another, or give the order of its axes."
        )
    return axes


def size_along(array: ArrayLike, axes: str, axis: str) -> int:
    """Return the length of an axis; 1 if the array does not have it."""
    return array.shape[axes.index(axis)] if axis in axes else 1


def zyx_shape(array: ArrayLike, axes: str) -> tuple[int, int, int]:
    """Return the `(Z, Y, X)` shape of each channel."""
    z, y, x = (size_along(array, axes, axis) for axis in "ZYX")
    return z, y, x


def read_channel(
    array: ArrayLike, axes: str, channel: int, *, index: int = 0
) -> NDArray[np.generic]:
    """Return one channel of one timepoint, shape `(Z, Y, X)`, reading nothing else."""
    fixed = {"C": channel, "T": index}
    part = np.asarray(array[tuple(fixed.get(axis, slice(None)) for axis in axes)])
    left = [axis for axis in axes if axis not in fixed]
    return part.transpose([left.index(axis) for axis in "ZYX"])


def check_dtype(dtype: np.dtype[Any], *, recording: str) -> None:
    """Raise if values of a type can never be counts.

    Raises
    ------
    RecordingError
        If the type is neither of integers nor of floating-point numbers.
    """
    if dtype.kind not in _CONVERTIBLE_KINDS:
        raise RecordingError(
            f"{recording} holds values of type {dtype}; raw counts of type uint8 or uint16 are"
            " needed: save it as one of these."
        )


def to_counts(
    values: NDArray[np.generic], *, recording: str
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return raw counts in memory of their own: uint8 as it is, all else as uint16.

    Parameters
    ----------
    values : ndarray, shape (Z, Y, X)
        Integers of any type, or floating-point numbers that are whole.
    recording : str
        Stands in errors.

    Raises
    ------
    RecordingError
        If a value is negative, larger than 65535 or not whole.
    """
    check_dtype(values.dtype, recording=recording)
    if values.dtype.newbyteorder("=") in _KEPT_DTYPES:
        return np.array(values, values.dtype.newbyteorder("="), order="C")
    lowest, highest = values.min(), values.max()
    if not (lowest >= 0 and highest <= _LARGEST_COUNT):  # also true of NaN
        raise RecordingError(
            f"{recording} holds values from {lowest} to {highest}; raw counts from 0 to"
            f" {_LARGEST_COUNT} are needed: save it without scaling or subtraction, as uint16."
        )
    counts = np.array(values, np.uint16, order="C")
    if values.dtype.kind == "f" and not np.array_equal(counts, values):
        raise RecordingError(
            f"{recording} holds fractions ({values.dtype}); raw counts are needed: save it"
            " without scaling, as uint16."
        )
    return counts


def _raise_for_dimensions(shape: tuple[int, ...], recording: str) -> NoReturn:
    if len(shape) == 3:
        raise RecordingError(
            f"{recording} of shape {shape} has three axes, so one channel only; a marker and an"
            " activity channel are needed: choose a recording that holds both."
        )
    raise RecordingError(
        f"{recording} of shape {shape} is not a series of volumes; four axes (CZYX) or five"
        " (TCZYX) are needed: choose another, or give the order of its axes."
    )
