"""Volumes that a voxel classifier learns from; each depends on its number alone."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, VoxelGrid
from napari_acll.simulate import Anatomy, WormSettings
from napari_acll.training._lab_data import LabData, open_lab_data
from napari_acll.training._lab_volume import LabVolume
from napari_acll.training._unet3d_settings import UNet3DTrainSettings
from napari_acll.training._volumes import RenderedVolume, random_settings, render_shape

_VOXEL_UM = (0.54, 0.54, 0.54)
_N_CACHED = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoxelSample:
    """One volume and what its voxels are.

    Parameters
    ----------
    image : ndarray of float32, shape (Z, Y, X)
        Marker counts above background.
    target : ndarray of int16, shape (Z, Y, X)
        Class of each voxel; the number of classes where it has no known name.
    weight : ndarray of float32, shape (Z, Y, X)
        What each voxel counts.
    used : ndarray of bool, shape (K,)
        Classes that a voxel without a known name cannot be.
    """

    image: NDArray[np.float32]
    target: NDArray[np.int16]
    weight: NDArray[np.float32]
    used: NDArray[np.bool_]

    def part(self, shape_px: tuple[int, int, int], rng: np.random.Generator) -> "VoxelSample":
        """Return a random part around a random voxel of a nucleus; never larger than the whole."""
        inside = np.flatnonzero(self.target)
        at = int(rng.choice(inside)) if len(inside) else self.target.size // 2
        middle = np.array(np.unravel_index(at, self.target.shape))
        size = np.minimum(shape_px, self.target.shape)
        shift = rng.uniform(-0.3, 0.3, 3) * size
        start = np.clip((middle + shift - size / 2).astype(int), 0, self.target.shape - size)
        z, y, x = (slice(a, a + n) for a, n in zip(start, size, strict=True))
        return replace(
            self,
            image=self.image[z, y, x],
            target=self.target[z, y, x],
            weight=self.weight[z, y, x],
        )


class VoxelSamples(Protocol):
    """Where volumes come from; picklable, for other processes may prepare them."""

    @property
    def neurons(self) -> NeuronTable:
        """The classes, without the background."""
        ...

    @property
    def n_validation(self) -> int:
        """Volumes on which the network is tried."""
        ...

    def training(self, index: int) -> VoxelSample:
        """Return volume 0, 1, ... of an endless sequence."""
        ...

    def validation(self, index: int) -> VoxelSample:
        """Return one of the volumes on which the network is tried."""
        ...


def samples_of(settings: UNet3DTrainSettings) -> VoxelSamples:
    """Return the volumes that settings ask for.

    Raises
    ------
    RecordingError
        If a file of the lab is missing, or there are no names.
    ModelError
        If the name table cannot be used.
    """
    if isinstance(settings.data, str):
        file = settings.anatomy_file
        return SimulatedSamples(settings, Anatomy.load(Path(file) if file else None))
    data = open_lab_data(settings.data)
    return LabSamples(settings, data, frozenset(settings.data.repeatable_names))


@dataclass(frozen=True)
class SimulatedSamples:
    """Volumes of ever new virtual worms, half of them on the usual rig, half on random ones.

    Parameters
    ----------
    settings : UNet3DTrainSettings
        Size of the volumes, weights, seed.
    anatomy : Anatomy
        Where the animals come from.
    """

    settings: UNet3DTrainSettings
    anatomy: Anatomy

    @property
    def neurons(self) -> NeuronTable:
        """All neurons of the anatomy."""
        return self.anatomy.neurons

    @property
    def n_validation(self) -> int:
        """As the settings say."""
        return self.settings.n_validation

    def training(self, index: int) -> VoxelSample:
        """Return the volume of a new animal."""
        return self._sample(np.random.default_rng([self.settings.seed, 31, index]))

    def validation(self, index: int) -> VoxelSample:
        """Return the volume of another new animal."""
        return self._sample(np.random.default_rng([self.settings.seed, 32, index]))

    def _sample(self, rng: np.random.Generator) -> VoxelSample:
        shape = self.anatomy.sample(rng)
        is_usual = rng.random() < 0.5
        rig = WormSettings(n_volumes=1) if is_usual else random_settings(rng)
        rig = replace(rig, grid=VoxelGrid.as_stored(self.settings.volume_px, _VOXEL_UM))
        rendered = render_shape(shape, rig, seed=int(rng.integers(2**31)))
        return sample_of_rendered(rendered, self.neurons, self.settings.foreground_weight)


def sample_of_rendered(
    rendered: RenderedVolume, neurons: NeuronTable, foreground_weight: float
) -> VoxelSample:
    """Return a rendered volume as a sample; nuclei that are no neuron are background."""
    classes = np.concatenate([[0], rendered.truth.class_numbers(neurons)]).astype(np.int16)
    is_inside = rendered.masks > 0
    return VoxelSample(
        image=above_background(rendered.volume.marker.astype(np.float32)),
        target=classes[rendered.masks],
        weight=np.where(is_inside, foreground_weight, 1.0).astype(np.float32),
        used=np.ones(len(neurons) + 1, np.bool_),
    )


def above_background(marker: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return counts above the median, as the labeler gives them to the network."""
    return marker - np.float32(np.median(marker))


@dataclass(frozen=True, eq=False)
class LabSamples:
    """Volumes of a lab, in a new order each time that all were seen.

    Parameters
    ----------
    settings : UNet3DTrainSettings
        Seed.
    data : LabData
        The volumes.
    repeatable : frozenset of str
        Classes that may stand more than once in a volume.
    """

    settings: UNet3DTrainSettings
    data: LabData
    repeatable: frozenset[str]

    @property
    def neurons(self) -> NeuronTable:
        """Names of the data."""
        return self.data.neurons

    @property
    def n_validation(self) -> int:
        """Volumes that are not learned from; 0 where the lab gave none."""
        return len(self.data.validation)

    def training(self, index: int) -> VoxelSample:
        """Return a volume to learn from."""
        epoch, at = divmod(index, len(self.data.train))
        rng = np.random.default_rng([self.settings.seed, 33, epoch])
        return _cached(self, True, int(rng.permutation(len(self.data.train))[at]))

    def validation(self, index: int) -> VoxelSample:
        """Return a volume that is not learned from."""
        return _cached(self, False, index)

    def read(self, index: int, *, is_training: bool) -> VoxelSample:
        """Return a volume, read from its files."""
        items = self.data.train if is_training else self.data.validation
        return sample_of_lab(self.data.load(items[index]), self.repeatable)


@lru_cache(maxsize=_N_CACHED)
def _cached(samples: LabSamples, is_training: bool, index: int) -> VoxelSample:
    return samples.read(index, is_training=is_training)


def sample_of_lab(volume: LabVolume, repeatable: frozenset[str]) -> VoxelSample:
    """Return a volume of a lab as a sample."""
    return VoxelSample(
        image=above_background(volume.marker),
        target=volume.classes.astype(np.int16),
        weight=volume.weight,
        used=volume.used_classes(repeatable),
    )
