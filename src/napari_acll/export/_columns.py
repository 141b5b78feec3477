"""Zarr arrays that grow along their first axis."""

from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_acll.export._layout import ArraySpec
from napari_acll.export._store import replace_bytes


class GrowingArray:
    """A Zarr array to which rows are added in ascending order.

    The chunk that is being filled is kept in memory and written whole, so adding a row never
    reads. An uncompressed chunk is nothing but its bytes: writing the file ourselves spares the
    hand-over to Zarr's event loop, which costs ten times more than the file.

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
        self._chunk = 0
        self._fill = spec.fill
        self._buffer = spec.empty(rows_per_chunk, n_neurons)
        self._n_rows = rows_per_chunk
        self._folder = folder / spec.name
        self._array = group.create_array(
            spec.name,
            shape=self._buffer.shape,
            chunks=tuple(max(length, 1) for length in self._buffer.shape),
            dtype=spec.dtype,
            fill_value=spec.fill,
            compressors=None,
            dimension_names=(first_axis, *spec.axes),
            attributes={"about": spec.about},
        )

    def put(self, first_row: int, rows: NDArray[np.generic]) -> None:
        """Write rows; they must not lie in a chunk before the last one written.

        Raises
        ------
        ValueError
            If they do.
        """
        done = 0
        while done < len(rows):
            chunk, offset = divmod(first_row + done, self._rows_per_chunk)
            self._move_to(chunk)
            n = min(len(rows) - done, self._rows_per_chunk - offset)
            self._buffer[offset : offset + n] = rows[done : done + n]
            self._write_chunk()
            done += n

    def _write_chunk(self) -> None:
        place = "/".join(["c", str(self._chunk), *("0" for _ in self._buffer.shape[1:])])
        path = self._folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(path, self._buffer.tobytes())

    def _move_to(self, chunk: int) -> None:
        if chunk < self._chunk:
            raise ValueError(
                f"Rows are written in ascending order; chunk {chunk} came after {self._chunk}."
            )
        if chunk > self._chunk:
            self._chunk = chunk
            self._buffer[...] = self._fill
        n_rows = (chunk + 1) * self._rows_per_chunk
        if n_rows > self._n_rows:
            self._array.resize((n_rows, *self._buffer.shape[1:]))
            self._n_rows = n_rows
