"""What goes wrong while a microscope records."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

SATURATING_COUNTS = 2e5


@dataclass(frozen=True, slots=True, kw_only=True)
class DefectSettings:
    """How often what goes wrong; chances per volume unless said otherwise.

    The kinds are those that Lee et al. train their segmentation of electron micrographs with.

    Parameters
    ----------
    missing_slice, blurred_slice, saturated_slice, repeated_slice : float
        Chance that one to three neighboring slices are so.
    bubble : float
        Chance that an air bubble darkens a part of the field.
    stage_jumps_per_min : float
        Sudden moves of the stage by some 10 um.

    References
    ----------
    Lee et al., Superhuman accuracy on the SNEMI3D connectomics challenge, arXiv:1706.00120.
    """

    missing_slice: float = 0.0
    blurred_slice: float = 0.0
    saturated_slice: float = 0.0
    repeated_slice: float = 0.0
    bubble: float = 0.0
    stage_jumps_per_min: float = 0.0

    @classmethod
    def typical(cls) -> "DefectSettings":
        """Return a recording in which something goes wrong in every fifth volume or so."""
        return cls(
            missing_slice=0.05,
            blurred_slice=0.05,
            saturated_slice=0.02,
            repeated_slice=0.05,
            bubble=0.03,
            stage_jumps_per_min=2.0,
        )

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "DefectSettings":
        """Return defects for a single volume; in about three of ten something goes wrong."""
        chance = float(rng.choice([0.0, 0.15], p=[0.5, 0.5]))
        return cls(
            missing_slice=chance,
            blurred_slice=chance,
            saturated_slice=0.3 * chance,
            repeated_slice=chance,
            bubble=0.5 * chance,
            # per minute, but a volume takes half a second only
            stage_jumps_per_min=60.0 * chance,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Defects:
    """What went wrong in one volume.

    Parameters
    ----------
    missing_z, blurred_z, saturated_z, repeated_z : tuple of int
        The slices concerned; a repeated slice shows what the slice before it shows.
    bubble_px : tuple of float, optional
        `(y, x, radius)` of an air bubble.
    """

    missing_z: tuple[int, ...] = ()
    blurred_z: tuple[int, ...] = ()
    saturated_z: tuple[int, ...] = ()
    repeated_z: tuple[int, ...] = ()
    bubble_px: tuple[float, float, float] | None = None


def sample_defects(
    settings: DefectSettings, shape: tuple[int, int, int], rng: np.random.Generator
) -> Defects:
    """Return what goes wrong in one volume of this shape."""
    n_z, n_y, n_x = shape

    def run(chance: float) -> tuple[int, ...]:
        happens = rng.random() < chance
        first, length = int(rng.integers(1, max(n_z, 2))), int(rng.integers(1, 4))
        return tuple(range(first, min(first + length, n_z))) if happens else ()

    slices = [
        run(chance)
        for chance in (
            settings.missing_slice,
            settings.blurred_slice,
            settings.saturated_slice,
            settings.repeated_slice,
        )
    ]
    place = (rng.uniform(0, n_y), rng.uniform(0, n_x), rng.uniform(0.08, 0.2) * n_x)
    return Defects(
        missing_z=slices[0],
        blurred_z=slices[1],
        saturated_z=slices[2],
        repeated_z=slices[3],
        bubble_px=place if rng.random() < settings.bubble else None,
    )


def spoil(signal: Image, defects: Defects) -> None:
    """Change the expected light of a volume in place, before the camera."""
    from scipy.ndimage import gaussian_filter

    for z in defects.repeated_z:
        signal[z] = signal[z - 1]
    for z in defects.blurred_z:
        signal[z] = gaussian_filter(signal[z], 4.0)
    if defects.bubble_px is not None:
        y, x, radius = defects.bubble_px
        rows, columns = np.ogrid[: signal.shape[1], : signal.shape[2]]
        distance = np.hypot(rows - y, columns - x) / radius
        signal *= (0.25 + 0.75 / (1 + np.exp(-12 * (distance - 1)))).astype(np.float32)
    for z in defects.saturated_z:
        signal[z] += SATURATING_COUNTS
