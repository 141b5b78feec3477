"""Two-channel volumes whose alignment is known exactly.

Nuclei are Gaussians in three dimensions. The activity channel is drawn from nucleus centers that
were moved analytically, never by interpolating an image, and with its own brightness and noise.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import ChannelAlignment, Volume, VolumeSpec, VoxelGrid

ORIGINAL = VoxelGrid.as_stored((64, 120, 284), (0.54, 0.54, 0.54))
UNCROPPED = VoxelGrid.as_stored((80, 210, 322), (0.54, 0.54, 0.54))


@dataclass(frozen=True)
class Scene:
    """How the pair is made; the defaults are the realistic case."""

    grid: VoxelGrid = ORIGINAL
    n_nuclei: int = 150
    dark_fraction: float = 0.4
    marker_counts: float = 400.0
    activity_counts: float = 150.0
    bleed_fraction: float = 0.05
    haze_counts: float = 60.0
    background_counts: float = 130.0
    read_noise_counts: float = 4.0
    shear_px: float = 1.5
    sigma_px: tuple[float, float, float] = (3.0, 2.2, 2.2)
    activity_z_px: float = 0.0


@dataclass(frozen=True)
class Animal:
    """Nuclei of one animal, in voxels from its middle, and their brightness."""

    position_px: NDArray[np.float64]
    marker: NDArray[np.float64]
    activity: NDArray[np.float64]

    @classmethod
    def random(cls, rng: np.random.Generator, scene: Scene) -> Self:
        """Return nuclei at least 4 voxels apart, with independent brightness per channel."""
        position = _scattered(rng, scene.n_nuclei, (20.0, 28.0, 84.0), 4.0)
        marker = scene.marker_counts * rng.lognormal(0.0, 0.5, scene.n_nuclei)
        activity = scene.activity_counts * rng.lognormal(0.0, 0.7, scene.n_nuclei)
        activity[rng.random(scene.n_nuclei) < scene.dark_fraction] *= 0.02
        return cls(position, marker, activity)

    def posed(self, rng: np.random.Generator) -> Self:
        """Return the animal a moment later: bent, turned, moved, activity changed."""
        z, y, x = self.position_px.T
        y = y + rng.normal(0, 4) * np.sin(x / 60 + rng.uniform(0, 6))
        turn = np.deg2rad(rng.normal(0, 4))
        moved = np.stack(
            [z, np.cos(turn) * y + np.sin(turn) * x, np.cos(turn) * x - np.sin(turn) * y]
        )
        moved = moved.T + rng.normal(0, 0.5, self.position_px.shape) + rng.normal(0, (2, 5, 10))
        activity = self.activity * rng.lognormal(0.0, 0.25, len(self.activity))
        return replace(self, position_px=moved, activity=activity)


def _scattered(rng, n, half_axes, spacing):
    kept: list[NDArray[np.float64]] = []
    while len(kept) < n:
        point = rng.uniform(-1, 1, 3)
        if (point**2).sum() > 1:
            continue
        point = point * half_axes
        if all(((point - other) ** 2).sum() > spacing**2 for other in kept):
            kept.append(point)
    return np.array(kept)


def _axis_profile(n, center, sigma):
    return np.exp(-0.5 * ((np.arange(n) - center) / sigma) ** 2)


def _draw(image, position, peak, shear, sigma, alignment, grid):
    """Add Gaussians; each slice is sheared before it passes through the camera's optics."""
    depth, height, width = grid.shape
    reach_z, reach_y, reach_x = (int(np.ceil(3.5 * s)) for s in sigma)
    sheared = position[:, None, 1:] + shear
    at_y, at_x = alignment.to_activity_px(sheared[..., 0], sheared[..., 1], grid=grid)
    for n, (z, counts) in enumerate(zip(position[:, 0], peak, strict=True)):
        for k in range(max(0, int(z) - reach_z), min(depth, int(z) + reach_z + 1)):
            y = _pixels_around(at_y[n, k], reach_y, height)
            x = _pixels_around(at_x[n, k], reach_x, width)
            weight = counts * np.exp(-0.5 * ((k - z) / sigma[0]) ** 2)
            profile_y = weight * np.exp(-0.5 * ((y - at_y[n, k]) / sigma[1]) ** 2)
            profile_x = np.exp(-0.5 * ((x - at_x[n, k]) / sigma[2]) ** 2)
            if len(y) and len(x):
                image[k, y[0] : y[-1] + 1, x[0] : x[-1] + 1] += profile_y[:, None] * profile_x


def _pixels_around(center, reach, size):
    return np.arange(max(0, int(center) - reach), min(size, int(center) + reach + 1))


def _haze(position, counts, alignment, grid):
    """Light from the whole body: one wide blob, far smoother than a nucleus."""
    center = position.mean(axis=0)
    at_y, at_x = alignment.to_activity_px(center[1], center[2], grid=grid)
    z = _axis_profile(grid.shape[0], center[0], 20.0)
    y = _axis_profile(grid.shape[1], at_y, 25.0)
    x = _axis_profile(grid.shape[2], at_x, 70.0)
    return counts * z[:, None, None] * y[:, None] * x


def _camera(rng, light, scene):
    """Add shot noise, as a normal deviate for speed, and read noise."""
    deviation = np.sqrt(light + scene.read_noise_counts**2)
    counts = light + deviation * rng.standard_normal(light.shape, np.float32)
    return np.clip(np.rint(counts + scene.background_counts), 0, 65535).astype(np.uint16)


def make_pair(
    rng: np.random.Generator,
    animal: Animal,
    truth: ChannelAlignment,
    scene: Scene,
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return marker and activity, `(Z, Y, X)` uint16."""
    depth, height, width = scene.grid.shape
    position = animal.position_px + (np.array([depth, height, width]) - 1) / 2
    shear = np.cumsum(rng.normal(0, scene.shear_px / 3, (depth, 2)), axis=0)
    shear = shear - shear.mean(axis=0)
    still = ChannelAlignment.identity()
    marker = _haze(position, scene.haze_counts, still, scene.grid)
    _draw(marker, position, animal.marker, shear, scene.sigma_px, still, scene.grid)
    activity = _haze(position, scene.haze_counts / 2, truth, scene.grid)
    green = animal.activity + scene.bleed_fraction * animal.marker
    deeper = position + np.array([scene.activity_z_px, 0.0, 0.0])
    _draw(activity, deeper, green, shear, scene.sigma_px, truth, scene.grid)
    return _camera(rng, marker, scene), _camera(rng, activity, scene)


def as_volume(marker, activity, spec: VolumeSpec, index: int = 0) -> Volume:
    """Return both channels as a volume."""
    return Volume(
        index=index,
        timestamp_s=index * spec.period_s,
        marker=marker,
        activity=activity,
        spec=spec,
        slice_times_s=np.full(spec.shape[0], index * spec.period_s),
    )


def errors_of(
    found: ChannelAlignment, truth: ChannelAlignment, grid: VoxelGrid
) -> tuple[float, float, float]:
    """Return the error in px at the center of the frame, at its worst corner, and in degrees."""
    center_y, center_x = grid.frame_center_px()
    _, height, width = grid.shape
    y = np.array([center_y, 0, 0, height - 1, height - 1])
    x = np.array([center_x, 0, width - 1, 0, width - 1])
    at, wanted = (a.to_activity_px(y, x, grid=grid) for a in (found, truth))
    distance = np.hypot(at[0] - wanted[0], at[1] - wanted[1])
    return float(distance[0]), float(distance.max()), abs(found.theta_deg - truth.theta_deg)
