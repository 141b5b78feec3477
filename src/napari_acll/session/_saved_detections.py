"""The detections of all volumes of a session, read at once."""

from typing import TYPE_CHECKING

import numpy as np

from napari_acll.core import Detections, VolumeStatus

if TYPE_CHECKING:
    from napari_acll.export import SavedSession

_COLUMNS = (
    "centroid_px",
    "n_voxels",
    "neuron",
    "probability",
    "candidate_neuron",
    "candidate_probability",
)
LABELED = (VolumeStatus.TRACED, VolumeStatus.BACKFILLED)
"""What became of volumes that have names."""


def detections_of(saved: "SavedSession") -> dict[int, Detections]:
    """Return what was found in each volume that was labeled; centers are stored voxels.

    Parameters
    ----------
    saved : SavedSession
        The session.

    Raises
    ------
    SessionError
        If the table is damaged.
    """
    n_rows = saved.n_detections
    table = {name: saved.read_detections(name, 0, n_rows) for name in _COLUMNS}
    starts, numbers = saved.read("detection_start"), saved.read("n_detections")
    found = {}
    for index in np.flatnonzero(np.isin(saved.status, LABELED)).tolist():
        rows = slice(int(starts[index]), int(starts[index]) + int(numbers[index]))
        found[index] = Detections(**{name: column[rows] for name, column in table.items()})
    return found
