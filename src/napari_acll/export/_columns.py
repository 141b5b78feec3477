"""Zarr arrays that grow along their first axis."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.export._layout import ArraySpec
from napari_acll.export._store import overwrite_bytes, replace_bytes


class GrowingArray:
    """A Zarr array to which rows are added; the one that is there, else a new one.

    An uncompressed chunk is nothing but its rows one after the other. So a chunk is created once,
    with the fill value everywhere, and each row is then written into its place in the file: this
    touches no other row, costs a few kB whatever the size of a chunk, and spares the hand-over to
    Zarr's event loop.

    Parameters
    ----------
    group : zarr.Group
        Where the array is, or is created.
    folder : Path
        The same group as a folder.
    spec : ArraySpec
        What it holds.
    rows_per_chunk : int
        Rows by which a new one grows.
    n_neurons : int
        Neurons of the model.
    first_axis : str
        Name of the axis that grows.
    is_synced : bool
        Whether to wait until the disk has what is written.
    """

    def __init__(
        self,
        group: Any,
        folder: Path,
        spec: ArraySpec,
        *,
        rows_per_chunk: int,
        n_neurons: int,
        first_axis: str,
        is_synced: bool = False,
    ) -> None:
        self._folder = folder / spec.name
        self._is_later = spec.is_later
        self._is_synced = is_synced
        array: Any = (
            group[spec.name]
            if spec.name in group
            else _create(group, spec, rows_per_chunk, n_neurons, first_axis)
        )
        self._array = array
        self._rows_per_chunk = int(array.chunks[0])
        self._empty_chunk = spec.empty(self._rows_per_chunk, n_neurons)
        self._made: set[int] = set()

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
            overwrite_bytes(
                self._file(chunk),
                offset * part[0].nbytes,
                part.tobytes(),
                is_synced=self._is_synced,
            )
            done += len(part)

    def reach(self, n_rows: int) -> None:
        """Be as long as the others, if sessions of earlier versions lack this array."""
        if self._is_later and n_rows > self._array.shape[0]:
            n_chunks = -(-n_rows // self._rows_per_chunk)
            tail = self._empty_chunk.shape[1:]
            self._array.resize((n_chunks * self._rows_per_chunk, *tail))

    def restore(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return all rows, and which of them the disk has.

        A chunk that was cut short, as a power cut may do, is made whole with empty rows. Of an
        array that sessions of earlier versions lack, chunks that are not there lack nothing.
        """
        n_chunks = self._array.shape[0] // self._rows_per_chunk
        rows, n_there = zip(*(self._whole(chunk) for chunk in range(n_chunks)), strict=True)
        is_there = np.arange(self._rows_per_chunk) < np.array(n_there)[:, None]
        return np.concatenate(rows), is_there.ravel()

    def _whole(self, chunk: int) -> tuple[NDArray[Any], int]:
        file, rows = self._file(chunk), self._empty_chunk.copy()
        if not file.is_file():
            return rows, len(rows) if self._is_later else 0
        content = file.read_bytes()
        row_bytes = rows[0].nbytes
        n_there = min(len(content) // row_bytes, len(rows)) if row_bytes else len(rows)
        stored = np.frombuffer(content[: n_there * row_bytes], rows.dtype)
        rows[:n_there] = stored.reshape(n_there, *rows.shape[1:])
        if len(content) < rows.nbytes:
            replace_bytes(file, rows.tobytes(), is_synced=True)
        return rows, n_there

    def _make(self, chunk: int) -> None:
        """Create a chunk that is not there yet; those in between stay out and read as empty."""
        if chunk in self._made:
            return
        file = self._file(chunk)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            replace_bytes(file, self._empty_chunk.tobytes(), is_synced=self._is_synced)
        n_rows = (chunk + 1) * self._rows_per_chunk
        if n_rows > self._array.shape[0]:
            self._array.resize((n_rows, *self._empty_chunk.shape[1:]))
        self._made.add(chunk)

    def _file(self, chunk: int) -> Path:
        place = "/".join(["c", str(chunk), *("0" for _ in self._empty_chunk.shape[1:])])
        return self._folder / place


def _create(
    group: Any, spec: ArraySpec, rows_per_chunk: int, n_neurons: int, first_axis: str
) -> Any:
    shape = spec.empty(rows_per_chunk, n_neurons).shape
    return group.create_array(
        spec.name,
        shape=shape,
        chunks=tuple(max(length, 1) for length in shape),
        dtype=spec.dtype,
        fill_value=spec.fill,
        compressors=None,
        dimension_names=(first_axis, *spec.axes),
        attributes={"about": spec.about},
    )
