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
ESTABLISHED = 10
"""Volumes after which a name is established, and one that changed is a revision."""
_FORGET_AFTER = 50
_FORGET_NEW_AFTER = 4
_TAKEN_UM = 1.5
_SHAPE_GAIN = 0.1
"""Weight of the newest volume in the shape, once a nucleus was found in ten. 0.05 to 0.25 are as
good on virtual animals on the usual rig; in fast ones more loses nuclei to their neighbors."""
_STRETCH_GAIN = 0.01
"""How much nearer the extent of the shape comes to that of each volume."""
_PRESENCE_GAIN = 0.1
_FIRST_PRESENCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tracks:
    """Nuclei that were seen in some volume, one row each; never changed, only replaced.

    Parameters
    ----------
    place_um : ndarray of float64, shape (n, 3)
        `(z, y, x)` in the newest volume; where a nucleus would be that was not found in it.
    shape_um : ndarray of float64, shape (n, 3)
        Place in the shape of the animal: that of the first volume, which later ones correct.
    evidence : ndarray of float64, shape (n, k + 1)
        Sum of what volumes said (see `evidence_of`), older ones counting less, and those in which
        it may have been another nucleus.
    weight : ndarray of float64, shape (n,)
        Number of volumes in that sum, counted likewise.
    n_unseen : ndarray of int64, shape (n,)
        Volumes since it was last found.
    presence : ndarray of float64, shape (n,)
        In what part of the volumes it is found, newer ones counting more; 0.5 at first.
    neuron : ndarray of int64, shape (n,)
        Class number that it has now, 0 for none.
    n_same : ndarray of int64, shape (n,)
        For how many volumes that showed it.
    established : ndarray of int64, shape (n,)
        Class number that it had for long when it last had one for long, 0 for none.
    held : ndarray of int64, shape (n,)
        Class number that a person vouches for, 0 for none.
    """

    place_um: Floats
    shape_um: Floats
    evidence: Floats
    weight: Floats
    n_unseen: Integers
    presence: Floats
    neuron: Integers
    n_same: Integers
    established: Integers
    held: Integers

    def __len__(self) -> int:
        return len(self.weight)

    @classmethod
    def none(cls, n_neurons: int) -> "Tracks":
        """Return what is known before the first volume."""
        return cls(
            place_um=np.zeros((0, 3)),
            shape_um=np.zeros((0, 3)),
            evidence=np.zeros((0, n_neurons + 1)),
            weight=np.zeros(0),
            n_unseen=np.zeros(0, np.int64),
            presence=np.zeros(0),
            neuron=np.zeros(0, np.int64),
            n_same=np.zeros(0, np.int64),
            established=np.zeros(0, np.int64),
            held=np.zeros(0, np.int64),
        )

    def seen(
        self,
        rows: Integers,
        certainty: Floats,
        *,
        place_um: Floats,
        shape_um: Floats,
        evidence: Floats,
    ) -> "Tracks":
        """Return the nuclei after a volume in which some of them were found, and new ones.

        Parameters
        ----------
        rows : ndarray of int64, shape (m,)
            Row of each nucleus that was found, -1 for a new one, which is added at the end, in
            order.
        certainty : ndarray of float64, shape (m,)
            Probability that it is that one: what the volume says of it counts by so much.
        place_um : ndarray of float64, shape (m, 3)
            Where they are.
        shape_um : ndarray of float64, shape (m, 3)
            Where they are in the shape, by the motion of this volume.
        evidence : ndarray of float64, shape (m, k + 1)
            What the volume says of their names.
        """
        grown = self._with_new(int((rows < 0).sum()))
        at = rows.copy()
        at[rows < 0] = len(self) + np.arange((rows < 0).sum())
        # arrays of `grown` are new, so they may be filled
        gain = np.maximum(_SHAPE_GAIN, 1 / (1 + grown.weight[at]))[:, None]
        grown.shape_um[at] += gain * (shape_um - grown.shape_um[at])
        grown.place_um[at] = place_um
        grown.n_unseen[:] += 1
        grown.n_unseen[at] = 0
        grown.presence[:] += _PRESENCE_GAIN * ((grown.n_unseen == 0) - grown.presence)
        grown.evidence[at] = MEMORY * grown.evidence[at] + certainty[:, None] * evidence
        grown.weight[at] = MEMORY * grown.weight[at] + certainty
        return grown

    def _with_new(self, n_new: int) -> "Tracks":
        """Return them and nuclei of which nothing is known, at the end."""
        n_names, nothing = self.evidence.shape[1], np.zeros(n_new, np.int64)
        return Tracks(
            place_um=np.concatenate([self.place_um, np.zeros((n_new, 3))]),
            shape_um=np.concatenate([self.shape_um, np.zeros((n_new, 3))]),
            evidence=np.concatenate([self.evidence, np.zeros((n_new, n_names))]),
            weight=np.concatenate([self.weight, np.zeros(n_new)]),
            n_unseen=np.concatenate([self.n_unseen, nothing]),
            presence=np.concatenate([self.presence, np.full(n_new, _FIRST_PRESENCE)]),
            neuron=np.concatenate([self.neuron, nothing]),
            n_same=np.concatenate([self.n_same, nothing]),
            established=np.concatenate([self.established, nothing]),
            held=np.concatenate([self.held, nothing]),
        )

    def moved(self, place_um: Floats) -> "Tracks":
        """Return them at other places."""
        return replace(self, place_um=place_um)

    def stretched(self, stretch: Floats) -> "Tracks":
        """Return them with a shape whose extent is a little more that of a volume.

        Places are noisy, so that a motion that is fitted from them falls short, and what it leaves
        would make the shape larger and larger.

        Parameters
        ----------
        stretch : ndarray of float64, shape (3, 3)
            How the motion of the volume stretches the shape.
        """
        middle_um = self.shape_um.mean(0)
        little = np.eye(3) + _STRETCH_GAIN * (stretch - np.eye(3))
        return replace(self, shape_um=middle_um + (self.shape_um - middle_um) @ little)

    def named(self, neuron: NDArray[np.integer], rows: Integers) -> "Tracks":
        """Return them with other names.

        Parameters
        ----------
        neuron : ndarray of int, shape (n,)
            Class numbers, 0 for none.
        rows : ndarray of int64, shape (k,)
            Nuclei that are shown with them.
        """
        n_same = np.where(neuron == self.neuron, self.n_same, 0)
        n_same[rows] += 1
        return replace(self, neuron=neuron.astype(np.int64), n_same=n_same)

    def revised(self) -> Integers:
        """Return rows of nuclei that have had another name than the established one for long."""
        is_other = self._has_name_for_long() & (self.neuron != self.established)
        return np.flatnonzero(is_other & (self.established > 0))

    def settled(self) -> "Tracks":
        """Return them with what they have had for long as their established names."""
        established = np.where(self._has_name_for_long(), self.neuron, self.established)
        return replace(self, established=established)

    def _has_name_for_long(self) -> NDArray[np.bool_]:
        return (self.neuron > 0) & (self.n_same >= ESTABLISHED)

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
            shape_um=self.shape_um[rows],
            evidence=self.evidence[rows],
            weight=self.weight[rows],
            n_unseen=self.n_unseen[rows],
            presence=self.presence[rows],
            neuron=self.neuron[rows],
            n_same=self.n_same[rows],
            established=self.established[rows],
            held=self.held[rows],
        )

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
