"""What microscope and cameras do to the light of the nuclei."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import ChannelAlignment, VoxelGrid
from napari_acll.simulate._kernels import (
    add_coarse,
    draw_haze,
    draw_nuclei,
    shade,
)
from napari_acll.simulate._tissue import USUAL_SHARPNESS, grain_table

Floats = NDArray[np.float64]

HAZE_STEP_UM = 4.0
"""Voxel of the coarse image that haze is made in; haze is smoother than this."""
HAZE_UM = 5.0
STRUCTURE_STEP_UM = 1.6
HALO_UM = 2.2
"""SD of haze, voxel of the finer image for structures, and SD of the tails drawn in it."""
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
    halo : float
        Part of the light of a nucleus that the tails of the point spread function spread over
        some um.
    blur_per_um : float
        By what part the point spread function widens per um of depth, from the middle on.
    attenuation_per_um : float
        By what part nuclei are dimmer per um of depth; below 0 if one looks from the other side.
    vignetting : float
        Part of the light that is lost in the corners of the field.
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
    halo: float = 0.0
    blur_per_um: float = 0.0
    attenuation_per_um: float = 0.0
    vignetting: float = 0.0

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

    @classmethod
    def diverse(cls, rng: np.random.Generator) -> "OpticsSettings":
        """Return one of many microscopes, beyond what the original's recordings show.

        For training: what is learned on many microscopes holds on one more.
        """
        usual = cls()

        def about(value: float, log_sd: float) -> float:
            return float(value * np.exp(rng.normal(0, log_sd)))

        blur_z, blur = float(rng.uniform(0.6, 1.5)), float(rng.uniform(0.2, 0.55))
        side = float(rng.choice([-1.0, 1.0]))
        is_deep, is_wide = rng.random(2) < 0.5
        return cls(
            marker_counts=about(usual.marker_counts, 0.65),
            activity_counts=about(usual.activity_counts, 0.65),
            psf_um=(blur_z, blur, blur),
            offset_counts=float(rng.uniform(20.0, 200.0)),
            background_counts=about(usual.background_counts, 0.6),
            read_noise_counts=about(usual.read_noise_counts, 0.5),
            counts_per_photon=about(usual.counts_per_photon, 0.5),
            haze=about(usual.haze, 0.6),
            autofluorescence_counts=about(usual.autofluorescence_counts, 0.8),
            bleed_through=float(rng.uniform(0.0, 0.15)),
            halo=float(rng.uniform(0.0, 0.4)) * bool(is_wide),
            blur_per_um=side * float(rng.uniform(0.0, 0.03)) * bool(is_deep),
            attenuation_per_um=side * float(rng.uniform(0.0, 0.035)) * bool(is_deep),
            vignetting=float(rng.uniform(0.0, 0.5)) * bool(rng.random() < 0.5),
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
    texture : ndarray of float64, shape (n, 6) or (0, 6)
        See `TissueSettings.textures`.
    glow_px : ndarray of float64, shape (k, 3)
        Points of structures that glow.
    glow_sigma_um, glow_counts : ndarray of float64, shape (k,)
        Their size and light.
    sharpness : float
        How steeply nuclei fall off at the border.
    """

    center_px: Floats
    radius_um: Floats
    tilt_rad: Floats
    light: Floats
    body_px: Floats
    texture: Floats
    glow_px: Floats
    glow_sigma_um: Floats
    glow_counts: Floats
    sharpness: float = USUAL_SHARPNESS


def expose(scene: Scene, grid: VoxelGrid, optics: OpticsSettings) -> NDArray[np.float32]:
    """Return the expected counts of a camera above its offset, `(Z, Y, X)`."""
    voxel = np.asarray(grid.voxel_size_um)
    pixel_share = float(voxel[1] * voxel[2] / BINNED_PIXEL_UM**2)
    image = np.full(grid.shape, optics.background_counts * pixel_share, np.float32)
    light, psf_um = _at_depth(scene, grid, optics)
    blurred = np.sqrt(scene.radius_um**2 + 1.5 * psf_um**2)
    kept = scene.radius_um.prod(1) / blurred.prod(1)
    draw_nuclei(
        image,
        scene.center_px,
        blurred / voxel,
        scene.tilt_rad,
        light * kept * (1.0 - optics.halo) * pixel_share,
        scene.sharpness,
        scene.texture,
        _grain(),
    )
    nuclear = light * scene.radius_um.prod(1) * 4 / 3 * np.pi * pixel_share
    _add_haze(image, scene, nuclear, voxel, optics, pixel_share)
    if optics.halo > 0 or len(scene.glow_px):
        _add_structures(image, scene, nuclear, voxel, optics.halo, pixel_share)
    if optics.vignetting > 0:
        shade(image, optics.vignetting)
    return image


def _at_depth(scene: Scene, grid: VoxelGrid, optics: OpticsSettings) -> tuple[Floats, Floats]:
    """Return light and point spread function of each nucleus, `(n,)` and `(n, 3)` or `(3,)`."""
    psf = np.asarray(optics.psf_um)
    if optics.attenuation_per_um == 0 and optics.blur_per_um == 0:
        return scene.light, psf
    middle = scene.center_px[len(scene.center_px) // 2, :, 0]
    depth_um = (middle - (grid.shape[0] - 1) / 2) * grid.voxel_size_um[0]
    light = scene.light * np.exp(-optics.attenuation_per_um * depth_um)
    wider = np.clip(1.0 + optics.blur_per_um * depth_um, 0.6, 2.0)
    return light, psf * wider[:, None]


def _add_haze(
    image: NDArray[np.float32],
    scene: Scene,
    nuclear: Floats,
    voxel_um: Floats,
    optics: OpticsSettings,
    pixel_share: float,
) -> None:
    step = HAZE_STEP_UM / voxel_um
    coarse = _coarse(image, step)
    middle = scene.center_px[len(scene.center_px) // 2] / step + HAZE_MARGIN
    amount = optics.haze * nuclear / _gaussian_volume(HAZE_UM)
    draw_haze(coarse, middle, np.full(len(middle), HAZE_UM / HAZE_STEP_UM), amount)
    n = len(scene.body_px)
    glow = np.full(n, optics.autofluorescence_counts * pixel_share * 0.45)
    draw_haze(coarse, scene.body_px / step + HAZE_MARGIN, np.full(n, 10.0 / HAZE_STEP_UM), glow)
    add_coarse(image, coarse, step, HAZE_MARGIN)


def _add_structures(
    image: NDArray[np.float32],
    scene: Scene,
    nuclear: Floats,
    voxel_um: Floats,
    halo: float,
    pixel_share: float,
) -> None:
    """Add what is too fine for the haze: tails of the point spread function, and structures."""
    step = STRUCTURE_STEP_UM / voxel_um
    coarse = _coarse(image, step)
    middle = scene.center_px[len(scene.center_px) // 2] / step + HAZE_MARGIN
    amount = halo * nuclear / _gaussian_volume(HALO_UM)
    draw_haze(coarse, middle, np.full(len(middle), HALO_UM / STRUCTURE_STEP_UM), amount)
    sigma = np.maximum(scene.glow_sigma_um / STRUCTURE_STEP_UM, 0.7)
    at = scene.glow_px / step + HAZE_MARGIN
    draw_haze(coarse, at, sigma, scene.glow_counts * pixel_share)
    add_coarse(image, coarse, step, HAZE_MARGIN)


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.float32]:
    return grain_table()


def _coarse(image: NDArray[np.float32], step: Floats) -> NDArray[np.float32]:
    shape = np.ceil(np.asarray(image.shape) / step).astype(int) + 3
    return np.zeros(tuple(shape), np.float32)


def _gaussian_volume(sigma_um: float) -> float:
    """Return the volume of a Gaussian of height 1, um3."""
    return float((2 * np.pi) ** 1.5 * sigma_um**3)


def seen_by_activity_camera(
    scene: Scene, light: Floats, alignment: ChannelAlignment, grid: VoxelGrid
) -> Scene:
    """Return the scene as the other camera sees it: moved, and shining in its own color."""
    return replace(
        scene,
        center_px=_moved(scene.center_px, alignment, grid),
        tilt_rad=scene.tilt_rad - np.deg2rad(alignment.theta_deg),
        light=light,
        body_px=_moved(scene.body_px, alignment, grid),
        glow_px=_moved(scene.glow_px, alignment, grid),
    )


def _moved(position_px: Floats, alignment: ChannelAlignment, grid: VoxelGrid) -> Floats:
    y, x = alignment.to_activity_px(position_px[..., 1], position_px[..., 2], grid=grid)
    return np.stack([position_px[..., 0], y, x], axis=-1)
