"""Volumes with Gaussian nuclei of known light, for tests of trace estimators."""

import numpy as np

from napari_acll.core import (
    Detections,
    LabeledVolume,
    NeuronTable,
    Volume,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.trace._footprints import NUCLEUS_SIGMA_UM

SHAPE = (20, 40, 60)
VOXEL_UM = (1.0, 0.5, 0.5)
SPEC = VolumeSpec(grid=VoxelGrid.as_stored(SHAPE, VOXEL_UM), period_s=0.6)
BACKGROUND = 120.0
GAIN = 2.0
READ_NOISE = 6.0


def neurons(n: int) -> NeuronTable:
    return NeuronTable(tuple(f"N{number:02d}" for number in range(n)))


def grid_of_centers(n: int) -> np.ndarray:
    """Centers too far apart to touch."""
    z, y, x = np.meshgrid([5.0, 14.0], [7.0, 20.0, 33.0], [8.0, 23.0, 38.0, 53.0], indexing="ij")
    return np.stack([z.ravel(), y.ravel(), x.ravel()], axis=1)[:n]


def light_of(center_px: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Expected counts above background of blurred nuclei."""
    position = np.stack(np.indices(SHAPE), axis=-1).astype(float)
    light = np.zeros(SHAPE)
    for center, counts in zip(center_px, height, strict=True):
        away_um = (position - center) * VOXEL_UM / np.array(NUCLEUS_SIGMA_UM)
        light += counts * np.exp(-0.5 * (away_um**2).sum(axis=-1))
    return light


def volume_of(
    marker: np.ndarray, activity: np.ndarray, *, index: int = 0, rng=None, **fields
) -> Volume:
    """A volume of this light; with a generator, with the noise of a camera."""

    def counts(light):
        if rng is None:
            return np.rint(light + BACKGROUND).astype(np.uint16)
        photons = rng.poisson(np.maximum(light + 20.0, 0) / GAIN) * GAIN
        noise = rng.normal(0, READ_NOISE, SHAPE)
        return np.clip(np.rint(photons + BACKGROUND - 20.0 + noise), 0, 65535).astype(np.uint16)

    return Volume(
        index=index,
        timestamp_s=0.6 * index,
        marker=counts(marker),
        activity=counts(activity),
        spec=SPEC,
        slice_times_s=0.6 * index + 0.01 * np.arange(SHAPE[0]),
        marker_background=BACKGROUND,
        activity_background=BACKGROUND,
        **fields,
    )


def labeled_of(volume: Volume, center_px: np.ndarray, *, radius_px=(2, 2, 2)) -> LabeledVolume:
    """Ellipsoids around the centers; the first one that is named keeps a voxel."""
    instances = np.zeros(SHAPE, np.uint16)
    position = np.stack(np.indices(SHAPE), axis=-1)
    for row, center in reversed(list(enumerate(center_px))):
        inside = (((position - center) / np.array(radius_px)) ** 2).sum(axis=-1) <= 1.0
        instances[inside] = row + 1
    n = len(center_px)
    return LabeledVolume(
        index=volume.index,
        spec=volume.spec,
        instances=instances,
        detections=Detections(
            centroid_px=center_px.astype(np.float32),
            n_voxels=np.bincount(instances.ravel(), minlength=n + 1)[1:].astype(np.int32),
            neuron=np.arange(1, n + 1, dtype=np.int32),
            probability=np.full(n, 0.9, np.float32),
            candidate_neuron=np.zeros((n, 5), np.int32),
            candidate_probability=np.zeros((n, 5), np.float32),
        ),
    )
