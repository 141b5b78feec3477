"""Small recordings of which everything is known; voxels of 1 um."""

import numpy as np

from napari_acll.core import Detections, NeuronTable, VolumeSpec, VoxelGrid
from napari_acll.evaluation import GivenNames, TrueNuclei

NEURONS = NeuronTable(("AVAL", "AVAR", "RIML", "RIMR", "ALA"))
SHAPE = (12, 60, 60)
GRID = VoxelGrid.as_stored(SHAPE, (1.0, 1.0, 1.0))
SPEC = VolumeSpec(grid=GRID, period_s=0.6)
PLACES = {
    "AVAL": (5, 10, 10),
    "AVAR": (5, 50, 10),
    "RIML": (5, 10, 15),
    "RIMR": (5, 50, 40),
    "ALA": (5, 30, 50),
}
HERE = (5, 30, 20)
"""A place where no neuron is."""


def truth(rows, *, is_complete=True, **changes):
    """Rows of (volume, name, place) or (volume, name, place, is_listed)."""
    rows = [(*row, row[1] != "")[:4] if len(row) == 3 else row for row in rows]
    n = len(rows)
    fields = {
        "volume": np.array([row[0] for row in rows]),
        "name": np.array([row[1] for row in rows], np.str_),
        "position": np.array([row[2] for row in rows], float).reshape(n, 3),
        "is_in_um": False,
        "is_listed": np.array([row[3] for row in rows], bool),
        "is_complete": is_complete,
        "ratio": np.full(n, np.nan),
        "instance": np.zeros(n, np.int64),
    }
    return TrueNuclei(**{**fields, **changes})


def detections(rows):
    """Rows of (name or "", probability, place) or with more candidates as a fourth."""
    n = len(rows)
    number = {"": 0, **{name: index + 1 for index, name in enumerate(NEURONS.names)}}
    candidate = np.full((n, 5), -1, np.int32)
    for index, row in enumerate(rows):
        names = row[3] if len(row) > 3 else [row[0]]
        candidate[index, : len(names)] = [number[name] for name in names]
    return Detections(
        centroid_px=np.array([row[2] for row in rows], np.float32).reshape(n, 3),
        n_voxels=np.ones(n, np.int32),
        neuron=np.array([number[row[0]] for row in rows], np.int32),
        probability=np.array([row[1] for row in rows], np.float32),
        candidate_neuron=candidate,
        candidate_probability=np.where(candidate >= 0, 0.2, np.nan).astype(np.float32),
    )


def given(*volumes, animal="worm"):
    """What was said about volumes 0, 1, ..."""
    parts = [(index, detections(rows)) for index, rows in enumerate(volumes)]
    return GivenNames.from_detections(parts, NEURONS, SPEC, animal=animal)


def all_right(n_volumes=1, probability=0.9, animal="worm"):
    """A labeler that makes no mistake, and what is true."""
    said = [[(name, probability, place) for name, place in PLACES.items()]] * n_volumes
    rows = [(v, name, place) for v in range(n_volumes) for name, place in PLACES.items()]
    return given(*said, animal=animal), truth(rows)
