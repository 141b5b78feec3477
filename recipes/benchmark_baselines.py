"""What position alone can do, on the same detections."""

from dataclasses import replace

import numpy as np
from benchmark_animals import LISTED
from benchmark_volumes import BenchmarkVolume
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from napari_acll.core import N_CANDIDATES, Detections, NeuronTable
from napari_acll.label import Atlas
from napari_acll.training import match_nuclei, match_to_atlas

Floats = NDArray[np.float64]

BASELINES = ("atlas", "oracle", "oracle, told what is listed")
_MATCH_UM = 3.0
_LEAST_PAIRS = 6
_FARTHEST_COST = 60.0


def baselines(
    found: Detections, volume: BenchmarkVolume, atlas: Atlas, neurons: NeuronTable
) -> dict[str, Detections]:
    """Return the detections as named by each of `BASELINES`; nothing where nothing was found."""
    if not len(found):
        return dict.fromkeys(BASELINES, found)
    told = told_names(found, volume, neurons)
    everything = np.ones(len(found), bool)
    return {
        "atlas": match_to_atlas(found, volume.rendered, atlas),
        "oracle": name_with_oracle(found, volume, atlas, told, everything),
        "oracle, told what is listed": name_with_oracle(found, volume, atlas, told, told > 0),
    }


def told_names(
    found: Detections, volume: BenchmarkVolume, neurons: NeuronTable
) -> NDArray[np.int64]:
    """Return the class number of each detection that is a listed nucleus, 0 for all others."""
    rendered = volume.rendered
    voxel_um = np.asarray(rendered.volume.spec.voxel_size_um)
    true = np.where(volume.kind == LISTED, rendered.truth.class_numbers(neurons), 0)
    matched = match_nuclei(
        found.centroid_px * voxel_um,
        rendered.truth.centroid_px * voxel_um,
        max_distance_um=_MATCH_UM,
    )
    return np.where(matched >= 0, true[np.maximum(matched, 0)], 0)


def name_with_oracle(
    found: Detections,
    volume: BenchmarkVolume,
    atlas: Atlas,
    told: NDArray[np.int64],
    competes: NDArray[np.bool_],
) -> Detections:
    """Return the names that the true affine map to the atlas gives.

    The map is fitted to all listed nuclei that were found, told their names. Names go one to one,
    with the least sum of squared distances in standard deviations (Mahalanobis); the probability
    is that of the neuron given the place of the detection, all neurons being as likely.

    Parameters
    ----------
    found : Detections
        What was found.
    volume : BenchmarkVolume
        Where.
    atlas : Atlas
        Where neurons lie and how far they stray.
    told : ndarray of int64, shape (n,)
        Class number of each detection for the fit, 0 where it is not told.
    competes : ndarray of bool, shape (n,)
        Which detections may get a name.
    """
    known = told > 0
    if known.sum() < _LEAST_PAIRS:
        return match_to_atlas(found, volume.rendered, atlas)
    place_um = found.centroid_px * np.asarray(volume.rendered.volume.spec.voxel_size_um)
    padded = np.c_[place_um, np.ones(len(place_um))]
    affine = np.linalg.lstsq(padded[known], atlas.mean_um[told[known] - 1], rcond=None)[0]
    return _named(found, padded @ affine, atlas, competes)


def _named(
    found: Detections, place_um: Floats, atlas: Atlas, competes: NDArray[np.bool_]
) -> Detections:
    difference = (place_um[:, None] - atlas.mean_um[None]) / atlas.sd_um
    cost = (difference**2).sum(-1) + 2 * np.log(atlas.sd_um).sum(1)
    chance = softmax(-cost / 2, axis=1)
    rows, columns = linear_sum_assignment(np.minimum(cost[competes], _FARTHEST_COST))
    rows = np.flatnonzero(competes)[rows]
    neuron = np.zeros(len(found), np.int32)
    neuron[rows] = columns + 1
    probability = np.zeros(len(found), np.float32)
    probability[rows] = chance[rows, columns]
    first = np.argsort(cost, axis=1)[:, :N_CANDIDATES]
    return replace(
        found,
        neuron=neuron,
        probability=probability,
        candidate_neuron=(first + 1).astype(np.int32),
        candidate_probability=np.take_along_axis(chance, first, axis=1).astype(np.float32),
    )
