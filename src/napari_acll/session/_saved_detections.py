"""The detections of all volumes of a session, read at once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_acll.core import Detections, VolumeStatus

if TYPE_CHECKING:
    from napari_acll.export import SavedSession

_COLUMNS = {name: name for name in Detections.__dataclass_fields__}
_SAID = {name: f"model_{name}" for name in ("candidate_neuron", "candidate_probability")}
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
    return _of_volumes(saved, _COLUMNS)


def said_of(saved: "SavedSession") -> dict[int, Detections]:
    """Return the same names, but with the candidates that the model saw in each volume by itself.

    What identities over time made of them has seen the other volumes already.

    Parameters
    ----------
    saved : SavedSession
        The session.

    Raises
    ------
    SessionError
        If the table is damaged.
    """
    return _of_volumes(saved, {**_COLUMNS, **_SAID})


def _of_volumes(saved: "SavedSession", columns: Mapping[str, str]) -> dict[int, Detections]:
    n_rows = saved.n_detections
    table = {name: saved.read_detections(column, 0, n_rows) for name, column in columns.items()}
    starts, numbers = saved.read("detection_start"), saved.read("n_detections")
    found = {}
    for index in np.flatnonzero(np.isin(saved.status, LABELED)).tolist():
        rows = slice(int(starts[index]), int(starts[index]) + int(numbers[index]))
        found[index] = Detections(**{name: column[rows] for name, column in table.items()})
    return found
