"""How a head has moved and bent from one volume to another, from nuclei that correspond."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.spatial.distance import cdist

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MIN_PAIRS = 8
"""Fewer pairs of nuclei say too little of how a head has moved."""
_ROUNDS = 3
_SCALE_UM = 3.0
"""Distance at which a pair counts half: about the way to the next nucleus."""
_STIFFNESS = 2.0
"""Weight of leaving the shape as it is, in pairs of nuclei 10 um apart."""
_REACH_UM = np.array([8.0, 40.0, 40.0])
"""How far a bend is shared along z, y and x: the standard deviations of the kernel. Slices are
taken one after the other while the animal moves, so it changes fastest along z. Set, with the two
below, on virtual animals on the usual rig and three times as fast; half or twice as much is as
good."""
_BEND_UM = 6.0
"""SD of a bend."""
_NOISE_UM = 0.6
"""SD of the places of nuclei, and of what a bend leaves."""
_N_KNOTS = 40
"""Places by which a bend is described: as good as all nuclei, and many times faster."""
_BEND_ROUNDS = 2
_DOUBT = 6.0
"""A pair that neighbors contradict by this, squared and over its variance, counts a quarter."""
_JITTER = 1e-3
"""Of the variance of a bend, so that knots at one place do no harm."""
_UNDO_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """An affine map and a smooth bend on top of it.

    Parameters
    ----------
    matrix : ndarray of float64, shape (3, 3)
        Of the affine map `place @ matrix + shift_um`.
    shift_um : ndarray of float64, shape (3,)
        Of the affine map.
    knot_um : ndarray of float64, shape (m, 3)
        Places by which the bend is described.
    bend_per_um : ndarray of float64, shape (m, 3)
        How much each of them adds to the bend, per um**2 of the kernel.
    """

    matrix: Floats
    shift_um: Floats
    knot_um: Floats
    bend_per_um: Floats

    def apply(self, place_um: Floats) -> Floats:
        """Return where places have gone, shape `(n, 3)`."""
        moved: Floats = place_um @ self.matrix + self.shift_um
        return moved + _kernel(place_um, self.knot_um) @ self.bend_per_um

    def undo(self, moved_um: Floats) -> Floats:
        """Return where places have come from, shape `(n, 3)`, to a tenth of a micrometer or so."""
        back = np.linalg.inv(self.matrix)
        place_um: Floats = (moved_um - self.shift_um) @ back
        for _ in range(_UNDO_ROUNDS):
            place_um = place_um + (moved_um - self.apply(place_um)) @ back
        return place_um


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Nuclei whose motion is fitted more than once; what all fits share is computed once.

    Parameters
    ----------
    place_um : ndarray of float64, shape (n, 3)
        Where they are before they move.
    knot_um : ndarray of float64, shape (m, 3)
        Places by which a bend is described.
    covariance : ndarray of float64, shape (n, m)
        Of the bend there and at the knots, in um**2.
    lower : ndarray of float64, shape (m, m)
        Cholesky factor of the covariance of the bend at the knots, in um.
    basis : ndarray of float64, shape (n, m)
        Bends that are independent of each other, in um.
    """

    place_um: Floats
    knot_um: Floats
    covariance: Floats
    lower: Floats
    basis: Floats

    @classmethod
    def of(cls, place_um: Floats) -> "Shape":
        """Return the shape of some places, of which there is one at least."""
        rows = _knots(place_um)
        covariance = _kernel(place_um, place_um[rows])
        prior = covariance[rows]
        prior[np.diag_indices_from(prior)] += _JITTER * _BEND_UM**2
        lower = cholesky(prior, lower=True, check_finite=False)
        basis = solve_triangular(lower, covariance.T, lower=True, check_finite=False).T
        return cls(place_um, place_um[rows], covariance, lower, basis)

    def fit(self, rows: Integers, to_um: Floats) -> Warp | None:
        """Return the motion that some of the nuclei show; some pairs may be wrong.

        An affine map is fitted with weights that fall with the distance to it. What is left is a
        smooth bend (a Gaussian process), in which pairs count the less the more their neighbors
        contradict them.

        Parameters
        ----------
        rows : ndarray of int64, shape (k,)
            Which nuclei.
        to_um : ndarray of float64, shape (k, 3)
            Where they have gone.

        Returns
        -------
        Warp or None
            None if there are fewer than 8 pairs.

        References
        ----------
        Geman & McClure, Bulletin of the ISI 52, 5 (1987): the weights. Rasmussen & Williams,
        Gaussian Processes for Machine Learning (2006), equations 5.12 (left-one-out) and 8.14
        (knots).
        """
        if len(rows) < MIN_PAIRS:
            return None
        from_um = self.place_um[rows]
        weight = np.ones(len(rows))
        for _ in range(_ROUNDS):
            matrix, shift_um = _affine(from_um, to_um, weight)
            left_um = to_um - (from_um @ matrix + shift_um)
            weight = 1 / (1 + (left_um**2).sum(1) / _SCALE_UM**2) ** 2
        height = _bend(self.basis[rows], left_um)
        bend = solve_triangular(self.lower, height, lower=True, trans="T", check_finite=False)
        return Warp(matrix, shift_um, self.knot_um, bend)

    def moved(self, warp: Warp) -> Floats:
        """Return where all of them have gone by a motion that was fitted to some of them."""
        moved: Floats = self.place_um @ warp.matrix + warp.shift_um
        return moved + self.covariance @ warp.bend_per_um


def fit_warp(from_um: Floats, to_um: Floats) -> Warp | None:
    """Return the motion that pairs of nuclei show, some of which may be wrong.

    Parameters
    ----------
    from_um, to_um : ndarray of float64, shape (n, 3)
        Places of the same nuclei in two volumes.

    Returns
    -------
    Warp or None
        None if there are fewer than 8 pairs; see `Shape.fit`.
    """
    if len(from_um) < MIN_PAIRS:
        return None
    return Shape.of(from_um).fit(np.arange(len(from_um)), to_um)


def _knots(place_um: Floats) -> Integers:
    """Return rows of places from all depths."""
    by_depth = np.argsort(place_um[:, 0], kind="stable")
    n_knots = min(_N_KNOTS, len(place_um))
    rows: Integers = by_depth[np.linspace(0, len(place_um) - 1, n_knots).astype(np.intp)]
    return rows


def _bend(basis: Floats, left_um: Floats) -> Floats:
    """Return how much of each bend displacements show, some of which are wrong."""
    weight = np.full(len(basis), _NOISE_UM**-2)
    for _ in range(_BEND_ROUNDS):
        heavy = basis * weight[:, None]
        covariance = np.linalg.inv(heavy.T @ basis + np.eye(basis.shape[1]))
        height: Floats = covariance @ (heavy.T @ left_um)
        leverage = ((heavy @ covariance) * basis).sum(1)
        rest_um = left_um - basis @ height
        deviation = weight * (rest_um**2).sum(1) / (1 - leverage)
        weight = _NOISE_UM**-2 / (1 + deviation / _DOUBT) ** 2
    return height


def _affine(from_um: Floats, to_um: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the weighted least-squares map, drawn toward one that changes no shape."""
    total = weight.sum()
    center, target = weight @ from_um / total, weight @ to_um / total
    centered, moved = from_um - center, to_um - target
    ridge = _STIFFNESS * 100.0 * np.eye(3)
    square = (centered * weight[:, None]).T @ centered + ridge
    matrix = np.linalg.solve(square, (centered * weight[:, None]).T @ moved + ridge)
    return matrix, target - center @ matrix


def _kernel(place_um: Floats, other_um: Floats) -> Floats:
    """Return the covariance of a bend at two sets of places, in um**2."""
    distance = cdist(place_um / _REACH_UM, other_um / _REACH_UM, "sqeuclidean")
    covariance: Floats = _BEND_UM**2 * np.exp(-0.5 * distance)
    return covariance
