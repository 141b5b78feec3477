"""What is true of a recording, on disk beside it."""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError
from napari_acll.simulate._truth import Truth

Progress = Callable[[int], None]
"""Called with the number of volumes written so far."""

TRUTH_COLUMNS = (
    "volume",
    "name",
    "is_listed",
    "z_px",
    "y_px",
    "x_px",
    "radius_um",
    "ratio",
    "marker",
    "activity",
    "instance",
)


class _VolumesWithTruth(Protocol):
    """What is needed of a source that knows what is true of its volumes."""

    @property
    def indices(self) -> Sequence[int]: ...

    def truth(self, index: int) -> Truth: ...

    def instance_masks(self, index: int) -> NDArray[np.uint16]: ...


def write_truth(
    source: _VolumesWithTruth,
    path: Path,
    n_volumes: int,
    *,
    masks: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a table of all nuclei in all volumes, and their masks if asked for.

    The table has the columns `TRUTH_COLUMNS`: number of the volume, from 0; name, empty where a
    nucleus is no known neuron; 1 where an annotator would have named it, or 0; center in voxels;
    radius in um; F/F20; light in counts before blur; and the number of the nucleus in the masks
    of the same volume.

    Parameters
    ----------
    source : SimulatedSource
        Where volumes and truth come from.
    path : Path
        Table to write, CSV in UTF-8.
    n_volumes : int
        Volumes to tell of; fewer if the source has fewer.
    masks : Path, optional
        Folder to make for the masks: one compressed `.npz` per volume, named as the folder and
        `_t0001`, `_t0002`, with an array `masks` of uint16, `(Z, Y, X)`, 0 outside of nuclei.
    progress : callable, optional
        Called with the number of volumes written so far.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    RecordingError
        If one of them exists or cannot be written.
    """
    try:
        if masks is not None:
            masks.mkdir(parents=True)
        with path.open("x", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(TRUTH_COLUMNS)
            for index in source.indices[:n_volumes]:
                table.writerows(_rows(source.truth(index)))
                if masks is not None:
                    _write_masks(masks, index, source.instance_masks(index))
                if progress is not None:
                    progress(index + 1)
    except FileExistsError as error:
        raise RecordingError(
            f"{error.filename} exists already; choose another name for the recording."
        ) from error
    except OSError as error:
        raise RecordingError(
            f"Cannot write the truth {path} ({error.strerror}); free some space or choose another"
            " folder."
        ) from error
    return path


def _rows(truth: Truth) -> Iterator[tuple[object, ...]]:
    """Return one row per nucleus, numbers with as many digits as mean something."""
    z, y, x = truth.centroid_px.round(3).T.tolist()
    columns = (truth.radius_um, truth.ratio, truth.marker, truth.activity)
    radius, ratio, marker, activity = (column.round(4).tolist() for column in columns)
    is_listed = truth.is_listed.astype(int).tolist()
    numbers = range(1, len(truth.names) + 1)
    for row in zip(
        truth.names, is_listed, z, y, x, radius, ratio, marker, activity, numbers, strict=True
    ):
        yield (truth.index, *row)


def _write_masks(folder: Path, index: int, masks: NDArray[np.uint16]) -> None:
    np.savez_compressed(folder / f"{folder.stem}_t{index + 1:04d}.npz", masks=masks)
