"""What the default model says of a volume: evidence of names, and the labels that it supports."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import N_CANDIDATES, Detections, LabeledVolume, Volume
from napari_acll.label._calibration import Calibration
from napari_acll.label._point_finder import FoundNuclei
from napari_acll.label._point_image import PreparedVolume
from napari_acll.label._point_namer import Look, NucleusTable
from napari_acll.naming import assign_names, top_candidates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What is known about the names of one volume before any is given.

    Parameters
    ----------
    table : NucleusTable
        Its nuclei.
    look : Look
        What the network says of them; its probabilities are those before the last step of the
        calibration.
    neuron : ndarray of int32, shape (n,)
        The most probable one-to-one naming, class numbers; 0 for none.
    statistics : ndarray of float64
        How the volume looks, see `STATISTICS` of the novelty.
    """

    table: NucleusTable
    look: Look
    neuron: NDArray[np.int32]
    statistics: NDArray[np.float64]


def nucleus_table(found: FoundNuclei) -> NucleusTable:
    """Return what the naming needs to know about found nuclei."""
    return NucleusTable(
        position_um=found.position_um,
        brightness=found.brightness,
        radius_um=found.radius_um,
        height=found.height,
    )


def unlabeled(volume: Volume, why_not: str) -> LabeledVolume:
    """Return a volume in which nothing can be named.

    Parameters
    ----------
    volume : Volume
        As it came.
    why_not : str
        Why, in a sentence.
    """
    return LabeledVolume(
        index=volume.index,
        spec=volume.spec,
        instances=np.zeros(volume.spec.shape, np.uint16),
        detections=Detections.none(),
        is_labelable=False,
        why_not=why_not,
        novelty=1.0,
        why_novel="it cannot be labeled",
    )


def without_names(found: Detections) -> Detections:
    """Return the nuclei alone: a guess that looks like a name is worse than none.

    Parameters
    ----------
    found : Detections
        With names.
    """
    n = len(found)
    return replace(
        found,
        neuron=np.zeros(n, np.int32),
        probability=np.zeros(n, np.float32),
        candidate_neuron=np.full((n, N_CANDIDATES), -1, np.int32),
        candidate_probability=np.full((n, N_CANDIDATES), np.nan, np.float32),
    )


def labeled_volume(
    volume: Volume,
    prepared: PreparedVolume,
    found: FoundNuclei,
    evidence: Evidence,
    calibration: Calibration,
) -> LabeledVolume:
    """Return a volume with its nuclei and their names.

    Parameters
    ----------
    volume : Volume
        As it came.
    prepared : PreparedVolume
        On the grid of the model.
    found : FoundNuclei
        Its nuclei.
    evidence : Evidence
        Of their names.
    calibration : Calibration
        Its last step makes the probabilities that are shown.
    """
    instances, n_voxels, is_kept = _as_stored(prepared, found)
    chance, neuron = evidence.look.chance, evidence.neuron
    if not is_kept.all():
        chance = chance[is_kept]
        neuron, _ = assign_names(chance)
    shown = calibration.applied(chance, neuron)
    candidate_neuron, candidate_probability = top_candidates(shown)
    given = np.where(neuron > 0, shown[np.arange(len(neuron)), neuron], 0.0)
    return LabeledVolume(
        index=volume.index,
        spec=volume.spec,
        instances=instances,
        detections=Detections(
            centroid_px=prepared.to_stored_px(found.position_px[is_kept]),
            n_voxels=n_voxels,
            neuron=neuron,
            probability=given.astype(np.float32),
            candidate_neuron=candidate_neuron,
            candidate_probability=candidate_probability,
        ),
    )


def _as_stored(
    prepared: PreparedVolume, found: FoundNuclei
) -> tuple[NDArray[np.uint16], NDArray[np.int32], NDArray[np.bool_]]:
    """Return instances on the stored grid, their sizes and which nuclei they are.

    On voxels larger than those of the model a small nucleus may fall between them; it is left
    out.
    """
    instances = prepared.to_stored_labels(found.instances)
    n_voxels = found.n_voxels
    if instances is not found.instances:
        n_voxels = np.bincount(instances.ravel(), minlength=len(found) + 1)[1:].astype(np.int32)
    is_kept = n_voxels > 0
    if is_kept.all():
        return instances, n_voxels, is_kept
    new_number = np.zeros(len(found) + 1, np.uint16)
    new_number[1:][is_kept] = np.arange(1, is_kept.sum() + 1)
    return new_number[instances], n_voxels[is_kept], is_kept
