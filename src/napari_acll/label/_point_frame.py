"""Turning the nuclei of a volume into the frame of the atlas, before anything has a name.

Positions are `(z, y, x)` in um throughout. The atlas has x from nose to tail and z from the left
to the right side. An animal's long axis lies in the imaging plane, either way round, and it lies
on either side; every such posture is tried and the likeliest ones are kept.

References
----------
Myronenko & Song, Point set registration: coherent point drift, IEEE TPAMI 2010: the matching of
points as a Gaussian mixture, here with rigid and affine maps and some points that fit nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.label._point_match import match

Floats = NDArray[np.float64]

_ROLLS_DEG = (0.0, 30.0, -30.0, 180.0, 210.0, 150.0)
"""Animals lie on their side; more than 45 degrees away from it has not been seen."""
_SOFT_UM = (7.0, 6.2, 5.5, 4.9, 4.3)
_SHARP_UM = (3.8, 3.4, 3.0)
"""SD of the matching, from round to round; the first are enough to see which postures to drop."""
_N_FINALISTS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """Where the neurons of a model lie on average.

    Parameters
    ----------
    mean_um : ndarray of float64, shape (k, 3)
        Mean positions.
    sd_um : ndarray of float64, shape (k, 3)
        How far animals stray from them, per axis.
    """

    mean_um: Floats
    sd_um: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """`position @ matrix + shift` lies in the frame of the atlas."""

    matrix: Floats
    shift: Floats
    log_likelihood: float = 0.0

    def apply(self, position_um: NDArray[np.floating]) -> Floats:
        """Return positions in the frame of the atlas."""
        moved: Floats = position_um @ self.matrix + self.shift
        return moved


def likeliest_poses(position_um: Floats, atlas: Atlas, *, n_best: int) -> list[Pose]:
    """Return the postures in which the nuclei fit the atlas best, the likeliest first.

    Parameters
    ----------
    position_um : ndarray of float64, shape (n, 3)
        Nuclei as they lie in the volume.
    atlas : Atlas
        Where neurons lie.
    n_best : int
        Postures to return; they differ by more than 20 degrees.
    """
    center = np.median(position_um, axis=0)
    starts = [_start(center, turn) for turn in _turns(position_um - center)]
    poses = refine_rigid(position_um, atlas, starts, sds_um=_SOFT_UM)
    finalists = _apart(poses)[: max(_N_FINALISTS, n_best)]
    return _apart(refine_rigid(position_um, atlas, finalists, sds_um=_SHARP_UM))[:n_best]


def _apart(poses: list[Pose]) -> list[Pose]:
    """Return postures by their likelihood, without those that repeat a likelier one."""
    kept: list[Pose] = []
    for pose in sorted(poses, key=lambda pose: -pose.log_likelihood):
        if all(_angle_deg(pose.matrix, other.matrix) > 20 for other in kept):
            kept.append(pose)
    return kept


def _turns(centered: Floats) -> list[Floats]:
    """Return the rotations that are tried: both directions of the long axis, several rolls."""
    in_plane = centered[:, 1:]
    radius = np.linalg.norm(in_plane - np.median(in_plane, axis=0), axis=1)
    inner = in_plane[radius <= np.percentile(radius, 95)]
    y, x = np.linalg.svd(inner - inner.mean(0), full_matrices=False)[2][0]
    along = np.array([[1.0, 0, 0], [0, x, y], [0, -y, x]])
    flip = np.diag([1.0, -1.0, -1.0])
    return [
        heading @ _roll(np.deg2rad(roll))
        for heading in (along, along @ flip)
        for roll in _ROLLS_DEG
    ]


def _roll(angle_rad: float) -> Floats:
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1.0]])


def _start(center: Floats, turn: Floats) -> Pose:
    # the middle of the atlas is its mean, that of a volume the median: clutter is far out
    return Pose(turn, -center @ turn)


def _angle_deg(first: Floats, second: Floats) -> float:
    cosine = (np.trace(first.T @ second) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


def refine_rigid(
    position_um: Floats, atlas: Atlas, starts: Sequence[Pose], *, sds_um: tuple[float, ...]
) -> list[Pose]:
    """Return, near each start, the rigid posture in which the nuclei fit the atlas best.

    All postures are refined at once, which takes a third of the time.

    Parameters
    ----------
    position_um : ndarray of float64, shape (n, 3)
        Nuclei as they lie in the volume.
    atlas : Atlas
        Where neurons lie.
    starts : sequence of Pose
        First guesses.
    sds_um : tuple of float
        How far from its neuron a nucleus may lie, SD in each round.
    """
    matrix = np.stack([start.matrix for start in starts])
    shift = np.stack([start.shift for start in starts])
    log_likelihood = np.array([start.log_likelihood for start in starts])
    for sd_um in sds_um:
        moved = position_um @ matrix + shift[:, None]
        weight, target, log_likelihood = match(moved, atlas.mean_um, sd_um)
        matrix, shift = _rigid_fits(position_um, target, weight)
    return [
        Pose(turn, step, float(fit))
        for turn, step, fit in zip(matrix, shift, log_likelihood, strict=True)
    ]


def refine_affine(position_um: Floats, atlas: Atlas, start: Pose, *, n_rounds: int = 6) -> Pose:
    """Return the affine map near `start` with which the nuclei fit the atlas best."""
    pose = start
    for sd_um in np.geomspace(4.0, 2.5, n_rounds):
        weight, target, fit = match(pose.apply(position_um)[None], atlas.mean_um, sd_um)
        pose = affine_fit(
            position_um, target[0], weight[0], start=pose, log_likelihood=float(fit[0])
        )
    return pose


def _rigid_fits(source: Floats, target: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the rotations `(p, 3, 3)` and shifts `(p, 3)` that bring a source to each target.

    References
    ----------
    Kabsch, Acta Cryst. A32, 922 (1976).
    """
    share = (weight / weight.sum(1, keepdims=True))[..., None]
    center, goal = (share * source).sum(1), (share * target).sum(1)
    covariance = ((source - center[:, None]) * share).swapaxes(1, 2) @ (target - goal[:, None])
    u, _, vt = np.linalg.svd(covariance)
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    turn = u @ vt
    return turn, goal - (center[:, None] @ turn)[:, 0]


def _rigid_fit(source: Floats, target: Floats, weight: Floats) -> Pose:
    (turn,), (shift,) = _rigid_fits(source, target[None], weight[None])
    return Pose(turn, shift)


def affine_fit(
    source: Floats,
    target: Floats,
    weight: Floats,
    *,
    start: Pose,
    log_likelihood: float = 0.0,
    stiffness: float = 3.0,
) -> Pose:
    """Return the affine map from source to target, drawn toward `start` where there is little.

    Parameters
    ----------
    source, target : ndarray of float64, shape (n, 3)
        Corresponding positions.
    weight : ndarray of float64, shape (n,)
        Trust in each pair.
    start : Pose
        What is believed without any pair.
    log_likelihood : float
        Kept with the result.
    stiffness : float
        Pairs at 10 um from the center that the belief is worth.
    """
    share = (weight / weight.sum())[:, None]
    center, goal = (share * source).sum(0), (share * target).sum(0)
    design = (source - center) * weight[:, None]
    prior = stiffness * 100.0
    gram = design.T @ (source - center) + prior * np.eye(3)
    matrix = np.linalg.solve(gram, design.T @ (target - goal) + prior * start.matrix)
    return Pose(matrix, goal - center @ matrix, log_likelihood)


def fit_pose(source: Floats, target: Floats, *, is_affine: bool) -> Pose:
    """Return the rigid or affine map from source to target, little disturbed by wrong pairs.

    Parameters
    ----------
    source, target : ndarray of float64, shape (n, 3)
        Corresponding positions.
    is_affine : bool
        Whether the map may stretch and shear.
    """
    weight = np.ones(len(source))
    rigid = pose = _rigid_fit(source, target, weight)
    for _ in range(4):
        error = np.linalg.norm(pose.apply(source) - target, axis=1)
        weight = 1 / (1 + (error / 5.0) ** 2)
        rigid = pose = _rigid_fit(source, target, weight)
    if is_affine:
        for _ in range(3):
            pose = affine_fit(source, target, weight / weight.mean(), start=rigid)
            error = np.linalg.norm(pose.apply(source) - target, axis=1)
            weight = 1 / (1 + (error / 5.0) ** 2)
    return pose
