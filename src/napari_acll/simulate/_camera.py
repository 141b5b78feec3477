"""From light to counts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.simulate._kernels import N_NORMALS, to_counts
from napari_acll.simulate._optics import BINNED_PIXEL_UM, OpticsSettings

GAMMA_LEVEL = 600.0
"""Counts that a gamma other than 1 leaves as they are."""
MOST_COUNTS = 65535.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """What cameras, and programs that export their images, do beside offset and noise.

    Nothing by default. Offset, shot noise and read noise are in `OpticsSettings`.

    Parameters
    ----------
    row_noise_counts : float
        SD of the offset of each row of each slice.
    hot_pixels : float
        Part of the pixels that are bright in the dark, in every slice.
    gamma : float
        Exponent of the counts; below 1 what is dim is lifted.
    gain : float
        Factor of the counts.
    most_counts : float
        Counts above this are cut off. A gain of 0.2 with 255 gives the 8-bit images that
        some programs export.
    """

    row_noise_counts: float = 0.0
    hot_pixels: float = 0.0
    gamma: float = 1.0
    gain: float = 1.0
    most_counts: float = MOST_COUNTS

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "CameraSettings":
        """Return one of many cameras, half of which do nothing unusual."""
        if rng.random() < 0.5:
            return cls()
        is_8_bit = rng.random() < 0.25
        return cls(
            row_noise_counts=float(rng.uniform(0.0, 4.0)) * bool(rng.random() < 0.5),
            hot_pixels=float(10 ** rng.uniform(-5.0, -3.3)) * bool(rng.random() < 0.5),
            gamma=float(np.exp(rng.normal(0.0, 0.15))) if rng.random() < 0.4 else 1.0,
            gain=float(rng.uniform(0.06, 0.2) if is_8_bit else np.exp(rng.normal(0.0, 0.5))),
            most_counts=255.0 if is_8_bit else MOST_COUNTS,
        )


class Camera:
    """Turns expected counts into recorded ones.

    Parameters
    ----------
    optics : OpticsSettings
        Offset and noise.
    settings : CameraSettings
        What else it does.
    pixel_um : float
        Lateral pixel size; the read noise is that of so large a pixel.
    seed : int
        Decides where hot pixels are.
    """

    def __init__(
        self,
        optics: OpticsSettings,
        settings: CameraSettings | None = None,
        *,
        pixel_um: float,
        seed: int = 0,
    ) -> None:
        self._optics = optics
        self._settings = settings or CameraSettings()
        self._seed = seed
        self._read_noise = optics.read_noise_counts * pixel_um / BINNED_PIXEL_UM
        table = np.random.default_rng(20).standard_normal(N_NORMALS)
        self._normals = ((table - table.mean()) / table.std()).astype(np.float32)
        self._curve = _curve(self._settings)

    def record(self, signal: NDArray[np.float32], *, key: int) -> NDArray[np.uint16]:
        """Return counts; the same key gives the same noise."""
        counts = np.empty(signal.shape, np.uint16)
        optics = self._optics
        if self._settings.hot_pixels > 0:
            self._add_hot_pixels(signal)
        to_counts(
            signal,
            counts,
            self._normals,
            key,
            optics.offset_counts,
            optics.counts_per_photon,
            self._read_noise,
            self._settings.row_noise_counts,
        )
        return counts if self._curve is None else self._curve[counts]

    def _add_hot_pixels(self, signal: NDArray[np.float32]) -> None:
        rng = np.random.default_rng([self._seed, 6])
        _, n_y, n_x = signal.shape
        n = rng.poisson(self._settings.hot_pixels * n_y * n_x)
        y, x = rng.integers(0, n_y, n), rng.integers(0, n_x, n)
        signal[:, y, x] += np.exp(rng.normal(5.0, 1.0, n)).astype(np.float32)


def _curve(settings: CameraSettings) -> NDArray[np.uint16] | None:
    """Return what becomes of each number of counts, None if it stays."""
    if (settings.gamma, settings.gain, settings.most_counts) == (1.0, 1.0, MOST_COUNTS):
        return None
    level = np.arange(MOST_COUNTS + 1) / GAMMA_LEVEL
    counts = settings.gain * GAMMA_LEVEL * level**settings.gamma
    return np.minimum(counts + 0.5, settings.most_counts).astype(np.uint16)
