"""Which nucleus of a volume is which of those that are followed."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from napari_acll.identity._tracks import Tracks
from napari_acll.identity._warp import Shape, Warp

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Pairs: TypeAlias = tuple[Integers, Integers]
"""Rows in two tables, pair by pair."""

_NOBODY = np.zeros(0, np.int64)
_GATES_UM = (5.0, 4.0, 3.5)
"""Greatest distance of a match, round by round: each round knows the motion better."""
_LEAST_SHARE = 0.4
"""Part of the nuclei that must be found again; with less the motion is not known."""
_TAILS = 3.0
"""Degrees of freedom of how far nuclei are from where they should be: more are far than by a
normal law."""
_LEAST_SD_UM = 0.3
_MEDIAN_OF_SQUARE = 2.37
"""Median of the squared length of a standard normal vector in space."""
_STRANGER = 0.005
"""Likelihood that it is another nucleus that nobody has thought of, the best place being 1.
Names are as good with ten times as much; with this fewer of them change."""
_STEADY = 0.5
"""Presence from which on a nucleus tells the motion; those that come and go may be strays."""
_RARE_UM2 = 4.0
"""How much nearer, squared, one must be that is found in 1 of e volumes to one that is found in
all: a nucleus that was lost for a while is preferred to what was taken up in its place."""
_RAREST = 0.02
_MOST_STRETCH = 1.25
"""A few nuclei in one plane tell nothing of the extent across it."""
_DOUBTFUL_UM2 = 6.0
"""Mean squared distance, as far as the last gate, from which on names may have led to a wrong
motion. It is 1.0 on the usual rig and 2.8 in virtual animals three times as fast, where it is more
than this in 3 % of the volumes; most starts that are wrong give more."""


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Nuclei of a volume and those that are followed.

    Parameters
    ----------
    rows : ndarray of int64, shape (m,)
        Row of each nucleus among those that are followed, -1 for a new one.
    certainty : ndarray of float64, shape (m,)
        Probability that it is that one, by how far all are from where they should be and who else
        is near; 1 for a new one.
    place_um : ndarray of float64, shape (n, 3)
        Where those that are followed should be in this volume.
    shape_um : ndarray of float64, shape (m, 3)
        Where the nuclei of this volume are in the shape of the animal.
    stretch : ndarray of float64, shape (3, 3)
        What the motion does to the shape before it turns it: symmetric.
    """

    rows: Integers
    certainty: Floats
    place_um: Floats
    shape_um: Floats
    stretch: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A motion of the shape, where it puts nuclei, and who lie together there."""

    warp: Warp
    place_um: Floats
    pairs: Pairs
    misfit_um2: float


def match(tracks: Tracks, found_um: Floats, neuron: NDArray[np.integer]) -> Match | None:
    """Return which nuclei of a volume are which of those that are followed.

    The motion is fitted from the shape of the animal, a mean over many volumes. Nuclei with the
    same name in both give a first idea of it, however far the animal has gone, and nearest
    neighbors refine it. Names may all be wrong alike, so those nearest to where nuclei were in
    the last volume are tried, too; what fits better holds.

    Parameters
    ----------
    tracks : Tracks
        What is followed.
    found_um : ndarray of float64, shape (m, 3)
        Places of the volume's nuclei.
    neuron : ndarray of int, shape (m,)
        Their names in this volume alone, 0 for none.

    Returns
    -------
    Match or None
        None if the motion cannot be told.
    """
    is_steady = tracks.presence >= _STEADY
    shape = Shape.of(tracks.shape_um)
    best = _moved(shape, _of_one_name(tracks, neuron), found_um, is_steady, _GATES_UM[0])
    if best is None or best.misfit_um2 > _DOUBTFUL_UM2 * len(found_um):
        start = _of_one_place(tracks, is_steady, found_um)
        other = _moved(shape, start, found_um, is_steady, _GATES_UM[0])
        fits = [fit for fit in (best, other) if fit]
        best = min(fits, key=lambda fit: fit.misfit_um2, default=None)
    for gate_um in _GATES_UM[1:]:
        best = best and _moved(shape, best.pairs, found_um, is_steady, gate_um)
    if best is None:
        return None
    distance = cdist(best.place_um, found_um, "sqeuclidean")
    # a nucleus that a person vouches for is expected, however long it hides
    rows, columns = _assigned(distance, np.where(tracks.held > 0, 1.0, tracks.presence))
    n_recent = int((tracks.n_unseen == 0).sum())
    if len(rows) < _LEAST_SHARE * min(n_recent, len(found_um)):
        return None
    matched, certainty = np.full(len(found_um), -1, np.int64), np.ones(len(found_um))
    matched[columns] = rows
    certainty[columns] = _certainty(distance, tracks.n_unseen, (rows, columns))
    shape_um = _in_shape(shape, best, found_um, matched)
    stretch = _stretch(tracks.shape_um[rows], found_um[columns])
    return Match(matched, certainty, best.place_um, shape_um, stretch)


def _moved(
    shape: Shape, pairs: Pairs, found_um: Floats, is_steady: NDArray[np.bool_], gate_um: float
) -> _Fit | None:
    """Return where nuclei have gone by the motion of pairs, and who lie together there.

    The misfit is the sum of squared distances, those of unmatched nuclei as far as the last gate.

    References
    ----------
    Besl & McKay, IEEE TPAMI 14, 239 (1992): pairs and motion by turns.
    """
    rows, columns = pairs
    warp = shape.fit(rows, found_um[columns])
    if warp is None:
        return None
    place_um = shape.moved(warp)
    steady = np.flatnonzero(is_steady)
    rows, columns = _mutual(place_um[steady], found_um, gate_um)
    rows = steady[rows]
    near = ((place_um[rows] - found_um[columns]) ** 2).sum()
    misfit = float(near + (len(found_um) - len(rows)) * _GATES_UM[-1] ** 2)
    return _Fit(warp, place_um, (rows, columns), misfit)


def _in_shape(shape: Shape, fit: _Fit, found_um: Floats, matched: Integers) -> Floats:
    """Return where the nuclei of a volume are in the shape, by its motion."""
    is_old = matched >= 0
    rows = matched[is_old]
    in_shape_um = np.empty_like(found_um)
    in_shape_um[~is_old] = fit.warp.undo(found_um[~is_old])
    # so near to where they should be, a bend is the same
    rest_um = (found_um[is_old] - fit.place_um[rows]) @ np.linalg.inv(fit.warp.matrix)
    in_shape_um[is_old] = shape.place_um[rows] + rest_um
    return in_shape_um


def _stretch(place_um: Floats, moved_um: Floats) -> Floats:
    """Return the symmetric left part of the polar decomposition of an affine map.

    It is the plain least-squares one: the one of the motion is drawn toward no map at all, and so
    falls short where an animal has turned.
    """
    centered, moved = place_um - place_um.mean(0), moved_um - moved_um.mean(0)
    matrix, *_ = np.linalg.lstsq(centered, moved, rcond=None)
    axes, length, _ = np.linalg.svd(matrix)
    stretch: Floats = (axes * np.clip(length, 1 / _MOST_STRETCH, _MOST_STRETCH)) @ axes.T
    return stretch


def _of_one_name(tracks: Tracks, neuron: NDArray[np.integer]) -> Pairs:
    """Return rows of followed and of found nuclei that have the same name."""
    _, rows, columns = np.intersect1d(tracks.neuron, neuron, return_indices=True)
    is_named = tracks.neuron[rows] > 0
    return rows[is_named], columns[is_named]


def _of_one_place(tracks: Tracks, is_steady: NDArray[np.bool_], found_um: Floats) -> Pairs:
    """Return rows of followed and of found nuclei that are nearest if the head only shifts."""
    steady = np.flatnonzero(is_steady)
    if not len(steady):
        return _NOBODY, _NOBODY
    place_um = tracks.place_um[steady]
    shift_um = np.median(found_um, 0) - np.median(place_um, 0)
    rows, columns = _mutual(place_um + shift_um, found_um, _GATES_UM[0])
    return steady[rows], columns


def _mutual(place_um: Floats, found_um: Floats, gate_um: float) -> Pairs:
    """Return rows of places and of found ones each of which is the nearest of the other."""
    if not len(place_um):
        return _NOBODY, _NOBODY
    distance = cdist(place_um, found_um, "sqeuclidean")
    columns = distance.argmin(1)
    rows = np.arange(len(columns))
    is_pair = distance.argmin(0)[columns] == rows
    is_pair &= distance[rows, columns] < gate_um**2
    return rows[is_pair], columns[is_pair]


def _assigned(distance: Floats, presence: Floats) -> Pairs:
    """Return rows and columns of squared distances of those that lie together, one to one.

    What is found in most volumes is preferred to what comes and goes.

    References
    ----------
    Kuhn, Naval Research Logistics 2, 83 (1955).
    """
    most = _GATES_UM[-1] ** 2
    rarity = -_RARE_UM2 * np.log(np.clip(presence, _RAREST, 1.0))
    cost = np.minimum(distance + rarity[:, None], most)
    rows, columns = linear_sum_assignment(cost)
    is_near = cost[rows, columns] < most
    return rows[is_near], columns[is_near]


def _certainty(distance: Floats, n_unseen: Integers, pairs: Pairs) -> Floats:
    """Return the probability of each pair, against other pairs of either of the two.

    How far pairs are apart in this volume says how well the motion is known: in a fast animal
    neighbors are taken for each other.

    References
    ----------
    Lange, Little & Taylor, JASA 84, 881 (1989): the t distribution. Bar-Shalom & Tse, Automatica
    11, 451 (1975): probabilities of associations.
    """
    rows, columns = pairs
    variance = float(np.median(distance[rows, columns])) / _MEDIAN_OF_SQUARE
    variance = max(variance, _LEAST_SD_UM**2)
    likely = (1 + distance / (_TAILS * variance)) ** (-(_TAILS + 3) / 2)
    likely *= np.exp(-n_unseen)[:, None]  # what was not found is hardly there
    own = likely[rows, columns]
    rivals = np.maximum(likely.sum(1)[rows], likely.sum(0)[columns])
    certainty: Floats = own / (rivals + _STRANGER)
    return certainty
