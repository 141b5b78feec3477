"""What the detector finds in rendered volumes, with the truth beside it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from napari_acll.core import NeuronTable
from napari_acll.label import NucleusFinder, nucleus_table, prepare
from napari_acll.training._crops import MODEL_VOXEL_UM
from napari_acll.training._matching import match_nuclei
from napari_acll.training._point_batches import IGNORED, NamedNuclei
from napari_acll.training._real_animals import true_classes
from napari_acll.training._volumes import RenderedVolume

_HIDDEN_SHARE = 0.9
_SAME_NUCLEUS_UM = 2.0
"""A detection farther from every true nucleus than this is clutter."""


def detect_rendered(
    finder: NucleusFinder, rendered: RenderedVolume, neurons: NeuronTable
) -> NamedNuclei:
    """Return the detections of one rendered volume, what each is, and whether it is listed."""
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
    classes = true_classes(rendered.truth, neurons, IGNORED)
    is_listed = rendered.truth.is_listed & (classes > 0)
    return NamedNuclei(
        nuclei=nucleus_table(found),
        neuron=np.where(matched >= 0, classes[matched], 0),
        is_listed=(matched >= 0) & is_listed[matched],
    )


def unlisted_hidden(sample: NamedNuclei, rng: np.random.Generator) -> NamedNuclei:
    """Return detections in which neurons that no annotator would have listed are nameless.

    Parameters
    ----------
    sample : NamedNuclei
        Detections of which it is known what is listed.
    rng : numpy.random.Generator
        Decides which few keep their name.
    """
    is_hidden = (sample.neuron > 0) & (rng.random(len(sample.neuron)) < _HIDDEN_SHARE)
    if sample.is_listed is not None:
        is_hidden &= ~sample.is_listed
    return replace(sample, neuron=np.where(is_hidden, 0, sample.neuron))


def detect_all(
    finder: NucleusFinder, volumes: Iterable[RenderedVolume], neurons: NeuronTable
) -> Iterator[NamedNuclei]:
    """Yield the detections of each volume in which there are some."""
    for rendered in volumes:
        sample = detect_rendered(finder, rendered, neurons)
        if len(sample.neuron):
            yield sample
