"""What the detector finds in rendered volumes, with the truth beside it."""

from collections.abc import Iterable, Iterator

import numpy as np

from napari_acll.core import NeuronTable
from napari_acll.label import NucleusFinder, nucleus_table, prepare
from napari_acll.training._crops import MODEL_VOXEL_UM
from napari_acll.training._matching import match_nuclei
from napari_acll.training._point_batches import NamedNuclei
from napari_acll.training._volumes import RenderedVolume

_SAME_NUCLEUS_UM = 2.0
"""A detection farther from every true nucleus than this is clutter."""


def detect_rendered(
    finder: NucleusFinder, rendered: RenderedVolume, neurons: NeuronTable
) -> NamedNuclei:
    """Return the detections of one rendered volume and the true class of each."""
    spec = rendered.volume.spec
    prepared = prepare(
        rendered.volume.marker,
        background=0.0,
        voxel_um=spec.voxel_size_um,
        model_um=MODEL_VOXEL_UM,
    )
    found = finder.find(prepared)
    true_um = rendered.truth.centroid_px * np.asarray(spec.voxel_size_um)
    matched = match_nuclei(found.position_um, true_um, max_distance_um=_SAME_NUCLEUS_UM)
    classes = rendered.truth.class_numbers(neurons).astype(np.int64)
    return NamedNuclei(
        nuclei=nucleus_table(found), neuron=np.where(matched >= 0, classes[matched], 0)
    )


def detect_all(
    finder: NucleusFinder, volumes: Iterable[RenderedVolume], neurons: NeuronTable
) -> Iterator[NamedNuclei]:
    """Yield the detections of each volume in which there are some."""
    for rendered in volumes:
        sample = detect_rendered(finder, rendered, neurons)
        if len(sample.neuron):
            yield sample
