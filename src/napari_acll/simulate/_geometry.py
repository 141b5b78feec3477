"""Rotations, bends and spacing of points; positions are `(z, y, x)` in um throughout."""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_NODES = 65
"""Points along the body at which a bend is integrated."""
HALF_LENGTH_UM = 140.0
"""The bend is integrated this far to both sides of the center of the head."""


def body_nodes_um() -> Floats:
    """Return the positions along the body at which bends are given, shape `(N_NODES,)`, um."""
    return np.linspace(-HALF_LENGTH_UM, HALF_LENGTH_UM, N_NODES)


def bend(position_um: Floats, angle: Floats) -> Floats:
    """Return points of a straight body after bending it in the y-x plane.

    Parameters
    ----------
    position_um : ndarray of float64, shape (n, 3)
        `(z, y, x)`, x along the body.
    angle : ndarray of float64, shape (N_NODES,)
        Direction of the midline at `body_nodes_um`, in radians against +x.

    Returns
    -------
    ndarray of float64, shape (n, 3)
    """
    nodes = body_nodes_um()
    step = nodes[1] - nodes[0]
    cos, sin = np.cos(angle), np.sin(angle)
    middle = N_NODES // 2
    along = np.concatenate(([0.0], np.cumsum((cos[1:] + cos[:-1]) * step / 2)))
    across = np.concatenate(([0.0], np.cumsum((sin[1:] + sin[:-1]) * step / 2)))
    x = position_um[:, 2]
    theta = np.interp(x, nodes, angle)
    bent = position_um.copy()
    bent[:, 2] = np.interp(x, nodes, along - along[middle]) - position_um[:, 1] * np.sin(theta)
    bent[:, 1] = np.interp(x, nodes, across - across[middle]) + position_um[:, 1] * np.cos(theta)
    return bent


def rotation(heading_rad: float, pitch_rad: float, roll_rad: float) -> Floats:
    """Return the matrix that rolls about x, then pitches about y, then turns about z.

    Acts on `(z, y, x)` columns: `position @ rotation(...).T`.
    """
    roll = _plane_rotation(roll_rad, 0, 1)
    pitch = _plane_rotation(pitch_rad, 2, 0)
    heading = _plane_rotation(heading_rad, 1, 2)
    matrix: Floats = heading @ pitch @ roll
    return matrix


def _plane_rotation(angle: float, first: int, second: int) -> Floats:
    matrix = np.eye(3)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix[first, first] = matrix[second, second] = cos
    matrix[first, second], matrix[second, first] = sin, -sin
    return matrix


def rigid_fit(
    source_um: Floats, target_um: Floats, *, allow_mirror: bool
) -> tuple[Floats, Floats, Floats]:
    """Return `R, center, goal` with `target ~ (source - center) @ R + goal`.

    A few misplaced points are given little weight.

    References
    ----------
    Kabsch, Acta Cryst. A32, 922 (1976).
    """
    weight = np.ones(len(source_um))
    for _ in range(6):
        share = (weight / weight.sum())[:, None]
        center, goal = (share * source_um).sum(0), (share * target_um).sum(0)
        u, _, vt = np.linalg.svd(((source_um - center) * share).T @ (target_um - goal))
        sign = 1.0 if allow_mirror else np.sign(np.linalg.det(u @ vt))
        matrix = u @ np.diag([1.0, 1.0, sign]) @ vt
        error = np.linalg.norm((source_um - center) @ matrix + goal - target_um, axis=1)
        weight = 1 / (1 + (error / (2.5 * np.median(error) + 1e-6)) ** 2)
    return matrix, center, goal


@numba.njit(cache=True, fastmath=True)
def push_apart(position_um: Floats, room_um: Floats, n_rounds: int, n_fixed: int) -> None:
    """Move points in place until each two are as far apart as their rooms together.

    The first `n_fixed` points stay where they are. Stops after `n_rounds` in any case.
    """
    widest = 2.0 * room_um.max() if len(room_um) else 0.0
    for _ in range(n_rounds):
        # only points that are neighbors along the body can meet
        order = np.argsort(position_um[:, 2])
        n_moved = 0
        for at in range(len(order)):
            for beside in range(at + 1, len(order)):
                i, j = min(order[at], order[beside]), max(order[at], order[beside])
                dx = position_um[j, 2] - position_um[i, 2]
                if abs(dx) > 1.5 * widest:
                    break
                least = room_um[i] + room_um[j]
                if j < n_fixed or abs(dx) >= least:
                    continue
                dz = position_um[j, 0] - position_um[i, 0]
                dy = position_um[j, 1] - position_um[i, 1]
                square = dz * dz + dy * dy + dx * dx
                if square >= least * least:
                    continue
                n_moved += 1
                distance = np.sqrt(square) + 1e-6
                share = 1.0 if i < n_fixed else 0.5
                step = share * (least - distance) / distance
                position_um[j, 0] += dz * step
                position_um[j, 1] += dy * step
                position_um[j, 2] += dx * step
                if i >= n_fixed:
                    position_um[i, 0] -= dz * step
                    position_um[i, 1] -= dy * step
                    position_um[i, 2] -= dx * step
        if n_moved == 0:
            return
