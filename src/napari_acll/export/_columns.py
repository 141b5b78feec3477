"""Zarr arrays that grow along their first axis."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_acll.export._layout import ArraySpec
from napari_acll.export._store import overwrite_bytes, replace_bytes


class GrowingArray:
    """A Zarr array to which rows are added.

    An uncompressed chunk is nothing but its rows one after the other. So a chunk is created once,
    with the fill value everywhere, and each row is then written into its place in the file: this
    touches no other row, costs a few kB whatever the size of a chunk, and spares the hand-over to
    Zarr's event loop.

    Parameters
    ----------
    group : zarr.Group
        Where the array is created.
    folder : Path
        The same group as a folder.
    spec : ArraySpec
        What it holds.
    rows_per_chunk : int
        Rows by which it grows.
    n_neurons : int
        Neurons of the model.
    first_axis : str
        Name of the axis that grows.
    """

    def __init__(
        self,
        group: zarr.Group,
        folder: Path,
        spec: ArraySpec,
        *,
        rows_per_chunk: int,
        n_neurons: int,
        first_axis: str,
    ) -> None:
        self._rows_per_chunk = rows_per_chunk
        self._empty_chunk = spec.empty(rows_per_chunk, n_neurons)
        self._folder = folder / spec.name
        self._n_rows = rows_per_chunk
        self._made: set[int] = set()
        self._array = group.create_array(
            spec.name,
            shape=self._empty_chunk.shape,
            chunks=tuple(max(length, 1) for length in self._empty_chunk.shape),
            dtype=spec.dtype,
            fill_value=spec.fill,
            compressors=None,
            dimension_names=(first_axis, *spec.axes),
            attributes={"about": spec.about},
        )

    def put(self, first_row: int, rows: NDArray[Any]) -> None:
        """Write rows.

        Parameters
        ----------
        first_row : int
            Where the first of them belongs.
        rows : ndarray
            The rows; cast to the dtype of the array.

        Raises
        ------
        OSError
            If they cannot be written; other rows stay as they are.
        """
        rows = np.ascontiguousarray(rows, self._empty_chunk.dtype)
        done = 0
        while done < len(rows):
            chunk, offset = divmod(first_row + done, self._rows_per_chunk)
            part = rows[done : done + self._rows_per_chunk - offset]
            self._make(chunk)
            overwrite_bytes(self._file(chunk), offset * part[0].nbytes, part.tobytes())
            done += len(part)

    def _make(self, chunk: int) -> None:
        """Create a chunk that is not there yet; those in between stay out and read as empty."""
        if chunk in self._made:
            return
        file = self._file(chunk)
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(file, self._empty_chunk.tobytes())
        n_rows = (chunk + 1) * self._rows_per_chunk
        if n_rows > self._n_rows:
            self._array.resize((n_rows, *self._empty_chunk.shape[1:]))
            self._n_rows = n_rows
        self._made.add(chunk)

    def _file(self, chunk: int) -> Path:
        place = "/".join(["c", str(chunk), *("0" for _ in self._empty_chunk.shape[1:])])
        return self._folder / place
