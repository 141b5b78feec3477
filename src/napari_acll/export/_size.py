"""How much room a session takes on the disk, and how much there is."""

import os
import shutil
from pathlib import Path

import numpy as np

from napari_acll.export._layout import DETECTION_ARRAYS, SAMPLE_ARRAYS, STATUS, TIME_ARRAYS

_LABEL_SHARE = 0.0125
"""Bytes per voxel of a compressed label map: 26 kB for 64 x 120 x 284 voxels, measured over 691
volumes with 194 neurons."""
_DETECTIONS_PER_NEURON = 1.0
"""Rows in the table of detections; nuclei without a name weigh against neurons that are absent."""


def bytes_per_volume(shape: tuple[int, int, int], *, n_neurons: int, has_labels: bool) -> int:
    """Return about how many bytes a session takes for each volume.

    Parameters
    ----------
    shape : tuple of int
        `(Z, Y, X)` voxels after crop and binning.
    n_neurons : int
        Neurons of the model.
    has_labels : bool
        Whether label maps are kept.
    """
    columns = (*SAMPLE_ARRAYS, *TIME_ARRAYS, STATUS)
    row = sum(spec.empty(1, n_neurons).nbytes for spec in columns)
    n_detections = round(_DETECTIONS_PER_NEURON * n_neurons)
    row += sum(spec.empty(n_detections, n_neurons).nbytes for spec in DETECTION_ARRAYS)
    return row + round(_LABEL_SHARE * int(np.prod(shape)) if has_labels else 0)


def free_bytes(path: Path) -> int:
    """Return how many bytes are free on the disk of a folder that need not exist yet.

    Raises
    ------
    OSError
        If the disk cannot be reached.
    """
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def folder_bytes(folder: Path) -> int:
    """Return how many bytes the files in a folder have; files that vanish meanwhile have none.

    Parameters
    ----------
    folder : Path
        It may be written to meanwhile.
    """
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += _size_of(entry)
        except OSError:
            continue
    return total


def _size_of(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
