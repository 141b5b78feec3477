"""Nuclei of posed animals as points, fast: what a network that names points is trained on."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_acll.simulate._anatomy import Anatomy, AnimalShape
from napari_acll.simulate._geometry import bend, body_nodes_um, rotation
from napari_acll.simulate._head import HeadSettings

Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseSettings:
    """How variable single volumes of moving animals are; SDs unless said otherwise.

    Parameters
    ----------
    heading_deg : float
        In-plane direction against the x axis (the head points to either side, evenly).
    roll_deg, pitch_deg : float
        Turns about the long axis (beside the 180 degrees of the two ways to lie) and out of plane.
    curvature_per_um : float
        Curvature of the body; 0.006 bends the 100 um of a head by 34 degrees.
    shear : float
        In-plane shift per um of depth, as motion during the sweep makes it.
    scale, stretch : float
        Log of size of the whole animal, and of each axis.
    """

    heading_deg: float = 12.0
    roll_deg: float = 10.0
    pitch_deg: float = 3.0
    curvature_per_um: float = 0.005
    shear: float = 0.10
    scale: float = 0.04
    stretch: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSample:
    """The nuclei of one animal in one volume.

    Parameters
    ----------
    position_um : ndarray of float64, shape (n, 3)
        `(z, y, x)` about the animal's center, posed.
    neuron : ndarray of int64, shape (n,)
        Row in `Anatomy.neurons` where the nucleus is listed, -1 where it is not.
    true_neuron : ndarray of int64, shape (n,)
        Row in `Anatomy.neurons`, listed or not; -1 for nameless nuclei.
    brightness : ndarray of float64, shape (n,)
        Marker brightness relative to the median neuron.
    radius_um : ndarray of float64, shape (n,)
        Nuclear radii.
    """

    position_um: NDArray[np.float64]
    neuron: NDArray[np.int64]
    true_neuron: NDArray[np.int64]
    brightness: NDArray[np.float64]
    radius_um: NDArray[np.float64]


def sample_points(
    anatomy: Anatomy,
    rng: np.random.Generator,
    *,
    pose: PoseSettings | None = None,
    head: HeadSettings | None = None,
) -> PointSample:
    """Return the nuclei of a new animal in a random pose."""
    return pose_points(anatomy, anatomy.sample(rng, head=head), rng, pose=pose)


def pose_points(
    anatomy: Anatomy,
    shape: AnimalShape,
    rng: np.random.Generator,
    *,
    pose: PoseSettings | None = None,
) -> PointSample:
    """Return the nuclei of a given animal in a random pose."""
    settings = pose or PoseSettings()
    rows = anatomy.numbers(shape.names)
    return PointSample(
        position_um=pose_positions(shape.position_um, rng, pose=settings),
        neuron=np.where(shape.is_listed, rows, -1),
        true_neuron=rows,
        brightness=shape.brightness,
        radius_um=shape.radius_um,
    )


def pose_positions(
    position_um: NDArray[np.float64], rng: np.random.Generator, *, pose: PoseSettings
) -> NDArray[np.float64]:
    """Return canonical positions `(n, 3)` stretched, bent, turned and sheared at random."""
    stretch = np.exp(rng.normal(0, pose.scale) + rng.normal(0, pose.stretch, 3))
    nodes = body_nodes_um()
    first, second = rng.normal(0, pose.curvature_per_um, 2)
    bent = bend(position_um * stretch, first * nodes + 0.5 * second * nodes**2 / 60.0)
    heading = np.deg2rad(rng.normal(0, pose.heading_deg)) + np.pi * rng.integers(2)
    roll = np.deg2rad(rng.normal(0, pose.roll_deg)) + np.pi * rng.integers(2)
    pitch = np.deg2rad(rng.normal(0, pose.pitch_deg))
    # the bend should lie in the imaging plane; rolling it by 180 degrees only turns its sign,
    # which is random anyway
    turned: NDArray[np.float64] = (bent - bent.mean(0)) @ rotation(heading, pitch, roll).T
    linear, curved = rng.normal(0, pose.shear, (2, 2))
    depth = turned[:, :1]
    turned[:, 1:] += linear * depth + curved * depth**2 / 20.0
    return turned
