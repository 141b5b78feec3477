"""What microscope and cameras do to the light of the nuclei."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import ChannelAlignment, VoxelGrid
from napari_acll.simulate._kernels import (
    N_NORMALS,
    add_coarse,
    draw_haze,
    draw_nuclei,
    to_counts,
)

Floats = NDArray[np.float64]

HAZE_STEP_UM = 4.0
"""Voxel of the coarse image that haze is made in; haze is smoother than this."""
HAZE_MARGIN = 1.0
BINNED_PIXEL_UM = 0.54
"""Pixel size that all counts are given for; smaller pixels collect less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticsSettings:
    """Light, blur and noise. Counts are those of a pixel of 0.54 um.

    The defaults give volumes like the real ones (median 125-137, minimum 24-81, SD 10-50,
    maximum 361-3555 counts).

    Parameters
    ----------
    marker_counts, activity_counts : float
        Counts above background in the middle of a median nucleus of 1.6 um radius.
    psf_um : tuple of float
        `(Z, Y, X)` SD of the point spread function, in um.
    offset_counts : float
        What a camera gives in the dark.
    background_counts : float
        Even light of the whole field.
    read_noise_counts : float
        SD per pixel.
    counts_per_photon : float
        Counts that one detected photon makes.
    haze : float
        Light scattered out of the nuclei, relative to what the nuclei hold.
    autofluorescence_counts : float
        Dim light of the whole body in both channels.
    flicker : float
        SD of the log of each nucleus's light from volume to volume, in each channel by itself:
        moving tissue above it scatters more or less.
    bleed_through : float
        Part of the activity channel's light that is seen in the marker channel.
    """

    marker_counts: float = 150.0
    activity_counts: float = 90.0
    psf_um: tuple[float, float, float] = (1.0, 0.32, 0.32)
    offset_counts: float = 100.0
    background_counts: float = 27.0
    read_noise_counts: float = 11.0
    counts_per_photon: float = 2.2
    haze: float = 0.35
    autofluorescence_counts: float = 8.0
    flicker: float = 0.03
    bleed_through: float = 0.03

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "OpticsSettings":
        """Return the optics of another animal on another day, within what real volumes show."""
        usual = cls()

        def about(value: float, log_sd: float) -> float:
            return float(value * np.exp(rng.normal(0, log_sd)))

        z, y, x = usual.psf_um
        blur = about(1.0, 0.2)
        return cls(
            marker_counts=about(usual.marker_counts, 0.45),
            activity_counts=about(usual.activity_counts, 0.45),
            psf_um=(about(z, 0.2), y * blur, x * blur),
            offset_counts=usual.offset_counts + rng.normal(0, 2.0),
            background_counts=about(usual.background_counts, 0.1),
            read_noise_counts=about(usual.read_noise_counts, 0.25),
            counts_per_photon=about(usual.counts_per_photon, 0.2),
            haze=about(usual.haze, 0.4),
            autofluorescence_counts=about(usual.autofluorescence_counts, 0.6),
            bleed_through=about(usual.bleed_through, 0.5),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that shines during one volume, as one camera sees it.

    Parameters
    ----------
    center_px : ndarray of float64, shape (Z, n, 3)
        `(z, y, x)` of each nucleus at the time of each slice.
    radius_um : ndarray of float64, shape (n, 3)
        Semi-axes along z and the two in-plane axes, before blur.
    tilt_rad : ndarray of float64, shape (n,)
        In-plane direction of the last one.
    light : ndarray of float64, shape (n,)
        Counts in the middle of each nucleus if it were large and sharp.
    body_px : ndarray of float64, shape (m, 3)
        Points along the body that glow dimly.
    """

    center_px: Floats
    radius_um: Floats
    tilt_rad: Floats
    light: Floats
    body_px: Floats


def expose(scene: Scene, grid: VoxelGrid, optics: OpticsSettings) -> NDArray[np.float32]:
    """Return the expected counts of a camera above its offset, `(Z, Y, X)`."""
    voxel = np.asarray(grid.voxel_size_um)
    pixel_share = voxel[1] * voxel[2] / BINNED_PIXEL_UM**2
    image = np.full(grid.shape, optics.background_counts * pixel_share, np.float32)
    blurred = np.sqrt(scene.radius_um**2 + 1.5 * np.asarray(optics.psf_um) ** 2)
    kept = scene.radius_um.prod(1) / blurred.prod(1)
    peak = scene.light * kept * pixel_share
    draw_nuclei(image, scene.center_px, blurred / voxel, scene.tilt_rad, peak)
    _add_haze(image, scene, voxel, optics, pixel_share)
    return image


def _add_haze(
    image: NDArray[np.float32],
    scene: Scene,
    voxel_um: Floats,
    optics: OpticsSettings,
    pixel_share: float,
) -> None:
    step = HAZE_STEP_UM / voxel_um
    shape = np.ceil(np.asarray(image.shape) / step).astype(int) + 3
    coarse = np.zeros(tuple(shape), np.float32)
    middle = scene.center_px[len(scene.center_px) // 2] / step + HAZE_MARGIN
    volume = scene.radius_um.prod(1) * 4 / 3 * np.pi
    sigma_um = 5.0
    spread = (2 * np.pi) ** 1.5 * sigma_um**3
    amount = optics.haze * scene.light * volume / spread * pixel_share
    draw_haze(coarse, middle, sigma_um / HAZE_STEP_UM, amount)
    glow = np.full(len(scene.body_px), optics.autofluorescence_counts * pixel_share * 0.45)
    draw_haze(coarse, scene.body_px / step + HAZE_MARGIN, 10.0 / HAZE_STEP_UM, glow)
    add_coarse(image, coarse, step, HAZE_MARGIN)


class Camera:
    """Turns expected counts into recorded ones.

    Parameters
    ----------
    optics : OpticsSettings
        Offset and noise.
    pixel_um : float
        Lateral pixel size; the read noise is that of so large a pixel.
    """

    def __init__(self, optics: OpticsSettings, *, pixel_um: float) -> None:
        self._optics = optics
        self._read_noise = optics.read_noise_counts * pixel_um / BINNED_PIXEL_UM
        table = np.random.default_rng(20).standard_normal(N_NORMALS)
        self._normals = ((table - table.mean()) / table.std()).astype(np.float32)

    def record(self, signal: NDArray[np.float32], *, key: int) -> NDArray[np.uint16]:
        """Return counts; the same key gives the same noise."""
        counts = np.empty(signal.shape, np.uint16)
        optics = self._optics
        to_counts(
            signal,
            counts,
            self._normals,
            key,
            optics.offset_counts,
            optics.counts_per_photon,
            self._read_noise,
        )
        return counts


def seen_by_activity_camera(
    scene: Scene, light: Floats, alignment: ChannelAlignment, grid: VoxelGrid
) -> Scene:
    """Return the scene as the other camera sees it: moved, and shining in its own color."""
    return Scene(
        center_px=_moved(scene.center_px, alignment, grid),
        radius_um=scene.radius_um,
        tilt_rad=scene.tilt_rad - np.deg2rad(alignment.theta_deg),
        light=light,
        body_px=_moved(scene.body_px, alignment, grid),
    )


def _moved(position_px: Floats, alignment: ChannelAlignment, grid: VoxelGrid) -> Floats:
    y, x = alignment.to_activity_px(position_px[..., 1], position_px[..., 2], grid=grid)
    return np.stack([position_px[..., 0], y, x], axis=-1)
