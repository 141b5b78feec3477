"""Volumes painted after no particular microscope, so that the detector trusts none.

Beside the virtual worm, which is as like life as we could make it, the detector sees these: the
same heads, but the profile of a nucleus, tissue, light, noise and damage are drawn from wide
ranges, as in domain randomization (Tobin et al., IROS 2017; Billot et al., SynthSeg, 2023).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_acll.simulate import Anatomy, AnimalShape, HeadSettings
from napari_acll.training._paint_kernels import add_smooth, paint_blobs, paint_masks
from napari_acll.training._painted_camera import record

Floats = NDArray[np.float64]

_LEAST_PX = (24, 48, 64)
_LARGEST_PX = (84, 212, 324)
_HALF_PER_SD = 1.15
"""A Gaussian has fallen to a half at so many SD, about."""
_STEP_PX = 4
_TEXTURE_PX = (24, 48, 48)
_THICK_SHARE = 0.12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaintedVolume:
    """One marker volume and where its nuclei are.

    Parameters
    ----------
    marker : ndarray of unsigned int, shape (z, Y, X)
        Counts; slices may be thicker than those of the masks.
    voxel_size_um : tuple of float
        Of the marker, `(Z, Y, X)`.
    centroid_px : ndarray of float64, shape (n, 3)
        Centers inside the volume, in voxels of the masks.
    masks : ndarray of uint16, shape (Z, Y, X)
        Not 0 inside nuclei.
    """

    marker: NDArray[np.unsignedinteger]
    voxel_size_um: tuple[float, float, float]
    centroid_px: Floats
    masks: NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Blobs:
    """What shines, in um."""

    position_um: Floats
    radius_um: Floats
    light: Floats

    def __len__(self) -> int:
        return len(self.light)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sweep:
    """Where the slices of the volume lie, and where the animal is at each of them."""

    shape: tuple[int, int, int]
    voxel_um: Floats
    start_px: Floats
    shift_px: Floats

    def paths_px(self, position_um: Floats) -> Floats:
        """Return places as each slice sees them, `(Z, n, 3)`."""
        at_rest = position_um / self.voxel_um - self.start_px
        moved: Floats = at_rest[None] + self.shift_px[:, None]
        return moved


def paint_random(anatomy: Anatomy, rng: np.random.Generator) -> PaintedVolume:
    """Return a volume of a new animal with a look of its own."""
    voxel_um, thickness = _voxel(rng)
    nuclei = _nuclei(anatomy.sample(rng, head=HeadSettings.sample(rng)), rng)
    sweep = _sweep(nuclei.position_um / voxel_um, voxel_um, thickness, rng)
    path_px = sweep.paths_px(nuclei.position_um)
    axes_px = nuclei.radius_um[:, None] * np.exp(rng.normal(0, 0.1, (len(nuclei), 3))) / voxel_um
    tilt = rng.uniform(0, np.pi, len(nuclei))
    masks = np.zeros(sweep.shape, np.uint16)
    paint_masks(masks, path_px, axes_px, tilt)
    signal = _light(nuclei, axes_px, tilt, sweep, rng)
    z, y, x = (float(size) for size in voxel_um)
    return PaintedVolume(
        marker=record(signal, thickness=thickness, rng=rng),
        voxel_size_um=(z * thickness, y, x),
        centroid_px=_inside(path_px, sweep.shape),
        masks=masks,
    )


def _voxel(rng: np.random.Generator) -> tuple[Floats, int]:
    """Return the voxel size, and how many slices are seen as one."""
    if rng.random() < _THICK_SHARE:
        return np.full(3, 0.54), int(rng.integers(2, 4))
    size = rng.uniform(0.45, 0.65)
    return np.array([size * rng.uniform(0.93, 1.06), size, size]), 1


def _nuclei(animal: AnimalShape, rng: np.random.Generator) -> _Blobs:
    """Return the nuclei of an animal in a pose, every other time not all of them."""
    kept = rng.random(len(animal)) < (1.0 if rng.random() < 0.5 else rng.uniform(0.3, 1.0))
    kept[rng.integers(len(animal))] = True
    n = int(kept.sum())
    return _Blobs(
        position_um=_posed(animal.position_um[kept], rng) * rng.uniform(0.97, 1.15),
        radius_um=animal.radius_um[kept] * rng.uniform(0.8, 1.2) * np.exp(rng.normal(0, 0.08, n)),
        light=animal.brightness[kept] ** rng.uniform(0.6, 1.2) * np.exp(rng.normal(0, 0.2, n)),
    )


def _posed(position_um: Floats, rng: np.random.Generator) -> Floats:
    """Return positions rolled by any angle, bent and turned in the plane."""
    z, y, x = (position_um - position_um.mean(0)).T
    y, z = _turned(y, z, rng.uniform(0, 2 * np.pi))
    y = y + rng.normal(0, 0.004) * x**2 + rng.normal(0, 2.0) * np.sin(x / rng.uniform(12, 40))
    x, z = _turned(x, z, rng.normal(0, 0.06))
    x, y = _turned(x, y, rng.normal(0, 0.25))
    return np.stack([z, y, x], axis=1)


def _turned(a: Floats, b: Floats, angle_rad: float) -> tuple[Floats, Floats]:
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return cos * a - sin * b, sin * a + cos * b


def _sweep(
    position_px: Floats, voxel_um: Floats, thickness: int, rng: np.random.Generator
) -> _Sweep:
    """Return a field around the animal; some animals are cut off."""
    margin = rng.uniform((-2, 4, -25), (12, 40, 60), (3,))
    low, high = position_px.min(0) - margin, position_px.max(0) + margin
    size = np.clip(np.ceil(high - low).astype(int), _LEAST_PX, _LARGEST_PX)
    size[0] -= size[0] % thickness
    z, y, x = (int(n) for n in size)
    return _Sweep(
        shape=(z, y, x),
        voxel_um=voxel_um,
        start_px=(low + high - size) / 2 + rng.uniform(-2, 2, 3),
        shift_px=_slice_shifts(z, rng) / voxel_um,
    )


def _slice_shifts(n_z: int, rng: np.random.Generator) -> Floats:
    """Return how far the animal has moved at each slice, um, shape (Z, 3)."""
    strength = np.exp(rng.normal(-2.6, 0.8))
    walk = np.cumsum(rng.normal(0, strength, (n_z, 3)), axis=0)
    even = np.arange(n_z)[:, None] * rng.normal(0, strength / 3, 3)
    shift = walk + even
    shift[:, 0] *= 0.2
    centered: Floats = shift - shift[n_z // 2]
    return centered


def _inside(path_px: Floats, shape: tuple[int, int, int]) -> Floats:
    """Return centers where the sweep meets them, without those outside the volume."""
    middle = path_px[shape[0] // 2, :, 0]
    at = np.clip(np.round(middle).astype(int), 0, shape[0] - 1)
    met: Floats = path_px[at, np.arange(len(at))]
    return met[((met >= 0) & (met <= np.array(shape) - 1)).all(1)]


def _light(
    nuclei: _Blobs, axes_px: Floats, tilt: Floats, sweep: _Sweep, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the light of everything, relative to the middle of a median nucleus."""
    image = np.zeros(sweep.shape, np.float32)
    path_px = sweep.paths_px(nuclei.position_um)
    middle_px = path_px[sweep.shape[0] // 2]
    psf_px = np.array([rng.uniform(0.5, 1.4), *[rng.uniform(0.15, 0.5)] * 2]) / sweep.voxel_um
    texture = _texture(rng)
    blur = _HALF_PER_SD * _deeper(psf_px, middle_px[:, :1] / sweep.shape[0], rng)
    half = np.hypot(axes_px * rng.uniform(0.75, 1.05), blur)
    dimmed = (axes_px / half).prod(1) ** rng.uniform(0.2, 1.0)
    look = _profile(len(nuclei), rng)
    paint_blobs(image, path_px, half, tilt, nuclei.light * dimmed, look, texture)
    for blobs, grain in ((_granules(nuclei, rng), 0.0), (_organs(nuclei, rng), 0.8)):
        half = np.hypot(blobs.radius_um[:, None] / sweep.voxel_um, _HALF_PER_SD * psf_px)
        look = np.tile([rng.uniform(2, 6), 0.0, grain], (len(blobs), 1))
        path_px = sweep.paths_px(blobs.position_um)
        paint_blobs(image, path_px, half, np.zeros(len(blobs)), blobs.light, look, texture)
    add_smooth(image, _tissue(nuclei, middle_px, sweep.shape, rng), _STEP_PX)
    return image


def _deeper(psf_px: Floats, depth: Floats, rng: np.random.Generator) -> Floats:
    """Return the blur at each nucleus, `(n, 3)`: what lies deeper is less sharp."""
    seen_from_above = np.clip(depth if rng.random() < 0.5 else 1 - depth, 0, 1)
    blur: Floats = psf_px * (1 + rng.uniform(0, 0.5) * seen_from_above)
    return blur


def _texture(rng: np.random.Generator) -> NDArray[np.float32]:
    grain = gaussian_filter(
        rng.standard_normal(_TEXTURE_PX, np.float32), rng.uniform(0.5, 1.3), mode="wrap"
    )
    unit: NDArray[np.float32] = grain / grain.std()
    return unit


def _profile(n: int, rng: np.random.Generator) -> Floats:
    """Return exponent, nucleolus and texture of each nucleus."""
    exponent = np.exp(rng.uniform(np.log(2.0), np.log(9.0)) + rng.normal(0, 0.1, n))
    is_hollow = rng.random(n) < (rng.uniform(0, 1) if rng.random() < 0.5 else 0.0)
    hollow = is_hollow * rng.uniform(0, 0.6)
    grain = np.full(n, rng.uniform(0, 0.35) if rng.random() < 0.5 else 0.0)
    return np.stack([np.maximum(exponent, 2.0), hollow, grain], axis=1)


def _granules(nuclei: _Blobs, rng: np.random.Generator) -> _Blobs:
    """Return small bright spots that are no nuclei."""
    n = int(rng.integers(0, 60)) if rng.random() < 0.7 else 0
    beside = nuclei.position_um[rng.integers(0, len(nuclei), n)]
    return _Blobs(
        position_um=beside + rng.normal(0, 6.0, (n, 3)),
        radius_um=rng.uniform(0.15, 0.5, n),
        light=rng.uniform(0.2, 1.2) * np.exp(rng.normal(0, 0.5, n)),
    )


def _organs(nuclei: _Blobs, rng: np.random.Generator) -> _Blobs:
    """Return dim masses much larger than nuclei: pharynx, gut."""
    n = int(rng.integers(0, 8)) if rng.random() < 0.6 else 0
    beside = nuclei.position_um[rng.integers(0, len(nuclei), n)]
    return _Blobs(
        position_um=beside + rng.normal(0, 3.0, (n, 3)),
        radius_um=rng.uniform(4.0, 10.0, n),
        light=rng.uniform(0.02, 0.2) * np.exp(rng.normal(0, 0.4, n)),
    )


def _tissue(
    nuclei: _Blobs, center_px: Floats, shape: tuple[int, int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return haze of the nuclei, glow of the body and its rim, on a coarse grid."""
    size = tuple(n // _STEP_PX + 3 for n in shape)
    at = np.clip(np.round(center_px / _STEP_PX).astype(int), 0, np.array(size) - 1)
    light = np.zeros(size, np.float32)
    np.add.at(light, tuple(at.T), nuclei.light.astype(np.float32))
    haze = gaussian_filter(light, rng.uniform(0.8, 3.0))
    density = gaussian_filter((light > 0).astype(np.float32), rng.uniform(2.0, 4.0))
    body = np.minimum(density / max(float(density.max()), 1e-9) * rng.uniform(1.2, 4.0), 1.0)
    cloud = gaussian_filter(rng.standard_normal(size, np.float32), rng.uniform(0.7, 2.0))
    cloud /= max(float(cloud.std()), 1e-9)
    glow = body * np.maximum(1 + rng.uniform(0, 0.6) * cloud, 0) * _sometimes(0.25, rng)
    rim = np.exp(-(((body - 0.4) / 0.15) ** 2)) * (
        _sometimes(0.2, rng) if rng.random() < 0.4 else 0
    )
    haze *= rng.uniform(0, 0.35) / max(float(haze.max()), 1e-9)
    coarse: NDArray[np.float32] = (haze + glow + rim).astype(np.float32)
    return coarse


def _sometimes(largest: float, rng: np.random.Generator) -> float:
    """Return an amount that is more often small than large."""
    return largest * float(rng.random()) ** 2
