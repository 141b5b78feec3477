from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from napari_acll.core import Detections, VolumeSpec, VoxelGrid
from napari_acll.simulate import Anatomy
from napari_acll.training import atlas_of, match_to_atlas

ANATOMY = Anatomy.load()
ATLAS = atlas_of(ANATOMY)
CLASSES = np.arange(1, len(ANATOMY.neurons) + 1)
TURNED = np.array([[1.0, 0, 0], [0, -0.96, 0.28], [0, -0.28, -0.96]])
"""The nose to the other side, 16 degrees off the axis."""


def average_animal(stretch=1.0):
    """Detections and truth of an animal that lies exactly where the atlas says."""
    place_um = (ATLAS.mean_um * stretch) @ TURNED.T + [40.0, 90.0, 140.0]
    n = len(place_um)
    found = replace(
        Detections.none(),
        centroid_px=(place_um / 0.5).astype(np.float32),
        n_voxels=np.ones(n, np.int32),
        neuron=np.zeros(n, np.int32),
        probability=np.zeros(n, np.float32),
        candidate_neuron=np.full((n, 5), -1, np.int32),
        candidate_probability=np.full((n, 5), np.nan, np.float32),
    )
    grid = VoxelGrid.as_stored((160, 360, 560), (0.5, 0.5, 0.5))
    truth = SimpleNamespace(centroid_px=place_um / 0.5, class_numbers=lambda _: CLASSES)
    volume = SimpleNamespace(spec=VolumeSpec(grid=grid, period_s=0.6))
    return found, SimpleNamespace(truth=truth, volume=volume)


def test_the_average_animal_is_named_by_its_places_alone():
    found, rendered = average_animal()
    named = match_to_atlas(found, rendered, ATLAS)
    assert (named.neuron == CLASSES).mean() > 0.95
    assert (named.candidate_neuron[:, 0] == CLASSES).mean() > 0.85


def test_no_name_is_given_twice():
    found, rendered = average_animal()
    neuron = match_to_atlas(found, rendered, ATLAS).neuron
    assert len(set(neuron[neuron > 0].tolist())) == (neuron > 0).sum()
