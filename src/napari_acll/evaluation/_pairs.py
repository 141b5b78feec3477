"""One recording: what was found, beside what is there."""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from napari_acll.core import ModelError, RecordingError, SessionError, VoxelGrid
from napari_acll.evaluation._matching import match_volumes
from napari_acll.evaluation._nuclei import (
    Bools,
    Floats,
    GivenNames,
    Ints,
    TrueNuclei,
    VolumeNumbers,
)
from napari_acll.evaluation._vocabulary import Vocabulary

N_FIRST = 3
FEW = 0.5
"""A truth of which less than this share is found makes one doubt that it is of this recording."""


class Kind(IntEnum):
    """What a nucleus is to the evaluation."""

    LISTED = 0
    """It has a name that the model knows, and an annotator would have given it."""
    UNLISTED = 1
    """It has a name that the model knows, but an annotator would not have given it."""
    NAMELESS = 2
    """It has no name, or one that the model cannot give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Detections and nuclei of the volumes that both sides have, with names as numbers.

    Parameters
    ----------
    animal : str
        What the recording is called.
    volumes : VolumeNumbers
        The volumes that are compared.
    volume, given : ndarray of int64, shape (n,)
        Volume of each detection, and the name that it got or 0.
    probability, ratio : ndarray of float64, shape (n,)
        Of that name, and what was traced under it.
    is_in_3 : ndarray of bool, shape (n,)
        Whether the true name is among the first three names.
    knows_3 : bool
        Whether more than the one name is known of each detection.
    nucleus : ndarray of int64, shape (n,)
        Row of the nucleus that it is, -1 where it is none.
    distance_um : ndarray of float64, shape (n,)
        To the center of that nucleus; NaN where it is none.
    true_volume, true, true_other, kind : ndarray of int64, shape (m,)
        Volume of each nucleus, its name or 0, the other name that is as right, and its `Kind`.
    true_um : ndarray of float64, shape (m, 3)
        Its center.
    true_ratio : ndarray of float64, shape (m,)
        Its activity.
    instance : ndarray of int64, shape (m,)
        Its number in the masks.
    is_complete : bool
        Whether every nucleus is there.
    n_unknown : int
        Listed nuclei whose name the model cannot give.
    notes : tuple of str
        What a reader should know.
    """

    animal: str
    volumes: VolumeNumbers
    volume: Ints
    given: Ints
    probability: Floats
    ratio: Floats
    is_in_3: Bools
    knows_3: bool
    nucleus: Ints
    distance_um: Floats
    true_volume: Ints
    true: Ints
    true_other: Ints
    kind: Ints
    true_um: Floats
    true_ratio: Floats
    instance: Ints
    is_complete: bool
    n_unknown: int
    notes: tuple[str, ...] = ()

    @property
    def is_match(self) -> Bools:
        """Which detections are nuclei, shape (n,)."""
        return self.nucleus >= 0

    @property
    def is_named(self) -> Bools:
        """Which detections got a name, shape (n,)."""
        return self.given > 0

    @property
    def is_right(self) -> Bools:
        """Which detections got the true name, shape (n,)."""
        true, other = self.at_detection(self.true), self.at_detection(self.true_other)
        is_right: Bools = self.is_named & ((self.given == true) | (self.given == other))
        return is_right

    @property
    def is_of_listed(self) -> Bools:
        """Which detections are listed nuclei, shape (n,)."""
        is_listed: Bools = self.at_detection(self.kind, missing=-1) == Kind.LISTED
        return is_listed

    def at_detection(self, values: Ints, *, missing: int = 0) -> Ints:
        """Return what is true of the nucleus of each detection.

        Parameters
        ----------
        values : ndarray of int64, shape (m,)
            Of each nucleus.
        missing : int
            Where a detection is no nucleus.
        """
        values = np.append(values, missing)
        return values[self.nucleus]  # -1 is the last one


def pair_up(
    given: GivenNames, truth: TrueNuclei, vocabulary: Vocabulary, *, match_um: float
) -> Pairs:
    """Return a recording's detections beside its nuclei.

    Parameters
    ----------
    given : GivenNames
        What was found and named.
    truth : TrueNuclei
        What is true.
    vocabulary : Vocabulary
        Of all recordings of the evaluation.
    match_um : float
        A detection farther than this from every nucleus is none.

    Raises
    ------
    RecordingError
        If the two have no volume in common, or no nucleus lies in what was labeled.
    ModelError
        If the model has none of the true names.
    SessionError
        If the truth is in voxels and the size of a voxel is not known.
    """
    common = _common_volumes(given, truth)
    given, truth = _of_volumes(given, common), _in_view(given, truth, common)
    position_um = _positions_um(given, truth)
    classes = np.array(["", *given.neurons.names], np.str_)
    of_class, _ = vocabulary.numbers(classes)
    true, other = vocabulary.numbers(truth.name)
    knows = np.isin(true, of_class[1:]) & (true > 0)
    _check_names(given, truth, knows)
    nucleus = match_volumes(
        given.position_um, given.volume, position_um, truth.volume, max_distance_um=match_um
    )
    gap = given.position_um - np.vstack([position_um, np.full((1, 3), np.nan)])[nucleus]
    candidate = np.where(given.candidate < 0, 0, of_class[given.candidate])
    pairs = Pairs(
        animal=given.animal,
        volumes=given.volumes,
        volume=given.volume,
        given=of_class[given.neuron],
        probability=given.probability,
        ratio=given.ratio,
        is_in_3=_is_among_first(candidate, np.r_[true, 0][nucleus], np.r_[other, 0][nucleus]),
        knows_3=candidate.shape[1] >= N_FIRST,
        nucleus=nucleus,
        distance_um=np.linalg.norm(gap, axis=1),
        true_volume=truth.volume,
        true=np.where(knows, true, 0),
        true_other=np.where(knows, other, 0),
        kind=np.where(knows, np.where(truth.is_listed, Kind.LISTED, Kind.UNLISTED), Kind.NAMELESS),
        true_um=position_um,
        true_ratio=truth.ratio,
        instance=truth.instance,
        is_complete=truth.is_complete,
        n_unknown=int((truth.is_listed & ~knows).sum()),
    )
    return replace(pairs, notes=tuple(_notes(pairs, truth, match_um)))


def _common_volumes(given: GivenNames, truth: TrueNuclei) -> Ints:
    common = np.intersect1d(given.volumes.scored, truth.volume)
    if not len(common):
        raise RecordingError(
            f"{truth.about} is the truth of volumes {_span(truth.volume)}, but {given.animal} has"
            f" the labeled volumes {_span(given.volumes.scored)}: they have none in common. Give"
            " the truth of this recording."
        )
    return common


def _span(numbers: Ints) -> str:
    return f"{numbers.min()} to {numbers.max()}" if len(numbers) else "none"


def _of_volumes(given: GivenNames, common: Ints) -> GivenNames:
    rows = np.isin(given.volume, common)
    kept, all_volumes = np.isin(given.volumes.scored, common), given.volumes
    volumes = replace(
        all_volumes,
        scored=all_volumes.scored[kept],
        time_s=all_volumes.time_s[kept],
        novelty=None if all_volumes.novelty is None else all_volumes.novelty[kept],
    )
    return replace(
        given,
        volumes=volumes,
        volume=given.volume[rows],
        position_um=given.position_um[rows],
        neuron=given.neuron[rows],
        probability=given.probability[rows],
        candidate=given.candidate[rows],
        ratio=given.ratio[rows],
    )


def _in_view(given: GivenNames, truth: TrueNuclei, common: Ints) -> TrueNuclei:
    rows = np.isin(truth.volume, common)
    if given.grid is not None and given.voxel_size_um is not None:
        scale = np.asarray(given.voxel_size_um) if truth.is_in_um else np.ones(3)
        rows &= _is_inside(truth.position / scale, given.grid)
    if not rows.any():
        raise RecordingError(
            f"No nucleus of {truth.about} lies within the volumes of {given.animal}; give the"
            " truth of this recording, in the unit that its columns say."
        )
    return replace(
        truth,
        volume=truth.volume[rows],
        name=truth.name[rows],
        position=truth.position[rows],
        is_listed=truth.is_listed[rows],
        ratio=truth.ratio[rows],
        instance=truth.instance[rows],
    )


def _is_inside(stored_px: Floats, grid: VoxelGrid) -> Bools:
    place = grid.from_stored_px(stored_px)
    upper = np.asarray(grid.shape) - 1
    return np.asarray(((place >= 0) & (place <= upper)).all(axis=1), np.bool_)


def _positions_um(given: GivenNames, truth: TrueNuclei) -> Floats:
    if truth.is_in_um:
        return truth.position
    if given.voxel_size_um is None:
        raise SessionError(
            f"{truth.about} gives positions in voxels and {given.animal} in um; give"
            " --voxel-size-um Z,Y,X."
        )
    position_um: Floats = truth.position * np.asarray(given.voxel_size_um)
    return position_um


def _check_names(given: GivenNames, truth: TrueNuclei, knows: Bools) -> None:
    if knows.any():
        return
    true = sorted(set(truth.name.tolist()) - {""})
    raise ModelError(
        f"{given.animal} was labeled with a model that has none of the names of {truth.about}"
        f" (there {_few(true)}; the model has {_few(list(given.neurons.names))}); give the model"
        " its name table, or a truth with its names."
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "") if names else "none"


def _is_among_first(candidate: Ints, true: Ints, other: Ints) -> Bools:
    """Whether a true name is among the first three; "none of these" is no name."""
    is_name = candidate > 0
    is_early = is_name & (np.cumsum(is_name, axis=1) <= N_FIRST)
    is_it = (candidate == true[:, None]) | (candidate == other[:, None])
    return np.asarray((is_early & is_it).any(axis=1), np.bool_)


def _notes(pairs: Pairs, truth: TrueNuclei, match_um: float) -> list[str]:
    notes = []
    listed = pairs.kind == Kind.LISTED
    found = len(np.unique(pairs.nucleus[pairs.is_of_listed])) / max(int(listed.sum()), 1)
    if found < FEW:
        notes.append(
            f"{pairs.animal}: only {found:.0%} of the listed nuclei were found within"
            f" {match_um:g} um. Check that {truth.about} is the truth of this recording."
        )
    if not pairs.is_complete:
        notes.append(
            f"{pairs.animal}: {truth.about} lists named nuclei only, so nothing is said about"
            " false detections and nuclei without a name."
        )
    if pairs.n_unknown:
        notes.append(
            f"{pairs.animal}: {pairs.n_unknown} listed nuclei have names that the model cannot"
            " give; they count as nuclei without a name."
        )
    keys = np.stack([pairs.true_volume, pairs.true], axis=1)[listed]
    n_repeated = len(keys) - len(np.unique(keys, axis=0))
    if n_repeated:
        notes.append(
            f"{pairs.animal}: the truth gives a name to two nuclei of a volume {n_repeated} times."
        )
    return notes
