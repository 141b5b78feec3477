"""What a head looks like beside its nuclei: their texture, and what else in it glows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.simulate._kernels import GRAIN_SIZE

Floats = NDArray[np.float64]

USUAL_SHARPNESS = 5.0
"""A ball of a nucleus's size, blurred by the usual point spread function, falls off so."""
NOSE_UM = -60.0
BODY_RADIUS_UM = (15.0, 18.0)
"""Half the height and half the width of the body behind the nose, in z and y."""
BULBS_UM = ((-18.0, 8.0, 9.0), (32.0, 9.0, 10.0))
"""Place, half length and radius of the two bulbs of the pharynx."""
GUT_UM = (42.0, 125.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TissueSettings:
    """Texture of the nuclei, and structures that glow by themselves; neither by default.

    Parameters
    ----------
    sharpness : float
        How steeply a nucleus falls off at its border: 2 is about a Gaussian, 8 a flat top.
    nucleolus : float
        Depth of the dark nucleolus, from 0 to 1.
    rim : float
        How much brighter than its inside the border of a nucleus is.
    grain : float
        SD of the light within a nucleus.
    gut_counts, pharynx_counts, cuticle_counts : float
        Light of the gut's granules, of the pharynx and of the body's surface.
    """

    sharpness: float = USUAL_SHARPNESS
    nucleolus: float = 0.0
    rim: float = 0.0
    grain: float = 0.0
    gut_counts: float = 0.0
    pharynx_counts: float = 0.0
    cuticle_counts: float = 0.0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "TissueSettings":
        """Return one of many strains; a third have even nuclei, half no structure that glows."""
        is_even, is_dark = rng.random() < 0.33, rng.random() < 0.5
        texture = 0.0 if is_even else 1.0
        glow = rng.exponential(1.0, 3) * (not is_dark)
        return cls(
            sharpness=float(np.exp(rng.uniform(np.log(2.5), np.log(8.0)))),
            nucleolus=texture * float(rng.uniform(0.0, 0.7)),
            rim=texture * float(rng.uniform(0.0, 0.6)),
            grain=texture * float(rng.uniform(0.0, 0.35)),
            gut_counts=40.0 * float(glow[0]),
            pharynx_counts=12.0 * float(glow[1]),
            cuticle_counts=10.0 * float(glow[2]),
        )

    def textures(self, n: int, rng: np.random.Generator) -> Floats:
        """Return what distinguishes the nuclei, `(n, 6)`, or `(0, 6)` if they are even.

        Columns: place of the nucleolus in units of the semi-axes `(z, v, u)`, its depth, the
        strength of the rim, that of the grain.
        """
        strength = np.array([self.nucleolus, self.rim, self.grain])
        if not strength.any():
            return np.zeros((0, 6))
        place = rng.normal(0.0, 0.25, (n, 3))
        return np.concatenate([place, strength * rng.uniform(0.5, 1.2, (n, 3))], axis=1)

    def glow(self, rng: np.random.Generator) -> "Glow":
        """Return the structures of one animal."""
        parts = []
        if self.gut_counts > 0:
            parts.append(_gut(self.gut_counts, rng))
        if self.pharynx_counts > 0:
            parts.append(_pharynx(self.pharynx_counts, rng))
        if self.cuticle_counts > 0:
            parts.append(_cuticle(self.cuticle_counts, rng))
        return Glow.joined(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glow:
    """Soft points that together look like a structure.

    Parameters
    ----------
    position_um : ndarray of float64, shape (m, 3)
        `(z, y, x)` in the canonical frame.
    sigma_um : ndarray of float64, shape (m,)
        Size.
    counts : ndarray of float64, shape (m,)
        Light in the middle of each.
    """

    position_um: Floats
    sigma_um: Floats
    counts: Floats

    @classmethod
    def joined(cls, parts: "list[Glow]") -> "Glow":
        """Return several structures as one."""
        none = np.zeros(0)
        return cls(
            position_um=np.concatenate([np.zeros((0, 3)), *(part.position_um for part in parts)]),
            sigma_um=np.concatenate([none, *(part.sigma_um for part in parts)]),
            counts=np.concatenate([none, *(part.counts for part in parts)]),
        )


def grain_table() -> NDArray[np.float32]:
    """Return smooth noise of mean 0 and SD 1 that repeats itself, `(GRAIN_SIZE,) * 3`."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(21).standard_normal((GRAIN_SIZE,) * 3)
    smooth = gaussian_filter(noise, 1.0, mode="wrap")
    table: NDArray[np.float32] = ((smooth - smooth.mean()) / smooth.std()).astype(np.float32)
    return table


def _gut(counts: float, rng: np.random.Generator) -> Glow:
    """Return granules of all sizes in two rows of cells behind the pharynx."""
    n = int(rng.poisson(90))
    place = rng.normal(0.0, 4.0, (n, 3))
    place[:, 0] += rng.choice([-4.0, 4.0], n)
    place[:, 2] = rng.uniform(*GUT_UM, n)
    light = counts * np.exp(rng.normal(0.0, 0.8, n))
    return Glow(position_um=place, sigma_um=rng.uniform(0.8, 2.8, n), counts=light)


def _pharynx(counts: float, rng: np.random.Generator) -> Glow:
    """Return the wall of a tube with two bulbs."""
    x = np.arange(NOSE_UM + 4.0, GUT_UM[0], 2.0)
    radius = np.full(len(x), 4.0)
    for middle, half_length, bulb in BULBS_UM:
        radius += (bulb - 4.0) * np.exp(-0.5 * ((x - middle) / (0.6 * half_length)) ** 2)
    return _wall(x, np.stack([radius, radius], 1), 10, 2.2, 0.6 * counts, rng)


def _cuticle(counts: float, rng: np.random.Generator) -> Glow:
    """Return the surface of the body, pointed at the nose."""
    x = np.arange(NOSE_UM, 130.0, 3.0)
    share = np.sqrt(1.0 - np.exp(-(x - NOSE_UM + 1.0) / 25.0))
    return _wall(x, share[:, None] * np.array(BODY_RADIUS_UM), 28, 1.6, 0.6 * counts, rng)


def _wall(
    x: Floats, radius: Floats, n_around: int, sigma: float, counts: float, rng: np.random.Generator
) -> Glow:
    angle = np.linspace(0, 2 * np.pi, n_around, endpoint=False)
    z = radius[:, :1] * np.cos(angle)
    y = radius[:, 1:] * np.sin(angle)
    place = np.stack([z, y, np.broadcast_to(x[:, None], z.shape)], axis=-1).reshape(-1, 3)
    light = counts * np.exp(rng.normal(0.0, 0.4, len(place)))
    return Glow(
        position_um=place + rng.normal(0.0, 0.3, place.shape),
        sigma_um=np.full(len(place), sigma),
        counts=light,
    )
