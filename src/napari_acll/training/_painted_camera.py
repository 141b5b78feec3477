"""What a camera of no particular make records of a painted volume, and what goes wrong."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Image = NDArray[np.float32]

_DAMAGED_SHARE = 0.3
_NARROW_SHARE = 0.25
_SATURATED_SHARE = 0.1


def record(signal: Image, *, thickness: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return counts of a camera.

    Parameters
    ----------
    signal : ndarray of float32, shape (Z, Y, X)
        Light, 1 in the middle of a median nucleus.
    thickness : int
        Slices that are seen as one.
    rng : numpy.random.Generator
        Decides illumination, light, noise, damage and range of the counts.
    """
    shape = (len(signal) // thickness, thickness, *signal.shape[1:])
    light = _unevenly_lit(signal.reshape(shape).mean(1), rng)
    gain = float(np.exp(rng.normal(4.9, 0.6)))
    counts = light * np.float32(gain) + np.float32(rng.uniform(0, 60))
    counts = _noisy(counts, rng)
    for _ in range(int(rng.integers(1, 4)) if rng.random() < _DAMAGED_SHARE else 0):
        _damage(counts, rng)
    if rng.random() < _NARROW_SHARE:
        return _narrowed(counts, rng)
    if rng.random() < _SATURATED_SHARE:
        counts = np.minimum(counts, np.float32(gain * rng.uniform(1.0, 3.0)))
    counts += np.float32(rng.uniform(60, 140))
    whole: NDArray[np.uint16] = np.clip(counts + 0.5, 0, 65535).astype(np.uint16)
    return whole


def _unevenly_lit(light: Image, rng: np.random.Generator) -> Image:
    """Return the light under an uneven lamp, dimmer with depth."""
    lit = light
    for axis, n in enumerate(light.shape):
        at = np.linspace(-1, 1, n)
        slope = rng.normal(0, 0.25 if axis == 0 else 0.12)
        profile = np.exp(slope * at - abs(rng.normal(0, 0.12)) * at**2)
        lit = lit * profile.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    return lit


def _noisy(counts: Image, rng: np.random.Generator) -> Image:
    """Return counts with shot noise, read noise, rows and hot pixels."""
    per_photon = rng.uniform(0.3, 3.5)
    variance = np.maximum(counts, 0) * np.float32(per_photon)
    variance += np.float32(np.exp(rng.uniform(np.log(1.0), np.log(18.0))) ** 2)
    noise = rng.standard_normal(counts.shape, np.float32)
    if rng.random() < 0.15:
        noise = gaussian_filter1d(noise, rng.uniform(0.3, 0.7), axis=2)
    noisy = counts + noise * np.sqrt(variance)
    if rng.random() < 0.3:
        rows = rng.normal(0, rng.uniform(0, 3), (*counts.shape[:2], 1))
        noisy += rows.astype(np.float32)
    if rng.random() < 0.3:
        n = int(rng.integers(1, 60))
        y, x = (rng.integers(0, size, n) for size in counts.shape[1:])
        noisy[:, y, x] += rng.exponential(60.0, n).astype(np.float32)
    return noisy


def _damage(counts: Image, rng: np.random.Generator) -> None:
    """Spoil one slice in place: lost, repeated, blurred, dim, or out of place."""
    at = int(rng.integers(1, len(counts) - 1))
    kind = int(rng.integers(5))
    if kind == 0:
        counts[at] = 0 if rng.random() < 0.5 else -100
    elif kind == 1:
        counts[at] = counts[at - 1]
    elif kind == 2:
        for axis in (0, 1):
            counts[at] = gaussian_filter1d(counts[at], rng.uniform(1.0, 3.0), axis=axis)
    elif kind == 3:
        counts[at] *= np.float32(rng.uniform(0.2, 0.7))
    else:
        shift = tuple(int(n) for n in rng.integers(-3, 4, 2))
        counts[at] = np.roll(counts[at], shift, (0, 1))


def _narrowed(counts: Image, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return counts of 8 bits with another gamma, background subtracted or not."""
    floor = float(np.median(counts[::2, ::2, ::2])) * float(rng.uniform(0, 1.2))
    top = float(np.partition(counts.ravel()[::7], -20)[-20]) * float(rng.uniform(0.6, 1.5))
    relative = np.clip((counts - floor) / max(top - floor, 1.0), 0, 1)
    narrow = relative ** np.float32(np.exp(rng.normal(0, 0.2)))
    whole: NDArray[np.uint16] = np.round(narrow * rng.uniform(60, 255)).astype(np.uint16)
    return whole
