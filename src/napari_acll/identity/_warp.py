"""How a head has moved and bent from one volume to another, from nuclei that correspond."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Floats = NDArray[np.float64]

MIN_PAIRS = 8
"""Fewer pairs of nuclei say too little of how a head has moved."""
_ROUNDS = 5
_SCALE_UM = 3.0
"""Distance at which a pair counts half: about the way to the next nucleus."""
_STIFFNESS = 2.0
"""Weight of leaving the shape as it is, in pairs of nuclei 10 um apart."""
_REACH_UM = np.array([2.0, 6.0, 6.0])
"""How far a bend is shared along z, y and x: the standard deviations of the kernel. Slices are
taken one after the other while the animal moves, so it changes fastest along z. Set on virtual
animals on the usual rig and three times as fast (`recipes/measure_identity.py`)."""
_DOUBT = 0.25
"""Weight of there being no bend, in neighbors at no distance."""
_TOO_FAR_UM = 2.5
"""A pair that its neighbors contradict by more is taken for wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """An affine map and a smooth bend on top of it.

    Parameters
    ----------
    matrix : ndarray of float64, shape (3, 3)
        Of the affine map `place @ matrix + shift_um`.
    shift_um : ndarray of float64, shape (3,)
        Of the affine map.
    anchor_um : ndarray of float64, shape (m, 3)
        Places at which the bend is known.
    bend_um : ndarray of float64, shape (m, 3)
        The bend there.
    """

    matrix: Floats
    shift_um: Floats
    anchor_um: Floats
    bend_um: Floats

    def apply(self, place_um: Floats) -> Floats:
        """Return where places have gone, shape `(n, 3)`."""
        moved: Floats = place_um @ self.matrix + self.shift_um
        return moved + _smoothed(place_um, self.anchor_um, self.bend_um)


def fit_warp(from_um: Floats, to_um: Floats) -> Warp | None:
    """Return the motion that pairs of nuclei show, some of which may be wrong.

    An affine map is fitted with weights that fall with the distance to it; what is left is
    averaged over neighbors, without pairs that contradict theirs.

    Parameters
    ----------
    from_um, to_um : ndarray of float64, shape (n, 3)
        Places of the same nuclei in two volumes.

    Returns
    -------
    Warp or None
        None if there are fewer than 8 pairs.

    References
    ----------
    Geman & McClure, Bulletin of the ISI 52, 5 (1987): the weights. Nadaraya, Theory of Probability
    and Its Applications 9, 141 (1964): the average.
    """
    if len(from_um) < MIN_PAIRS:
        return None
    weight = np.ones(len(from_um))
    for _ in range(_ROUNDS):
        matrix, shift_um = _affine(from_um, to_um, weight)
        left_um = to_um - (from_um @ matrix + shift_um)
        weight = 1 / (1 + (left_um**2).sum(1) / _SCALE_UM**2) ** 2
    beside_um = _smoothed(from_um, from_um, left_um, is_left_out=True)
    agrees = np.linalg.norm(left_um - beside_um, axis=1) < _TOO_FAR_UM
    return Warp(matrix, shift_um, from_um[agrees], left_um[agrees])


def _affine(from_um: Floats, to_um: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the weighted least-squares map, drawn toward one that changes no shape."""
    total = weight.sum()
    center, target = weight @ from_um / total, weight @ to_um / total
    centered, moved = from_um - center, to_um - target
    ridge = _STIFFNESS * 100.0 * np.eye(3)
    square = (centered * weight[:, None]).T @ centered + ridge
    matrix = np.linalg.solve(square, (centered * weight[:, None]).T @ moved + ridge)
    return matrix, target - center @ matrix


def _smoothed(
    place_um: Floats, anchor_um: Floats, value: Floats, *, is_left_out: bool = False
) -> Floats:
    """Return values averaged over anchors nearby; without the own one if it is left out."""
    if not len(anchor_um):
        return np.zeros_like(place_um)
    distance = cdist(place_um / _REACH_UM, anchor_um / _REACH_UM, "sqeuclidean")
    kernel = np.exp(-0.5 * distance)
    if is_left_out:
        np.fill_diagonal(kernel, 0.0)
    smoothed: Floats = kernel @ value / (kernel.sum(1, keepdims=True) + _DOUBT)
    return smoothed
