"""The template of a recording: its nuclei in one posture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_acll.core import Detections
from napari_acll.identity._offline_matching import Placed, place, same_names
from napari_acll.identity._warp import fit_warp

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Places = Sequence[Placed | None]

_SAME_UM = 4.0
"""Nuclei whose mean places are nearer than this may be one: about the way to the next nucleus."""
_TOGETHER_SHARE = 0.1
"""Two nuclei that are both found in more than this part of the rarer one's volumes are two."""
_TWICE_UM = 2.0
"""Two that are nearer than this and called the same are one that is detected twice: slices are
taken one after the other, so a nucleus that moves can show in some of them at another place. Of
131 such pairs in nine fast virtual animals, 128 were one neuron."""
_TWICE_ALIKE = 0.7
"""How alike the names of both must be, as a Bhattacharyya coefficient."""
_FOUND_SHARE = 0.2
"""A nucleus that is found in a smaller part of the volumes is a stray detection."""
_FEWEST = 12
"""Volumes in which a nucleus must be found in a long recording, even if it shows only for a
while."""
_YOUNG = 30
"""Volumes for which a nucleus that was added is not judged."""


class Template:
    """Nuclei in the posture of one volume, to be found in each of the others.

    The numbers were set on six virtual animals of 60 volumes (`recipes/measure_refine.py`): with
    them 96 % of the detections of a neuron are of one nucleus, and 99.8 % of those of a nucleus of
    one neuron.

    Parameters
    ----------
    n_neurons : int
        Names of the model.
    """

    def __init__(self, n_neurons: int) -> None:
        self.place_um: Floats = np.zeros((0, 3))
        self._votes: Floats = np.zeros((0, n_neurons + 1))
        self._n_found: Integers = np.zeros(0, np.int64)
        self._born: Integers = np.zeros(0, np.int64)
        self._n_grown = 0

    def grow(self, found_um: Floats, detections: Detections, near: Placed | None) -> Placed | None:
        """Find the template in a volume, and add the nuclei that only this one shows.

        Parameters
        ----------
        found_um : ndarray of float64, shape (m, 3)
            Places of the volume's nuclei.
        detections : Detections
            Their names.
        near : Placed, optional
            How the template lay in a volume near in time.

        Returns
        -------
        Placed or None
            None if the motion of this volume cannot be told.
        """
        if not len(self.place_um):
            placed: Placed | None = Placed(np.full(len(found_um), -1, np.int64), self.place_um)
        else:
            placed = self.lay(found_um, detections, near)
        if placed is None:
            return None
        self._n_grown += 1
        placed = self._with_new(found_um, placed)
        self._count(placed, detections)
        return placed

    def lay(self, found_um: Floats, detections: Detections, near: Placed | None) -> Placed | None:
        """Find the template in a volume, as `grow` does, without adding to it."""
        names = same_names(self._votes, detections.neuron)
        return place(self.place_um, found_um, names=names, near=near)

    def without_strays(self, placed: Places) -> list[Placed | None]:
        """Drop added nuclei that were hardly found again; return the places of those left."""
        age = self._n_grown - self._born
        is_kept = (age < _YOUNG) | (self._n_found >= _FOUND_SHARE * age)
        return self._renumber(np.where(is_kept, np.arange(len(age)), -1), placed)

    def averaged(self, found_um: Sequence[Floats], placed: Places) -> list[Placed | None]:
        """Become the mean of all volumes, without nuclei that are rare or stand twice.

        Parameters
        ----------
        found_um : sequence of ndarray of float64, shape (m, 3)
            Places of the nuclei of each volume.
        placed : sequence of Placed
            How the template lies in each of them.

        Returns
        -------
        list of Placed
            The same, for the nuclei that are left.
        """
        seen = _seen(placed, len(self.place_um))
        self.place_um = self._mean_um(found_um, placed)
        into = _without_doubles(self.place_um, seen, self._votes)
        into[~_is_steady(seen, into)] = -1
        return self._renumber(into, placed)

    def _mean_um(self, found_um: Sequence[Floats], placed: Places) -> Floats:
        total, count = np.zeros_like(self.place_um), np.zeros(len(self.place_um))
        for there_um, item in zip(found_um, placed, strict=True):
            if item is None:
                continue
            columns = np.flatnonzero(item.rows >= 0)
            rows = item.rows[columns]
            back = fit_warp(there_um[columns], self.place_um[rows])
            if back is not None:
                np.add.at(total, rows, back.apply(there_um[columns]))
                np.add.at(count, rows, 1)
        mean_um = total / np.maximum(count, 1)[:, None]
        return np.where(count[:, None] > 0, mean_um, self.place_um)

    def _with_new(self, found_um: Floats, placed: Placed) -> Placed:
        is_new = placed.rows < 0
        if not is_new.any():
            return placed
        new_um = found_um[is_new]
        if len(self.place_um):
            back = fit_warp(found_um[~is_new], self.place_um[placed.rows[~is_new]])
            if back is None:
                return placed
            new_um = back.apply(new_um)
        rows = placed.rows.copy()
        rows[is_new] = len(self.place_um) + np.arange(len(new_um))
        self._add(new_um)
        return Placed(rows, np.concatenate([placed.place_um, found_um[is_new]]))

    def _add(self, new_um: Floats) -> None:
        n = len(new_um)
        self.place_um = np.concatenate([self.place_um, new_um])
        self._votes = np.concatenate([self._votes, np.zeros((n, self._votes.shape[1]))])
        self._n_found = np.concatenate([self._n_found, np.zeros(n, np.int64)])
        self._born = np.concatenate([self._born, np.full(n, self._n_grown - 1)])

    def _count(self, placed: Placed, detections: Detections) -> None:
        columns = np.flatnonzero(placed.rows >= 0)
        rows, names = placed.rows[columns], detections.neuron[columns]
        self._n_found[rows] += 1
        is_named = names > 0
        chance = detections.probability[columns]
        np.add.at(self._votes, (rows[is_named], names[is_named]), chance[is_named])

    def _renumber(self, into: Integers, placed: Places) -> list[Placed | None]:
        """Drop nuclei (-1) and merge others; return the places of those left."""
        is_kept = into == np.arange(len(into))
        new = np.where(into >= 0, (np.cumsum(is_kept) - 1)[np.maximum(into, 0)], -1)
        n_kept, is_known = int(is_kept.sum()), new >= 0
        votes, n_found = np.zeros((n_kept, self._votes.shape[1])), np.zeros(n_kept, np.int64)
        np.add.at(votes, new[is_known], self._votes[is_known])
        np.add.at(n_found, new[is_known], self._n_found[is_known])
        self._votes, self._n_found = votes, n_found
        self.place_um, self._born = self.place_um[is_kept], self._born[is_kept]
        return [None if item is None else item.renumbered(new, is_kept) for item in placed]


def _seen(placed: Places, n: int) -> NDArray[np.bool_]:
    """Return in which volumes each nucleus was found, shape `(n_volumes, n)`."""
    seen = np.zeros((len(placed), n), np.bool_)
    for number, item in enumerate(placed):
        if item is not None:
            seen[number, item.rows[item.rows >= 0]] = True
    return seen


def _is_steady(seen: NDArray[np.bool_], into: Integers) -> NDArray[np.bool_]:
    """Return which nuclei are found often enough between their first and last volume."""
    n_volumes = len(seen)
    merged = np.zeros_like(seen)
    for row, target in enumerate(into):
        merged[:, target] |= seen[:, row]
    count = merged.sum(0)
    first = merged.argmax(0)
    last = n_volumes - 1 - merged[::-1].argmax(0)
    least = np.minimum(_FEWEST, _FOUND_SHARE * n_volumes)
    steady: NDArray[np.bool_] = count >= np.maximum(least, _FOUND_SHARE * (last - first + 1))
    return steady[into]


def _without_doubles(place_um: Floats, seen: NDArray[np.bool_], votes: Floats) -> Integers:
    """Return for each nucleus which one it is: itself, or one near it that is found more often.

    Two near ones are one if they are hardly ever found together, or if they are nearer than two
    nuclei can be and are called the same.
    """
    into = np.arange(len(place_um))
    pairs = cKDTree(place_um).query_pairs(_SAME_UM, output_type="ndarray")
    distance_um = np.linalg.norm(place_um[pairs[:, 0]] - place_um[pairs[:, 1]], axis=1)
    seen = seen.copy()
    for one, other in pairs[np.argsort(distance_um, kind="stable")]:
        if into[one] != one or into[other] != other:
            continue
        rare, often = sorted((int(one), int(other)), key=lambda row: seen[:, row].sum())
        together = (seen[:, rare] & seen[:, often]).sum()
        is_one = together <= _TOGETHER_SHARE * seen[:, rare].sum()
        is_near = np.linalg.norm(place_um[rare] - place_um[often]) < _TWICE_UM
        if is_one or (is_near and _alike(votes[rare], votes[often]) > _TWICE_ALIKE):
            into[rare] = often
            seen[:, often] |= seen[:, rare]
    while (into != into[into]).any():
        into = into[into]
    return into


def _alike(one: Floats, other: Floats) -> float:
    """Return how alike the votes for names of two nuclei are, from 0 to 1.

    References
    ----------
    Bhattacharyya, Bulletin of the Calcutta Mathematical Society 35, 99 (1943).
    """
    total = np.sqrt(one.sum() * other.sum())
    return float(np.sqrt(one * other).sum() / total) if total > 0 else 0.0
