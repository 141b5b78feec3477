"""The animals of the second renderer: how they lie, move and glow, and their nuclei.

See `other_renderer`.
"""

from dataclasses import dataclass

import numpy as np
from benchmark_animals import LISTED, UNKNOWN, Head
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

SMALL_FIELD = (64, 120, 284)
LARGE_FIELD = (80, 210, 322)

_NODES_UM = np.arange(-110.0, 160.0, 0.5)


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
