"""Coarse search of the channel alignment over all shifts and rotations.

The correlation of the two channels over every shift is one Fourier transform; that is repeated
for a few rotations, at half resolution. The resulting surface is small, and the surfaces of
several volumes add up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from napari_acll.core import ChannelAlignment, VoxelGrid
from napari_acll.preprocess._alignment_images import FloatArray, SlabImages, shrunk

ROTATION_STEP_DEG = 0.5
PEAK_RADIUS_UM = 4.0
FINE_STEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSurface:
    """Agreement of the channels for every rotation and shift that was searched.

    Parameters
    ----------
    agreement : ndarray of float64, shape (rotations, y, x)
        Normalized correlation, -1 to 1, or a mean of such surfaces.
    theta_deg : ndarray of float64, shape (rotations,)
        The rotations.
    step_um : tuple of float
        `(y, x)` distance of two neighboring shifts, in um.
    center_um : tuple of float
        `(y, x)` point about which the rotations turn, in um from the center of the full frame.
    """

    agreement: NDArray[np.float64]
    theta_deg: NDArray[np.float64]
    step_um: tuple[float, float]
    center_um: tuple[float, float]

    def best(self) -> ChannelAlignment:
        """Return the rotation and shift with the highest agreement, between the steps too.

        Without looking between the steps of the shift, a wrong rotation whose best shift happens
        to lie on a step would win.
        """
        _, height, width = self.agreement.shape
        y, x = np.mgrid[
            0 : height - 1 : FINE_STEPS * height * 1j, 0 : width - 1 : FINE_STEPS * width * 1j
        ]
        fine = np.stack([ndimage.map_coordinates(one, [y, x], order=3) for one in self.agreement])
        rotation, row, column = np.unravel_index(fine.argmax(), fine.shape)
        step_y, step_x = self.step_um
        shift = (y[row, column] - height // 2) * step_y, (x[row, column] - width // 2) * step_x
        return alignment_about(self.center_um, float(self.theta_deg[rotation]), shift)

    def is_at_edge(self) -> bool:
        """Whether the best shift is the largest that was searched."""
        _, row, column = np.unravel_index(self.agreement.argmax(), self.agreement.shape)
        _, height, width = self.agreement.shape
        return bool(row in (0, height - 1) or column in (0, width - 1))

    def distinctness(self) -> float:
        """Return how far the best agreement stands above all others, in their deviations."""
        rotation, row, column = np.unravel_index(self.agreement.argmax(), self.agreement.shape)
        surface = self.agreement[rotation]
        y, x = np.indices(surface.shape)
        step_y, step_x = self.step_um
        distance = np.hypot((y - row) * step_y, (x - column) * step_x)
        others = surface[distance > PEAK_RADIUS_UM]
        if others.size < 2:
            return 0.0
        deviation = 1.4826 * float(np.median(np.abs(others - np.median(others))))
        return float((surface[row, column] - np.median(others)) / max(deviation, 1e-9))


def alignment_about(
    center_um: tuple[float, float], theta_deg: float, shift_um: tuple[float, float]
) -> ChannelAlignment:
    """Return the alignment that rotates about a point and only then shifts along rotated axes.

    A point `p` goes to `c + R (p - c + s)`.
    """
    cos, sin = np.cos(np.deg2rad(theta_deg)), np.sin(np.deg2rad(theta_deg))
    y, x = shift_um[0] - center_um[0], shift_um[1] - center_um[1]
    return ChannelAlignment(
        dy_um=float(center_um[0] + cos * y + sin * x),
        dx_um=float(center_um[1] - sin * y + cos * x),
        theta_deg=theta_deg,
    )


def mean_surface(surfaces: list[SearchSurface]) -> SearchSurface:
    """Return the mean of surfaces that were searched alike."""
    first = surfaces[0]
    return SearchSurface(
        agreement=np.mean([surface.agreement for surface in surfaces], axis=0),
        theta_deg=first.theta_deg,
        step_um=first.step_um,
        center_um=first.center_um,
    )


def search_surface(
    marker: SlabImages, activity: SlabImages, *, max_shift_um: float, max_rotation_deg: float
) -> SearchSurface:
    """Return the agreement of two channels over all rotations and shifts.

    Parameters
    ----------
    marker, activity : SlabImages
        Both channels of one volume.
    max_shift_um : float
        Largest shift along y and x at the middle of the images, in um.
    max_rotation_deg : float
        Largest rotation either way, in degrees.

    Returns
    -------
    SearchSurface
        Steps of two pixels and about half a degree.
    """
    reference, grid = _compressed(marker)
    moving, _ = _compressed(activity)
    _, size_y, size_x = grid.voxel_size_um
    # One step more than asked for, so that a best shift at the very edge is one beyond it.
    reach = int(np.ceil(max_shift_um / size_y)) + 1, int(np.ceil(max_shift_um / size_x)) + 1
    n_steps = int(np.ceil(max_rotation_deg / ROTATION_STEP_DEG))
    angles = np.linspace(-max_rotation_deg, max_rotation_deg, 2 * n_steps + 1)
    center_um = _middle_um(grid)
    rows, columns = _box(marker, grid)
    around = [
        np.arange(part.start - r, part.stop + r)
        for part, r in zip((rows, columns), reach, strict=True)
    ]
    size = [2 * fft.next_fast_len((len(pixels) + 1) // 2, real=True) for pixels in around]
    inside = reference[:, rows, columns]
    spectrum = np.conj(fft.rfft2(inside, size)) / max(float(np.linalg.norm(inside)), 1e-12)
    turns = (alignment_about(center_um, float(angle), (0.0, 0.0)) for angle in angles)
    agreement = [_correlation(spectrum, _turned(moving, grid, t, around), reach) for t in turns]
    return SearchSurface(
        agreement=np.array(agreement),
        theta_deg=angles,
        step_um=(size_y, size_x),
        center_um=center_um,
    )


def _box(marker: SlabImages, grid: VoxelGrid) -> tuple[slice, slice]:
    """Return the rows and columns of `grid` that hold nuclei; the rest only costs time."""
    shrink = np.array(grid.bin_px[1:]) // marker.grid.bin_px[1:]
    margin = 4
    first = np.maximum(marker.peaks[:, 1:].min(axis=0) // shrink - margin, 0)
    stop = np.minimum(marker.peaks[:, 1:].max(axis=0) // shrink + margin + 1, grid.shape[1:])
    return slice(int(first[0]), int(stop[0])), slice(int(first[1]), int(stop[1]))


def _compressed(slabs: SlabImages) -> tuple[FloatArray, VoxelGrid]:
    """Return slabs at half resolution in which no nucleus outshines the others."""
    flat = np.arcsinh(slabs.images / (2 * slabs.noise))
    _, height, width = flat.shape
    small, grid = shrunk(flat, slabs.grid, (min(2, height), min(2, width)))
    return small - small.mean(), grid


def _middle_um(grid: VoxelGrid) -> tuple[float, float]:
    center_y, center_x = grid.frame_center_px()
    _, size_y, size_x = grid.voxel_size_um
    _, height, width = grid.shape
    return ((height - 1) / 2 - center_y) * size_y, ((width - 1) / 2 - center_x) * size_x


def _turned(
    images: FloatArray,
    grid: VoxelGrid,
    turn: ChannelAlignment,
    around: list[NDArray[np.intp]],
) -> FloatArray:
    """Return the images as they would lie without the rotation, on some rows and columns."""
    y, x = np.meshgrid(*(pixels.astype(np.float64) for pixels in around), indexing="ij")
    at = np.stack(turn.to_activity_px(y, x, grid=grid))
    return np.stack(
        [ndimage.map_coordinates(image, at, order=1, output=np.float32) for image in images]
    )


def _correlation(
    spectrum: NDArray[np.complex64], moving: FloatArray, reach: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the correlation summed over slabs, for shifts up to `reach` pixels either way.

    It is divided by the norm of the rotated images: interpolation blurs them, and without it
    the images that need none would win.
    """
    size = spectrum.shape[1], 2 * (spectrum.shape[2] - 1)
    cross = (spectrum * fft.rfft2(moving, size)).sum(axis=0)
    surface = fft.irfft2(cross, size)[: 2 * reach[0] + 1, : 2 * reach[1] + 1]
    agreement: NDArray[np.float64] = surface.astype(np.float64)
    return agreement / max(float(np.linalg.norm(moving)), 1e-12)
