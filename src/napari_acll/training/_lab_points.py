"""Labeled volumes of a lab as a point model learns from them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_acll.core import NeuronTable, Volume, VolumeSpec, VoxelGrid
from napari_acll.label import NucleusFinder, nucleus_table, prepare
from napari_acll.training._crops import MODEL_VOXEL_UM
from napari_acll.training._lab_volume import UNKNOWN, LabVolume
from napari_acll.training._matching import match_nuclei
from napari_acll.training._painted import PaintedVolume
from napari_acll.training._point_batches import IGNORED, NamedNuclei

_SAME_NUCLEUS_UM = 2.0
_PERIOD_S = 0.6


def painted(volume: LabVolume) -> PaintedVolume:
    """Return what a detector learns of a volume; masks and centers lie on the model's grid."""
    marker = _counts(volume.marker)
    shape = prepare(
        marker, background=0.0, voxel_um=volume.voxel_size_um, model_um=MODEL_VOXEL_UM
    ).image.shape
    center, _ = volume.nuclei()
    masks = volume.instances
    if shape != marker.shape:
        zoom = np.array(shape) / marker.shape
        masks = ndimage.zoom(masks, zoom, order=0, grid_mode=True, mode="nearest")
        center = (center + 0.5) * zoom - 0.5
    return PaintedVolume(
        marker=marker, voxel_size_um=volume.voxel_size_um, centroid_px=center, masks=masks
    )


def model_classes(
    volume: LabVolume, neurons: NeuronTable, repeatable: frozenset[str]
) -> NDArray[np.int64]:
    """Return the class number of each nucleus of `volume.nuclei()` in a model's table.

    Nuclei without a known name, and neurons that the model does not know, are `IGNORED`; those of
    a repeatable class, such as glia, are none of its neurons: 0.
    """
    known = {name: index + 1 for index, name in enumerate(neurons.names)}
    table = np.full(len(volume.neurons) + 1, IGNORED, np.int64)
    for index, name in enumerate(volume.neurons.names):
        table[index + 1] = 0 if name in repeatable else known.get(name, IGNORED)
    _, neuron = volume.nuclei()
    return np.where(neuron == UNKNOWN, IGNORED, table[np.maximum(neuron, 0)])


def detected(finder: NucleusFinder, volume: LabVolume, classes: NDArray[np.int64]) -> NamedNuclei:
    """Return what the detector finds in a volume and what it is.

    Parameters
    ----------
    finder : NucleusFinder
        Detector.
    volume : LabVolume
        One volume.
    classes : ndarray of int64, shape (n,)
        Of its nuclei, see `model_classes`.
    """
    prepared = prepare(
        _counts(volume.marker),
        background=0.0,
        voxel_um=volume.voxel_size_um,
        model_um=MODEL_VOXEL_UM,
    )
    found = finder.find(prepared)
    matched = matched_nuclei(volume, found.position_um)
    # where the annotators marked nothing, nothing is
    neuron = np.where(matched >= 0, np.append(classes, 0)[matched], 0)
    return NamedNuclei(nuclei=nucleus_table(found), neuron=neuron)


def matched_nuclei(volume: LabVolume, position_um: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the row of `volume.nuclei()` at each position, -1 where there is none."""
    center, _ = volume.nuclei()
    true_um = center * np.asarray(volume.voxel_size_um)
    return match_nuclei(position_um, true_um, max_distance_um=_SAME_NUCLEUS_UM)


def view(volume: LabVolume, rng: np.random.Generator) -> LabVolume:
    """Return the volume with more noise, in one case of two lying on its other side."""
    noise = 1.4826 * float(np.median(np.abs(volume.marker - np.median(volume.marker))))
    marker = volume.marker + rng.uniform(0, 0.7) * noise * rng.standard_normal(
        volume.marker.shape, np.float32
    )
    if rng.random() < 0.5:
        return replace(volume, marker=marker)
    return replace(
        volume,
        marker=marker[::-1, ::-1],
        classes=volume.classes[::-1, ::-1],
        weight=volume.weight[::-1, ::-1],
        instances=volume.instances[::-1, ::-1],
    )


def as_volume(volume: LabVolume) -> Volume:
    """Return a volume as a labeler takes it, its background measured."""
    marker = _counts(volume.marker)
    grid = VoxelGrid.as_stored(marker.shape, volume.voxel_size_um)
    return Volume(
        index=0,
        timestamp_s=0.0,
        marker=marker,
        activity=marker,
        spec=VolumeSpec(grid=grid, period_s=_PERIOD_S, n_volumes=1),
        slice_times_s=np.linspace(0, _PERIOD_S, len(marker)),
        marker_background=float(np.median(marker)),
        activity_background=float(np.median(marker)),
    )


def _counts(marker: NDArray[np.float32]) -> NDArray[np.uint32]:
    return np.clip(np.rint(marker), 0, np.iinfo(np.uint32).max).astype(np.uint32)
