"""Rendered volumes of new animals, with everything that a detector is told about them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Volume
from napari_acll.simulate import (
    Anatomy,
    AnimalShape,
    HeadSettings,
    Truth,
    VirtualWorm,
    WormSettings,
)


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
    """Return a random rig, a random way to move, and what goes wrong."""
    return WormSettings.sample(rng)
