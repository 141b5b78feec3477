"""End to end: what a labeler gets right on volumes of which everything is known."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Detections, Labeler, NeuronTable
from napari_acll.training._calibration import calibration_error
from napari_acll.training._matching import match_nuclei
from napari_acll.training._volumes import RenderedVolume

CONFIDENT = 0.75
MATCH_UM = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeScore:
    """Counts of one volume; "listed" are the nuclei that an annotator would have named.

    Parameters
    ----------
    n_true, n_found, n_matched : int
        Nuclei, detections, and detections that are nuclei.
    n_listed : int
        Nuclei with a name that the model knows.
    n_right, n_right_in_3 : int
        Of these, given the right name, or with it among the first three names. A missed nucleus
        is not right.
    n_confident, n_confident_right : int
        Of these, given a name at a probability of at least 0.75, and the right one.
    n_unlisted, n_unlisted_confident : int
        Detections of anything else, and those given a name at 0.75.
    n_unlisted_wrong : int
        Of those, not even the name that the simulation knows.
    probability, is_right : tuple
        Of every detection that was given a name, listed or not; right is the name that the
        simulation knows.
    """

    n_true: int
    n_found: int
    n_matched: int
    n_listed: int
    n_right: int
    n_right_in_3: int
    n_confident: int
    n_confident_right: int
    n_unlisted: int
    n_unlisted_confident: int
    n_unlisted_wrong: int
    probability: tuple[float, ...]
    is_right: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores over volumes; shares are 0 to 1.

    Parameters
    ----------
    n_volumes : int
        Volumes, each of another animal.
    detection_f1 : float
        At 3 um.
    right : float
        Listed nuclei that got their name, end to end.
    right_in_3 : float
        Listed nuclei whose name is among the first three.
    right_if_confident, share_confident : float
        Of names given at 0.75 or more how many are right, and to how many listed nuclei they go.
    unlisted_confident, unlisted_wrong : float
        Detections of anything else that got a name at 0.75 or more, and a name that is not even
        the one that the simulation knows.
    least_right, least_right_if_confident : float
        Of the worst animal.
    calibration_error : float
        Expected calibration error of all names that were given.
    """

    n_volumes: int
    detection_f1: float
    right: float
    right_in_3: float
    right_if_confident: float
    share_confident: float
    unlisted_confident: float
    unlisted_wrong: float
    least_right: float
    least_right_if_confident: float
    calibration_error: float

    def as_dict(self) -> dict[str, float]:
        """Return the scores rounded to what they are worth."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def evaluate(labeler: Labeler, volumes: Iterable[RenderedVolume]) -> Scores:
    """Return the scores of a labeler, end to end."""
    return summarize([score_volume(labeler, rendered) for rendered in volumes])


def score_volume(labeler: Labeler, rendered: RenderedVolume) -> VolumeScore:
    """Return the counts of one volume."""
    (labeled,) = labeler.label([rendered.volume])
    return score_detections(labeled.detections, rendered, labeler.neurons)


def score_detections(
    found: Detections, rendered: RenderedVolume, neurons: NeuronTable
) -> VolumeScore:
    """Return the counts of the detections of one volume."""
    truth, spec = rendered.truth, rendered.volume.spec
    voxel = np.asarray(spec.voxel_size_um)
    is_inside = truth.is_inside(spec.shape)
    matched = match_nuclei(
        found.centroid_px * voxel, truth.centroid_px * voxel, max_distance_um=MATCH_UM
    )
    classes = truth.class_numbers(neurons)
    is_listed = truth.is_listed & (classes > 0) & is_inside
    is_nucleus = matched >= 0
    true_class = np.where(is_nucleus, classes[matched], 0)
    is_target = is_nucleus & is_listed[matched]
    is_right = is_target & (found.neuron == true_class)
    is_confident = (found.neuron > 0) & (found.probability >= CONFIDENT)
    is_named = found.neuron > 0
    return VolumeScore(
        n_true=int(is_inside.sum()),
        n_found=len(found),
        n_matched=int(is_nucleus.sum()),
        n_listed=int(is_listed.sum()),
        n_right=int(is_right.sum()),
        n_right_in_3=int((is_target & _is_among_first(found, true_class, 3)).sum()),
        n_confident=int((is_target & is_confident).sum()),
        n_confident_right=int((is_right & is_confident).sum()),
        n_unlisted=int((~is_target).sum()),
        n_unlisted_confident=int((~is_target & is_confident).sum()),
        n_unlisted_wrong=int((~is_target & is_confident & (found.neuron != true_class)).sum()),
        probability=tuple(found.probability[is_named].tolist()),
        is_right=tuple((found.neuron == true_class)[is_named].tolist()),
    )


def _is_among_first(
    found: Detections, true_class: NDArray[np.integer], n: int
) -> NDArray[np.bool_]:
    """Whether the true name is among the first `n` names; "none of these" is no name."""
    among = np.zeros(len(found), bool)
    rank = np.zeros(len(found), int)
    for column in found.candidate_neuron.T:
        is_name = column > 0
        among |= is_name & (rank < n) & (column == true_class)
        rank += is_name
    return among


def summarize(scores: Sequence[VolumeScore]) -> Scores:
    """Return the scores over volumes."""

    def total(field: str) -> float:
        return float(sum(getattr(score, field) for score in scores))

    def share(part: str, whole: str) -> float:
        return total(part) / max(total(whole), 1.0)

    probability = np.concatenate([score.probability for score in scores])
    is_right = np.concatenate([score.is_right for score in scores]).astype(bool)
    sure = [score for score in scores if score.n_confident]
    return Scores(
        n_volumes=len(scores),
        detection_f1=2 * total("n_matched") / max(total("n_true") + total("n_found"), 1.0),
        right=share("n_right", "n_listed"),
        right_in_3=share("n_right_in_3", "n_listed"),
        right_if_confident=share("n_confident_right", "n_confident"),
        share_confident=share("n_confident", "n_listed"),
        unlisted_confident=share("n_unlisted_confident", "n_unlisted"),
        unlisted_wrong=share("n_unlisted_wrong", "n_unlisted"),
        least_right=min(score.n_right / max(score.n_listed, 1) for score in scores),
        least_right_if_confident=min(
            (score.n_confident_right / score.n_confident for score in sure), default=0.0
        ),
        calibration_error=calibration_error(probability, is_right),
    )
