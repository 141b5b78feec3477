"""A second renderer, which shares no code and no optics with `napari_acll.simulate`.

A model that was trained on one renderer may have learned its habits. This one was written from
what is published of the microscope and its volumes, with general tools only, and nothing is
trained or tuned on it. Look at it by hand::

    python recipes/other_renderer.py --data $ACLL_TEST_DATA --out FOLDER

Nuclei are ellipsoids with a soft edge, some with a dark nucleolus, drawn on a finer grid; the blur
has a core that widens with depth and a power-law tail; the body, the pharynx and granules glow;
pixels of the camera differ in noise and offset; the animal moves by a random walk from slice to
slice.

References
----------
Zhang, Zerubia, Olivo-Marin, Gaussian approximations of fluorescence microscope point-spread
function models, Applied Optics 2007 (the core). Moffat, A theoretical investigation of focal
stellar images, 1969 (the tail). Huang et al., Video-rate nanoscopy using sCMOS camera-specific
single-molecule localization algorithms, Nature Methods 2013 (noise that differs by pixel).
"""

import argparse
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmark_animals import (
    FLAVORS,
    LISTED,
    UNKNOWN,
    Completer,
    Head,
    animals_of,
    validation_keys,
)
from numpy.typing import NDArray
from scipy import ndimage
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from skimage.draw import polygon

from napari_acll.core import ChannelAlignment, Volume, VolumeSpec, VoxelGrid
from napari_acll.simulate import Truth
from napari_acll.training import RenderedVolume

logger = logging.getLogger("other_renderer")

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

SMALL_FIELD = (64, 120, 284)
LARGE_FIELD = (80, 210, 322)

_NODES_UM = np.arange(-110.0, 160.0, 0.5)
_PERIOD_S = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What can be varied; factors are 1 for an ordinary recording.

    Parameters
    ----------
    shape : tuple of int
        `(Z, Y, X)` voxels.
    voxel_um : float
        Edge of a voxel.
    oversampling : int
        Finer pixels per pixel, in the plane.
    light : float
        Of everything that glows.
    motion : float
        Random walk between slices, and how much the bend changes within a volume.
    shear : float
        Steady motion during a volume.
    n_missing_slices : int
        Slices that the camera exposed in the dark.
    brightness_by_name : float
        1: the mean brightness of each neuron is as measured; 0: names tell nothing about it.
    blur : float
        Width of the core of the blur.
    tissue : float
        Light of all that is no nucleus.
    nucleus_size : float
        Of the radii.
    has_activity : bool
        Whether the second channel is rendered; it is dark otherwise.
    """

    shape: tuple[int, int, int] = LARGE_FIELD
    voxel_um: float = 0.54
    oversampling: int = 2
    light: float = 1.0
    motion: float = 1.0
    shear: float = 1.0
    n_missing_slices: int = 0
    brightness_by_name: float = 1.0
    blur: float = 1.0
    tissue: float = 1.0
    nucleus_size: float = 1.0
    has_activity: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Posture:
    """How an animal lies in the field, and how it moves while a volume is taken.

    Parameters
    ----------
    arc, wave, phase : float
        Curvature per um: constant, amplitude of the wave along the body, and its phase.
    change : float
        Change of the constant curvature during the volume.
    turn : Rotation
        Of `(x, y, z)`, heading, pitch and roll together.
    shift_um : ndarray of float64, shape (Z, 2)
        `(y, x)` of every slice.
    center_um : ndarray of float64, shape (3,)
        Of the field, where the middle of the animal lies, `(z, y, x)`.
    middle_um : ndarray of float64, shape (3,)
        That point of the turned animal.
    """

    arc: float
    wave: float
    phase: float
    change: float
    turn: Rotation
    shift_um: Floats
    center_um: Floats
    middle_um: Floats

    def place(self, straight_um: Floats, time: Floats | float = 0.5) -> Floats:
        """Return where points of the straight animal lie at a time from 0 to 1, `(z, y, x)`.

        The shift of the slices comes on top.
        """
        z, y, x = straight_um.T
        bent = self._bent(x, y, np.broadcast_to(time, x.shape))
        turned = self.turn.apply(np.c_[bent, z])[:, ::-1]
        return turned - self.middle_um + self.center_um

    def _bent(self, x: Floats, y: Floats, time: Floats) -> Floats:
        before = _bend(x, y, self._angle(0.0))
        after = _bend(x, y, self._angle(1.0))
        return before + time[:, None] * (after - before)

    def _angle(self, time: float) -> Floats:
        curvature = self.arc + (time - 0.5) * self.change
        curvature = curvature + self.wave * np.sin(2 * np.pi * _NODES_UM / 130.0 + self.phase)
        angle: Floats = np.cumsum(curvature) * 0.5
        return angle - np.interp(20.0, _NODES_UM, angle)


def render(head: Head, rig: Rig, rng: np.random.Generator) -> RenderedVolume:
    """Return one volume of an animal, with its truth and masks."""
    posture = draw_posture(head, rig, rng)
    center_um = place_nuclei(head.position_um, posture, rig)
    radius = draw_radii(center_um, rng) * rig.nucleus_size
    light = draw_light(head, rig, rng)
    nuclei = Nuclei.draw(center_um, radius, rng)
    tissue = rig.tissue * render_tissue(head, posture, rig, rng)
    marker = expose(nuclei, light, tissue, posture, rig, rng)
    ratio = np.exp(rng.normal(0.0, 0.5, len(head)))
    dark = np.zeros(rig.shape, np.uint16)
    glow = 0.7 * light * ratio
    activity = expose(nuclei, glow, tissue, posture, rig, rng) if rig.has_activity else dark
    seen_um = center_um + _shift_at(center_um[:, 0], posture, rig)
    truth = _truth(head, seen_um, radius, light, ratio, posture, rig)
    masks = nuclei.masks(seen_um, rig)
    return RenderedVolume(volume=_volume(marker, activity, rig), truth=truth, masks=masks)


def draw_posture(head: Head, rig: Rig, rng: np.random.Generator) -> Posture:
    """Return a random posture with the nuclei of the table in the middle of the field."""
    is_small = rig.shape[1] < 150
    heading = rng.uniform(-1, 1) * (6 if is_small else 14) + 180 * rng.integers(2)
    roll = rng.normal(0, 8) + 180 * rng.integers(2)
    turn = Rotation.from_euler("xyz", [roll, rng.normal(0, 2), heading], degrees=True)
    field = np.asarray(rig.shape) * rig.voxel_um
    drawn = {
        "arc": rng.normal(0, 0.003 if is_small else 0.005),
        "wave": rng.normal(0, 0.004 if is_small else 0.006),
        "phase": rng.uniform(0, 2 * np.pi),
        "change": rng.normal(0, 0.0015) * rig.motion,
        "turn": turn,
        "shift_um": draw_shifts(rig, rng),
    }
    center = field / 2 + rng.normal(0, [0.8, 2.0, 2.5])
    recorded = head.position_um[np.isin(head.kind, (LISTED, UNKNOWN))]
    posed = Posture(center_um=center, middle_um=np.zeros(3), **drawn).place(recorded)
    low, high = np.percentile(posed - center, [1, 99], axis=0)
    return Posture(center_um=center, middle_um=(low + high) / 2, **drawn)


def draw_shifts(rig: Rig, rng: np.random.Generator) -> Floats:
    """Return how far the animal is from its mean place in each slice, `(y, x)` in um."""
    n = rig.shape[0]
    steady = np.linspace(-0.5, 0.5, n)[:, None] * rng.normal(0, 1.8, 2) * rig.shear
    walk = np.cumsum(rng.normal(0, 0.14 * rig.motion, (n, 2)), axis=0)
    return steady + walk - walk.mean(0)


def place_nuclei(straight_um: Floats, posture: Posture, rig: Rig) -> Floats:
    """Return the centers in the field, each at the time of its slice, before the slices shift."""
    depth = rig.shape[0] * rig.voxel_um
    first = posture.place(straight_um)
    return posture.place(straight_um, np.clip(first[:, 0] / depth, 0, 1))


def draw_radii(center_um: Floats, rng: np.random.Generator) -> Floats:
    """Return radii of nuclei that leave room for their neighbors."""
    gap = cKDTree(center_um).query(center_um, 2)[0][:, 1]
    radius = rng.lognormal(np.log(1.55), 0.2, len(center_um))
    return np.clip(np.minimum(radius, 0.58 * gap), 0.9, 2.5)


def draw_light(head: Head, rig: Rig, rng: np.random.Generator) -> Floats:
    """Return the light of each nucleus, in counts above the background before blur."""
    share = rig.brightness_by_name
    mean = share * head.log_brightness + (1 - share) * rng.permutation(head.log_brightness)
    typical = 210 * rng.lognormal(0, 0.3)
    light: Floats = typical * np.exp(mean - np.median(mean) + rng.normal(0, 0.45, len(head)))
    return light


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nuclei:
    """Ellipsoids with a soft edge.

    Parameters
    ----------
    center_um : ndarray of float64, shape (n, 3)
        `(z, y, x)`.
    half_axes_um : ndarray of float64, shape (n, 3)
        Half axes.
    turn : Rotation
        Of each.
    edge_um : ndarray of float64, shape (n,)
        Width of the edge.
    nucleolus : ndarray of float64, shape (n, 4)
        Place in units of the radius, and how dark it is.
    """

    center_um: Floats
    half_axes_um: Floats
    turn: Rotation
    edge_um: Floats
    nucleolus: Floats

    @classmethod
    def draw(cls, center_um: Floats, radius_um: Floats, rng: np.random.Generator) -> "Nuclei":
        """Return nuclei of random form."""
        n = len(center_um)
        axes = np.exp(rng.normal(0, 0.12, (n, 3)))
        axes *= (radius_um / np.cbrt(axes.prod(1)))[:, None]
        dark = np.where(rng.random(n) < 0.4, rng.uniform(0.3, 0.9, n), 0.0)
        return cls(
            center_um=center_um,
            half_axes_um=axes,
            turn=Rotation.random(n, random_state=int(rng.integers(2**31))),
            edge_um=rng.uniform(0.1, 0.3, n),
            nucleolus=np.c_[rng.uniform(-0.35, 0.35, (n, 3)), dark],
        )

    def image(self, light: Floats, rig: Rig) -> Image:
        """Return the light before any blur, finer in the plane than the voxels."""
        n_z, n_y, n_x = rig.shape
        fine = rig.oversampling
        image = np.zeros((n_z, n_y * fine, n_x * fine), np.float32)
        step = np.array([rig.voxel_um, rig.voxel_um / fine, rig.voxel_um / fine])
        first = np.array([0.5, 0.5, 0.5]) * step  # centers of the first voxel, um
        for row, amount in enumerate(light):
            box, inside = self._box(row, self.center_um[row], first, step, image.shape)
            if inside is not None:
                np.maximum(image[box], (amount * inside).astype(np.float32), out=image[box])
        return image

    def masks(self, seen_um: Floats, rig: Rig) -> NDArray[np.uint16]:
        """Return the row plus 1 of the nucleus that most of a voxel belongs to."""
        step = np.full(3, rig.voxel_um)
        best = np.full(rig.shape, 0.5, np.float32)
        masks = np.zeros(rig.shape, np.uint16)
        for row in range(len(self.center_um)):
            box, _ = self._box(row, seen_um[row], 0.5 * step, step, rig.shape)
            if box is None:
                continue
            inside = self._soft(row, _offsets(box, seen_um[row], 0.5 * step, step))
            is_more = inside > best[box]
            best[box][is_more] = inside[is_more]
            masks[box][is_more] = row + 1
        return masks

    def _box(
        self, row: int, center: Floats, first: Floats, step: Floats, shape: tuple[int, ...]
    ) -> tuple[tuple[slice, ...] | None, Floats | None]:
        """Return the voxels around a nucleus and its light in them; None outside of the field."""
        reach = self.half_axes_um[row].max() + 4 * self.edge_um[row]
        low = np.maximum(np.floor((center - reach - first) / step).astype(int), 0)
        high = np.minimum(np.ceil((center + reach - first) / step).astype(int) + 1, shape)
        if (high <= low).any():
            return None, None
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        offset = _offsets(box, center, first, step)
        radius = self.half_axes_um[row].mean()
        *place, dark = self.nucleolus[row]
        spot = np.linalg.norm(offset - np.array(place) * radius, axis=-1) / (0.4 * radius)
        return box, self._soft(row, offset) * (1 - dark * np.exp(-(spot**2)))

    def _soft(self, row: int, offset: Floats) -> Floats:
        """Return 1 inside, 0 outside and something between at the edge."""
        along = self.turn[row].inv().apply(offset.reshape(-1, 3)) / self.half_axes_um[row]
        distance = np.linalg.norm(along, axis=1) - 1
        softness = self.edge_um[row] / self.half_axes_um[row].mean()
        inside = 1 / (1 + np.exp(np.clip(distance / softness, -30, 30)))
        return inside.reshape(offset.shape[:-1])


def expose(
    nuclei: Nuclei,
    light: Floats,
    tissue: Image,
    posture: Posture,
    rig: Rig,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Return what the camera makes of the nuclei and the tissue."""
    fine = nuclei.image(light, rig)
    sharp = _binned(_shifted(blur(fine, rig), posture, rig, rig.oversampling), rig.oversampling)
    coarse = _binned(fine, rig.oversampling)
    rest = _shifted(0.9 * tail(coarse, rig) + tissue, posture, rig, 1)
    depth = np.linspace(0, 1, rig.shape[0], dtype=np.float32)[:, None, None]
    seen = (0.62 * sharp + rest) * np.exp(-0.35 * depth) * _vignette(rig, rng)
    seen *= np.float32(rig.light)
    seen[rng.permutation(rig.shape[0])[: rig.n_missing_slices]] = 0
    return _camera(seen, rng)


def blur(image: Image, rig: Rig) -> Image:
    """Return the image through the core of the blur, which widens with depth."""
    pixel = rig.voxel_um / rig.oversampling
    near, far = (
        ndimage.gaussian_filter(image, rig.blur * np.array([z / rig.voxel_um, xy, xy]), truncate=3)
        for z, xy in ((0.65, 0.20 / pixel), (1.15, 0.34 / pixel))
    )
    depth = np.linspace(0, 1, image.shape[0], dtype=np.float32)[:, None, None]
    blurred: Image = near + depth * (far - near)
    return blurred


def tail(image: Image, rig: Rig) -> Image:
    """Return the light that goes astray: a power-law tail, longer along the optical axis."""
    reach = (16, 20, 20)
    grid = np.meshgrid(*(np.arange(-n, n + 1) * rig.voxel_um for n in reach), indexing="ij")
    square = (grid[0] / 2.6) ** 2 + (grid[1] / 1.3) ** 2 + (grid[2] / 1.3) ** 2
    kernel = (1 + square) ** -1.7
    kernel *= 0.38 / kernel.sum()
    size = [next_fast_len(n + 2 * r) for n, r in zip(image.shape, reach, strict=True)]
    spectrum = rfftn(image, size) * rfftn(kernel.astype(np.float32), size)
    full = irfftn(spectrum, size)
    crop = tuple(slice(r, r + n) for n, r in zip(image.shape, reach, strict=True))
    return np.maximum(full[crop], 0).astype(np.float32)


def render_tissue(head: Head, posture: Posture, rig: Rig, rng: np.random.Generator) -> Image:
    """Return what glows beside the nuclei: body, pharynx and granules, blurred."""
    body = _body(head, posture, rig) * rng.uniform(4, 20)
    scale_px = rng.uniform(3, 9)  # from that of a nucleus to that of tissue
    texture = ndimage.gaussian_filter(rng.standard_normal(rig.shape).astype(np.float32), scale_px)
    body *= 1 + rng.uniform(0.05, 0.3) * texture / texture.std()
    for middle, length, width, amount in ((-20, 14, 6, 6), (22, 9, 9, 14), (0, 40, 3.5, 6)):
        body += rng.uniform(0.3, 1.3) * amount * _blob(middle, length, width, posture, rig)
    glow = ndimage.gaussian_filter(body, (2.0, 1.0, 1.0))
    return np.maximum(glow + _granules(posture, rig, rng), 0).astype(np.float32)


def _body(head: Head, posture: Posture, rig: Rig) -> Image:
    """Return 1 inside of the body: an outline in every slice, narrower away from the middle."""
    image = np.zeros(rig.shape, np.float32)
    x = np.arange(head.position_um[:, 2].min() - 9, 150, 2.0)
    width = 17.0 * np.tanh(0.35 + (x - x[0]) / 22.0)
    for index in range(rig.shape[0]):
        height = (index + 0.5) * rig.voxel_um - posture.center_um[0]
        half = width * np.sqrt(max(1 - (height / 15.0) ** 2, 0.0))
        if not half.any():
            continue
        edge = np.c_[np.zeros(2 * len(x)), np.r_[half, -half[::-1]], np.r_[x, x[::-1]]]
        placed = posture.place(edge)[:, 1:] / rig.voxel_um
        image[index][polygon(placed[:, 0], placed[:, 1], rig.shape[1:])] = 1
    return image


def _blob(middle: float, length: float, width: float, posture: Posture, rig: Rig) -> Image:
    """Return a soft spindle around the midline."""
    image = np.zeros(rig.shape, np.float32)
    along = np.arange(middle - length, middle + length, 0.5)
    points = posture.place(np.c_[np.zeros((len(along), 2)), along])
    pixel = np.floor(points / rig.voxel_um).astype(int)
    inside = ((pixel >= 0) & (pixel < rig.shape)).all(1)
    image[tuple(pixel[inside].T)] = 1
    sigma = width / 2 / rig.voxel_um
    image = ndimage.gaussian_filter(image, sigma, truncate=2.5)
    return image / max(float(image.max()), 1e-6)


def _granules(posture: Posture, rig: Rig, rng: np.random.Generator) -> Image:
    """Return small bright dots, most of them in the gut."""
    image = np.zeros(rig.shape, np.float32)
    n = int(rng.integers(10, 70))
    x = np.where(rng.random(n) < 0.7, rng.uniform(50, 130, n), rng.uniform(-50, 60, n))
    where = posture.place(np.c_[rng.normal(0, 4, n), rng.normal(0, 6, n), x])
    pixel = np.floor(where / rig.voxel_um).astype(int)
    inside = ((pixel >= 0) & (pixel < rig.shape)).all(1)
    light = 160 * rng.lognormal(0, 0.8, n)
    np.add.at(image, tuple(pixel[inside].T), light[inside].astype(np.float32))
    return 4 * ndimage.gaussian_filter(image, (1.3, 0.7, 0.7))


def _camera(seen: Image, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return counts: shot noise, read noise that differs by pixel, offset, gain."""
    plane = seen.shape[1:]
    gain = rng.uniform(1.6, 3.0)
    background = rng.uniform(18, 40)
    photons = rng.poisson((seen + background) / gain).astype(np.float32)
    read = rng.uniform(6, 10) * rng.gamma(8.0, 1 / 8.0, plane).astype(np.float32)
    offset = 100 + rng.normal(0, 1.0, plane).astype(np.float32)
    noise = rng.standard_normal(seen.shape, dtype=np.float32) * read
    counts = np.rint(gain * photons + offset + noise)
    return np.clip(counts, 0, 65535).astype(np.uint16)


def _vignette(rig: Rig, rng: np.random.Generator) -> Image:
    _, n_y, n_x = rig.shape
    y, x = np.meshgrid(np.linspace(-1, 1, n_y), np.linspace(-1, 1, n_x), indexing="ij")
    dy, dx = rng.normal(0, 0.2, 2)
    return (1 - 0.1 * ((y - dy) ** 2 + (x - dx) ** 2)).astype(np.float32)


def _bend(x: Floats, y: Floats, angle: Floats) -> Floats:
    """Return points beside a midline with this direction at `_NODES_UM`, as `(x, y)`."""
    line = np.cumsum(np.c_[np.cos(angle), np.sin(angle)] * 0.5, axis=0)
    line += [20 - np.interp(20.0, _NODES_UM, line[:, 0]), -np.interp(20.0, _NODES_UM, line[:, 1])]
    direction = np.interp(x, _NODES_UM, angle)
    middle = np.c_[np.interp(x, _NODES_UM, line[:, 0]), np.interp(x, _NODES_UM, line[:, 1])]
    return middle + y[:, None] * np.c_[-np.sin(direction), np.cos(direction)]


def _offsets(box: tuple[slice, ...], center: Floats, first: Floats, step: Floats) -> Floats:
    axes = [
        first[axis] + np.arange(part.start, part.stop) * step[axis] - center[axis]
        for axis, part in enumerate(box)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _shift_at(z_um: Floats, posture: Posture, rig: Rig) -> Floats:
    """Return the shift of the slice through each height, as `(0, y, x)` in um."""
    height = (np.arange(rig.shape[0]) + 0.5) * rig.voxel_um
    y, x = (np.interp(z_um, height, column) for column in posture.shift_um.T)
    return np.c_[np.zeros(len(z_um)), y, x]


def _shifted(image: Image, posture: Posture, rig: Rig, fine: int) -> Image:
    """Return every slice where the animal was when it was taken."""
    shift_px = posture.shift_um * fine / rig.voxel_um
    moved = [
        ndimage.shift(slice_, shift, order=1, mode="nearest")
        for slice_, shift in zip(image, shift_px, strict=True)
    ]
    return np.stack(moved)


def _binned(image: Image, fine: int) -> Image:
    n_z, n_y, n_x = image.shape
    binned: Image = image.reshape(n_z, n_y // fine, fine, n_x // fine, fine).mean((2, 4))
    return binned


def _truth(
    head: Head,
    seen_um: Floats,
    radius: Floats,
    light: Floats,
    ratio: Floats,
    posture: Posture,
    rig: Rig,
) -> Truth:
    centroid_px = seen_um / rig.voxel_um - 0.5
    return Truth(
        index=0,
        time_s=0.0,
        names=head.names,
        is_listed=head.kind == LISTED,
        centroid_px=centroid_px,
        centroid_time_s=_PERIOD_S * np.clip(centroid_px[:, 0] / rig.shape[0], 0, 1),
        radius_um=radius,
        marker=light,
        activity=0.7 * light * ratio,
        ratio=ratio,
        alignment=ChannelAlignment(),
        slice_offset_um=posture.shift_um,
    )


def _volume(marker: NDArray[np.uint16], activity: NDArray[np.uint16], rig: Rig) -> Volume:
    grid = VoxelGrid.as_stored(rig.shape, (rig.voxel_um,) * 3)
    return Volume(
        index=0,
        timestamp_s=0.0,
        marker=marker,
        activity=activity,
        spec=VolumeSpec(grid=grid, period_s=_PERIOD_S),
        slice_times_s=np.linspace(0, _PERIOD_S, rig.shape[0], endpoint=False),
    )


def main() -> None:
    """Write pictures of a few animals and tell the figures of their volumes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    animals = animals_of(arguments.data)
    completer = Completer.from_data(arguments.data)
    for number, key in enumerate(validation_keys(list(animals))[:4]):
        rng = np.random.default_rng([arguments.seed, number])
        head = completer.complete(animals[key], FLAVORS[number % 2], rng)
        start_s = time.perf_counter()
        shape = (SMALL_FIELD, LARGE_FIELD)[number // 2]
        rendered = render(head, Rig(shape=shape), rng)
        marker = rendered.volume.marker
        logger.info(
            "%s: %.1f s, median %.0f, min %d, SD %.1f, max %d",
            head.key,
            time.perf_counter() - start_s,
            *(np.median(marker), marker.min(), marker.std(), marker.max()),
        )
        picture = np.minimum(marker.max(0).astype(float), np.percentile(marker.max(0), 99.7))
        name = f"{head.key.replace('/', '_')}.png"
        plt.imsave(arguments.out / name, picture, cmap="gray")


if __name__ == "__main__":
    main()
