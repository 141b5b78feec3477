"""Follows nuclei and sums up what each volume says of their names."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from napari_acll.core import IdentitySettings, LabeledVolume, NeuronTable
from napari_acll.identity._evidence import evidence_of, pooled
from napari_acll.identity._matching import match
from napari_acll.identity._shown import renamed, shown_probabilities
from napari_acll.identity._tracks import ESTABLISHED, Tracks
from napari_acll.identity._warp import MIN_PAIRS
from napari_acll.naming import assign_names, name_probabilities

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_STICKINESS = 0.1
"""Advantage of the name that a nucleus has, as a logarithm of probability. With 0.3 a sixth fewer
names change on virtual animals, but where volumes say little, names that the first ones got wrong
stay; with 1 names of dim animals are lost."""
_LOST_VOLUMES = 20
_GAIN, _OFFSET = 0.91, 0.14
"""From the logit of a pooled probability to the shown one; fitted as by
`recipes/measure_identity.py --fit` on four virtual animals on the usual rig and six fast ones."""
_WORD_ODDS = 50.0
"""How much more probable a name becomes by a person's word: people err, too."""
_FAR = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class _Followed:
    """The nuclei after a volume, and those that it shows.

    Parameters
    ----------
    tracks : Tracks
        All that are followed.
    rows : ndarray of int64, shape (m,)
        Which of them the volume's nuclei are.
    certainty : ndarray of float64, shape (m,)
        Probability of each of these links.
    evidence : ndarray of float64, shape (m, k + 1)
        What the volume says.
    """

    tracks: Tracks
    rows: Integers
    certainty: Floats
    evidence: Floats


@dataclass(kw_only=True, eq=False)
class EvidenceFilter:
    """Identities by all volumes so far: each nucleus is followed, and its evidence summed.

    A volume alone names many neurons wrong, and others in the next one. Nuclei are therefore
    matched from volume to volume by the motion of the whole head, and named by what all volumes
    together say, each name once. Where it is doubtful that a nucleus is the one it was matched
    with, as in a fast animal, the past counts less for its name, and this volume less for the
    past. What a volume gives is never changed afterwards; when an established name changes,
    `notes` says so.

    Names that a person vouches for stay with their nuclei, see `hold`.

    A volume in which the motion cannot be told, or that comes after later ones, keeps its own
    names and teaches nothing. After 20 such volumes in a row everything begins anew; so it does
    with each volume while fewer than 8 nuclei are followed.

    Parameters
    ----------
    neurons : NeuronTable
        Of the model.
    """

    neurons: NeuronTable
    notes: list[str] = field(default_factory=list, init=False)
    _tracks: Tracks = field(init=False)
    _last_index: int = field(default=-1, init=False)
    _n_lost: int = field(default=0, init=False)
    _vouched: frozenset[int] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        self._tracks = Tracks.none(len(self.neurons))

    @classmethod
    def from_settings(cls, settings: IdentitySettings, neurons: NeuronTable) -> Self:  # noqa: ARG003
        """Return the filter of a session; it has nothing to set."""
        return cls(neurons=neurons)

    def hold(self, neurons: Collection[int]) -> None:
        """Leave names with the nuclei that have them, as long as these can be followed.

        A name that no nucleus has just now is held from when one has it.

        Parameters
        ----------
        neurons : collection of int
            Class numbers, as the filter gives them; others are let go.
        """
        self._vouched = frozenset(neurons)

    def update(self, labeled: LabeledVolume) -> LabeledVolume:
        """Return the volume with the names that all evidence so far supports.

        Parameters
        ----------
        labeled : LabeledVolume
            As the model labeled it.

        Returns
        -------
        LabeledVolume
            The same instances with other names and probabilities.
        """
        if not labeled.is_labelable or not len(labeled.detections):
            return labeled
        if labeled.index <= self._last_index:
            return labeled
        self._last_index = labeled.index
        followed = self._followed(labeled)
        if followed is None:
            return labeled
        tracks = followed.tracks.holding(self._vouched)
        shown = np.flatnonzero((tracks.n_unseen == 0) | (tracks.held > 0))
        among = np.searchsorted(shown, followed.rows)
        evidence, weight = _in_this_volume(tracks, shown, among, followed)
        logits = pooled(evidence, weight)
        chance, given = _names_of(logits, tracks.neuron[shown], tracks.held[shown])
        tracks = tracks.named(_with_names(tracks.neuron, shown, given), shown)
        self._note_revisions(tracks, labeled.index)
        self._tracks = tracks.settled()
        return self._renamed(labeled, chance[among], given[among])

    def _followed(self, labeled: LabeledVolume) -> _Followed | None:
        """Return the nuclei after this volume, and which of them it shows; None if unknown."""
        found = labeled.detections
        voxel_um = np.asarray(labeled.spec.voxel_size_um)
        found_um = found.centroid_px.astype(np.float64) * voxel_um
        evidence = evidence_of(found, len(self.neurons))
        tracks = self._tracks
        if len(tracks) < MIN_PAIRS:  # so few tell no motion, however long one waits
            return _first(Tracks.none(len(self.neurons)), found_um, evidence)
        matched = match(tracks, found_um, found.neuron)
        if matched is None:
            self._lose()
            return None
        self._n_lost = 0
        moved = tracks.moved(matched.place_um)
        after = moved.seen(
            matched.rows,
            matched.certainty,
            place_um=found_um,
            shape_um=matched.shape_um,
            evidence=evidence,
        ).stretched(matched.stretch)
        rows = matched.rows.copy()
        rows[rows < 0] = len(tracks) + np.arange((rows < 0).sum())
        is_kept = after.is_worth_keeping(_gaps_um(after))
        renumbered = np.cumsum(is_kept) - 1
        return _Followed(after.kept(is_kept), renumbered[rows], matched.certainty, evidence)

    def _lose(self) -> None:
        self._n_lost += 1
        if self._n_lost >= _LOST_VOLUMES:
            self._tracks = Tracks.none(len(self.neurons))
            self._n_lost = 0
            self.notes.append(
                f"For {_LOST_VOLUMES} volumes no nucleus could be followed; identities begin anew."
            )

    def _note_revisions(self, tracks: Tracks, index: int) -> None:
        """Say which established names have changed; two that changed places are a swap."""
        rows = tracks.revised()
        if not len(rows):
            return
        names = self.neurons.names
        changes = ", ".join(
            f"{names[tracks.established[row] - 1]} is now {names[tracks.neuron[row] - 1]}"
            for row in rows
        )
        self.notes.append(
            f"For {ESTABLISHED} volumes, the last of which is {index}, by all evidence so far: "
            f"{changes}."
        )

    def _renamed(
        self, labeled: LabeledVolume, chance: Floats, neuron: NDArray[np.integer]
    ) -> LabeledVolume:
        shown = shown_probabilities(chance, neuron, gain=_GAIN, offset=_OFFSET)
        detections = renamed(labeled.detections, neuron, shown)
        return replace(labeled, detections=detections)


def _first(tracks: Tracks, found_um: Floats, evidence: Floats) -> _Followed:
    """Return the nuclei of the first volume, whose shape is that of the animal so far."""
    new, sure = np.full(len(found_um), -1, np.int64), np.ones(len(found_um))
    after = tracks.seen(new, sure, place_um=found_um, shape_um=found_um, evidence=evidence)
    return _Followed(after, np.arange(len(found_um)), sure, evidence)


def _in_this_volume(
    tracks: Tracks, shown: Integers, among: Integers, followed: _Followed
) -> tuple[Floats, Floats]:
    """Return evidence and weight of the shown nuclei as they count for names now.

    What was known before counts as far as the link to it is certain, and what the volume says of
    its own nuclei in full: `c * before + own`. That the track has kept `before + c * own` is for
    later volumes.
    """
    evidence, weight = tracks.evidence[shown], tracks.weight[shown]
    certain = followed.certainty
    own = 1 - certain**2
    evidence[among] = certain[:, None] * evidence[among] + own[:, None] * followed.evidence
    weight[among] = certain * weight[among] + own
    return evidence, weight


def _names_of(
    logits: Floats, before: Integers, held: Integers
) -> tuple[Floats, NDArray[np.int32]]:
    """Return probabilities of names, `(n, k + 1)`, and the name of each nucleus, each once."""
    chance = name_probabilities(logits, temperature=1.0, none_bias=0.0)
    wanted = chance.copy()
    rows = np.flatnonzero(before > 0)
    wanted[rows, before[rows]] *= np.exp(_STICKINESS)
    rows = np.flatnonzero(held > 0)
    wanted[:, held[rows]] = 0.0
    wanted[rows] = 0.0
    wanted[rows, held[rows]] = 1.0
    neuron, _ = assign_names(wanted)
    return _believed(chance, rows, held[rows]), neuron


def _with_names(before: Integers, rows: Integers, given: NDArray[np.integer]) -> Integers:
    """Return the names of all nuclei: others keep theirs unless one of these got it."""
    neuron = np.where(np.isin(before, given), 0, before)
    neuron[rows] = given
    return neuron


def _believed(chance: Floats, rows: Integers, neuron: Integers) -> Floats:
    """Return probabilities after a person has said of some nuclei which neurons they are."""
    believed = chance.copy()
    believed[:, neuron] /= _WORD_ODDS
    believed[rows, neuron] = chance[rows, neuron] * _WORD_ODDS
    believed /= believed.sum(1, keepdims=True)
    return believed


def _gaps_um(tracks: Tracks) -> Floats:
    """Return the distance of each nucleus that was not found to the nearest one that was."""
    gap_um = np.full(len(tracks), _FAR)
    is_found = tracks.n_unseen == 0
    if is_found.any() and not is_found.all():
        distance = cdist(tracks.place_um[~is_found], tracks.place_um[is_found])
        gap_um[~is_found] = distance.min(1)
    return gap_um
