"""Rendered volumes of new animals, with everything that a detector is told about them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Volume, VoxelGrid
from napari_acll.simulate import (
    Anatomy,
    AnimalShape,
    HeadSettings,
    MotionSettings,
    OpticsSettings,
    Truth,
    VirtualWorm,
    WormSettings,
)

FIELD_UM = (43.2, 113.4, 173.9)
"""Extent of the original pipeline's volumes, 80 x 210 x 322 voxels of 0.54 um."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderedVolume:
    """One volume and what is true of it.

    Parameters
    ----------
    volume : Volume
        As the microscope would give it.
    truth : Truth
        Centers, names and brightness of all nuclei.
    masks : ndarray of uint16, shape (Z, Y, X)
        Row of the truth, plus 1, in the voxels of each nucleus.
    """

    volume: Volume
    truth: Truth
    masks: NDArray[np.uint16]


def render_shape(shape: AnimalShape, settings: WormSettings, *, seed: int) -> RenderedVolume:
    """Return the first volume of an animal."""
    worm = VirtualWorm(shape, settings, seed=seed)
    return RenderedVolume(volume=worm.render(0), truth=worm.truth(0), masks=worm.instance_masks(0))


def render_random(anatomy: Anatomy, rng: np.random.Generator) -> RenderedVolume:
    """Return a volume of a new animal on a rig like no other: light, blur and noise are drawn.

    What a detector learns on one rendering must hold on a real microscope, so the training sees
    more kinds of images than any one microscope makes.
    """
    shape = anatomy.sample(rng, head=HeadSettings.sample(rng))
    return render_shape(shape, random_settings(rng), seed=int(rng.integers(2**31)))


def random_settings(rng: np.random.Generator) -> WormSettings:
    """Return a random rig and a random way to move."""
    voxel = float(rng.uniform(0.46, 0.64))
    depth = voxel * float(rng.uniform(0.9, 1.1))
    size = (depth, voxel, voxel)
    z, y, x = (round(extent / step) for extent, step in zip(FIELD_UM, size, strict=True))
    return WormSettings(
        grid=VoxelGrid.as_stored((z, y, x), size),
        n_volumes=1,
        optics=_random_optics(rng),
        motion=_random_motion(rng),
        n_false_spots=int(rng.integers(0, 25)),
    )


def _random_optics(rng: np.random.Generator) -> OpticsSettings:
    default = OpticsSettings()
    blur_z, blur = rng.uniform(0.6, 1.3), rng.uniform(0.22, 0.5)

    def varied(value: float, sd: float) -> float:
        return float(value * np.exp(rng.normal(0, sd)))

    return OpticsSettings(
        marker_counts=varied(default.marker_counts, 0.6),
        psf_um=(float(blur_z), float(blur), float(blur)),
        background_counts=varied(default.background_counts, 0.5),
        read_noise_counts=varied(default.read_noise_counts, 0.4),
        counts_per_photon=varied(default.counts_per_photon, 0.4),
        haze=varied(default.haze, 0.5),
        autofluorescence_counts=varied(default.autofluorescence_counts, 0.7),
        bleed_through=float(rng.uniform(0.0, 0.15)),
    )


def _random_motion(rng: np.random.Generator) -> MotionSettings:
    default = MotionSettings()
    return MotionSettings(
        jitter_um=default.jitter_um * float(rng.uniform(0.2, 2.0)),
        curvature_per_um=default.curvature_per_um * float(rng.uniform(0.2, 1.8)),
        roll_deg=default.roll_deg * float(rng.uniform(0.3, 2.0)),
    )
