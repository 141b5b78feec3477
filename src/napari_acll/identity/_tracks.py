"""Nuclei followed over time, and what is known of their names."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MEMORY = 0.99
"""Of the evidence, per volume: a nucleus that was mistaken for another is forgiven after a
minute."""
AGREEMENT = 0.6
"""Part of what one volume says that the next one only repeats: the animal's shape and the light
of its nuclei are the same in all of them. The better one of 0.35 and 0.6 on six virtual animals
(`recipes/measure_identity.py`)."""
_FORGET_AFTER = 50
_FORGET_NEW_AFTER = 4
_TAKEN_UM = 1.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracks:
    """Nuclei that were seen in some volume, one row each; never changed, only replaced.

    Parameters
    ----------
    place_um : ndarray of float64, shape (n, 3)
        `(z, y, x)` in the newest volume; where a nucleus would be that was not found in it.
    evidence : ndarray of float64, shape (n, k + 1)
        Sum of what volumes said (see `evidence_of`), older ones counting less.
    weight : ndarray of float64, shape (n,)
        Number of volumes in that sum, older ones counting less.
    n_unseen : ndarray of int64, shape (n,)
        Volumes since it was last found.
    neuron : ndarray of int64, shape (n,)
        Class number that it has now, 0 for none.
    held : ndarray of int64, shape (n,)
        Class number that a person vouches for, 0 for none.
    """

    place_um: Floats
    evidence: Floats
    weight: Floats
    n_unseen: Integers
    neuron: Integers
    held: Integers

    def __len__(self) -> int:
        return len(self.weight)

    @classmethod
    def none(cls, n_neurons: int) -> "Tracks":
        """Return what is known before the first volume."""
        return cls(
            place_um=np.zeros((0, 3)),
            evidence=np.zeros((0, n_neurons + 1)),
            weight=np.zeros(0),
            n_unseen=np.zeros(0, np.int64),
            neuron=np.zeros(0, np.int64),
            held=np.zeros(0, np.int64),
        )

    def seen(
        self, rows: Integers, certainty: Floats, place_um: Floats, evidence: Floats
    ) -> "Tracks":
        """Return the nuclei after a volume in which some of them were found, and new ones.

        Parameters
        ----------
        rows : ndarray of int64, shape (m,)
            Row of each nucleus that was found, -1 for a new one, which is added at the end, in
            order.
        certainty : ndarray of float64, shape (m,)
            Probability that it is that one: what was known before counts by so much.
        place_um : ndarray of float64, shape (m, 3)
            Where they are.
        evidence : ndarray of float64, shape (m, k + 1)
            What the volume says of their names.
        """
        is_old = rows >= 0
        n_new = int((~is_old).sum())
        n_names = self.evidence.shape[1]
        places = np.concatenate([self.place_um, place_um[~is_old]])
        summed = np.concatenate([self.evidence, np.zeros((n_new, n_names))])
        weight = np.concatenate([self.weight, np.zeros(n_new)])
        n_unseen = np.concatenate([self.n_unseen, np.zeros(n_new, np.int64)]) + 1
        at = np.where(is_old, rows, 0)
        at[~is_old] = len(self) + np.arange(n_new)
        places[at], n_unseen[at] = place_um, 0
        kept = MEMORY * certainty
        summed[at] = kept[:, None] * summed[at] + evidence
        weight[at] = kept * weight[at] + 1.0
        nothing = np.zeros(n_new, np.int64)
        return Tracks(
            place_um=places,
            evidence=summed,
            weight=weight,
            n_unseen=n_unseen,
            neuron=np.concatenate([self.neuron, nothing]),
            held=np.concatenate([self.held, nothing]),
        )

    def moved(self, place_um: Floats) -> "Tracks":
        """Return them at other places."""
        return replace(self, place_um=place_um)

    def named(self, neuron: NDArray[np.integer]) -> "Tracks":
        """Return them with other names."""
        return replace(self, neuron=neuron.astype(np.int64))

    def holding(self, neurons: Collection[int]) -> "Tracks":
        """Return them with these names, and no others, left with the nuclei that have them.

        Parameters
        ----------
        neurons : collection of int
            Class numbers.
        """
        held = np.where(np.isin(self.held, list(neurons)), self.held, 0)
        for number in sorted(set(neurons) - set(held.tolist())):
            held[(self.neuron == number) & (held == 0)] = number
        return replace(self, held=held)

    def kept(self, rows: NDArray[np.bool_]) -> "Tracks":
        """Return some of them."""
        return Tracks(
            place_um=self.place_um[rows],
            evidence=self.evidence[rows],
            weight=self.weight[rows],
            n_unseen=self.n_unseen[rows],
            neuron=self.neuron[rows],
            held=self.held[rows],
        )

    def pooled(self) -> Floats:
        """Return logits of names by all volumes together, column 0 for "none of these".

        The mean of the evidence over volumes, times the number of volumes that would say as much
        if they were independent: `w / (1 + AGREEMENT * (w - 1))`. That a nucleus has no name is
        said by the same reasons in each volume; there a mean is all that can be had.

        References
        ----------
        Kish, Survey Sampling (1965), section 5.4: the effective size of correlated samples.
        """
        weight = np.maximum(self.weight, 1e-9)
        n_effective = weight / (1 + AGREEMENT * np.maximum(weight - 1, 0))
        mean = self.evidence / weight[:, None]
        pooled: Floats = mean * n_effective[:, None]
        # no logarithm is below 2 * log(LEAST), so this sum cannot vanish
        pooled[:, 1:] -= np.log(np.exp(pooled[:, 1:]).sum(1, keepdims=True))
        pooled[:, 0] = mean[:, 0]
        return pooled

    def is_worth_keeping(self, gap_um: Floats) -> NDArray[np.bool_]:
        """Return which nuclei to go on with.

        Those are given up that were not found for long, unless a person vouches for them; that
        were found hardly ever; or whose place another one has taken.

        Parameters
        ----------
        gap_um : ndarray of float64, shape (n,)
            Distance to the nearest nucleus that was found as another one.
        """
        limit = np.clip(self.weight, _FORGET_NEW_AFTER, _FORGET_AFTER)
        is_replaced = (self.n_unseen > _FORGET_NEW_AFTER) & (gap_um < _TAKEN_UM)
        is_expected = (self.n_unseen <= limit) | (self.held > 0)
        worth: NDArray[np.bool_] = is_expected & ~is_replaced
        return worth
