"""Nuclei of new animals as a detector would report them, for the network that names them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from napari_acll.label import Atlas, NucleusTable, fit_pose
from napari_acll.simulate import PointSample

Floats = NDArray[np.float64]

IGNORED = -1
"""Class of rows that teach nothing: nobody knows what they are, or they only fill up a batch."""
_DETECTION_RANGE_UM = 1.6
"""Two nuclei nearer than this are seen as one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedNuclei:
    """Detections of one volume and what they really are.

    Parameters
    ----------
    nuclei : NucleusTable
        As the detector reports them.
    neuron : ndarray of int64, shape (n,)
        Class number, 0 for none of the model's neurons, `IGNORED` where nobody knows.
    is_listed : ndarray of bool, shape (n,), optional
        Whether an annotator would have named it; None where that does not matter.
    """

    nuclei: NucleusTable
    neuron: NDArray[np.int64]
    is_listed: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorErrors:
    """What a detector does to the nuclei of one volume.

    Parameters
    ----------
    recall : float
        Part of the nuclei that are found, dim and crowded ones less often.
    clutter : float
        False detections per nucleus.
    jitter_um : float
        SD of the centers per axis.
    """

    recall: float
    clutter: float
    jitter_um: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "DetectorErrors":
        """Return errors between those of a good and of a mediocre detector."""
        return cls(
            recall=float(rng.uniform(0.85, 0.99)),
            clutter=float(rng.uniform(0.0, 0.15)),
            jitter_um=float(rng.uniform(0.1, 0.5)),
        )


def detect_points(
    points: PointSample, errors: DetectorErrors, rng: np.random.Generator
) -> NamedNuclei:
    """Return what a detector with these errors would find."""
    found = _found(points, errors, rng)
    n_clutter = rng.poisson(errors.clutter * len(found))
    around = points.position_um[rng.integers(0, len(points.neuron), n_clutter)]
    position = np.concatenate([points.position_um[found], around + rng.normal(0, 5, around.shape)])
    n = len(position)
    jitter = errors.jitter_um * rng.gamma(2.0, 0.5, (n, 1)) * [1.5, 0.8, 0.8]
    light = np.r_[points.brightness[found], np.exp(rng.normal(-0.8, 0.6, n_clutter))]
    radius = np.r_[points.radius_um[found], rng.uniform(0.8, 1.6, n_clutter)]
    height = np.r_[rng.beta(6, 2, found.size), rng.beta(2, 3, n_clutter)]
    return NamedNuclei(
        nuclei=NucleusTable(
            position_um=position + jitter * rng.standard_normal((n, 3)),
            brightness=light * np.exp(rng.normal(0, 0.2, n)),
            radius_um=radius * np.exp(rng.normal(0, 0.12, n)) * np.exp(rng.normal(0, 0.1)),
            height=np.clip(height * np.sqrt(np.clip(light, 0.3, 1.0)), 0.0, 1.0),
        ),
        neuron=np.r_[points.true_neuron[found] + 1, np.zeros(n_clutter, np.int64)],
    )


def _found(
    points: PointSample, errors: DetectorErrors, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the rows that are found: dim nuclei and the dimmer of two that touch are missed."""
    odds = np.log(errors.recall / (1 - errors.recall)) + 1.2 * np.log(points.brightness) + 0.5
    is_found = rng.random(len(odds)) < 1 / (1 + np.exp(-odds))
    for first, second in cKDTree(points.position_um).query_pairs(_DETECTION_RANGE_UM):
        dimmer = first if points.brightness[first] < points.brightness[second] else second
        is_found[dimmer] &= rng.random() < 0.4
    return np.flatnonzero(is_found)


def training_places(
    sample: NamedNuclei, atlas: Atlas, rng: np.random.Generator, *, is_fine: bool
) -> Floats:
    """Return the nuclei in the frame of the atlas, as wrongly as the labeler would place them.

    Parameters
    ----------
    sample : NamedNuclei
        Detections.
    atlas : Atlas
        Where neurons lie.
    is_fine : bool
        With the affine map from many neurons that are mostly named right, instead of the rigid
        one from matching points alone.
    """
    is_named = sample.neuron > 0
    position = sample.nuclei.position_um
    source, target = position[is_named], atlas.mean_um[sample.neuron[is_named] - 1]
    pose = fit_pose(source, target, is_affine=False)
    if is_fine:
        chosen = rng.random(len(source)) < rng.uniform(0.2, 0.9)
        if chosen.sum() >= 8:
            pose = fit_pose(source[chosen], target[chosen], is_affine=True)
    return _disturbed(pose.apply(position), rng, share=0.4 if is_fine else 1.0)


def _disturbed(placed: Floats, rng: np.random.Generator, *, share: float) -> Floats:
    """Turn and shift as the search for the posture errs.

    Where nameless nuclei fill up a part of a head, it errs along the body by up to 16 um.
    """
    turn = _small_turn(share * np.array([10.0, 4.0, 4.0]), rng)
    far = rng.choice([1.0, 4.0], p=[0.6, 0.4]) * rng.gamma(2.0, 0.5)
    center = placed.mean(0)
    moved: Floats = (placed - center) @ turn + center
    return moved + rng.normal(0, share * np.array([0.8, 1.2, 2.0 * far]))


def _small_turn(sd_deg: Floats, rng: np.random.Generator) -> Floats:
    """Return a rotation by random angles about x, y and z."""
    about_x, about_y, about_z = np.deg2rad(rng.normal(0, sd_deg))
    generator = np.array(
        [[0, about_x, about_y], [-about_x, 0, about_z], [-about_y, -about_z, 0.0]]
    )
    u, _, vt = np.linalg.svd(np.eye(3) + generator)
    turn: Floats = u @ vt
    return turn


@dataclass(frozen=True, slots=True, eq=False)
class PointBatch:
    """Samples side by side, filled up to the longest.

    Parameters
    ----------
    position_um : Tensor of float32, shape (B, n, 3)
        In the frame of the atlas.
    features : Tensor of float32, shape (B, n, f)
        See `nucleus_features`.
    neuron : Tensor of int64, shape (B, n)
        Class numbers, `IGNORED` where nobody knows or a row only fills up.
    is_nucleus : Tensor of bool, shape (B, n)
        False where a row only fills up.
    """

    position_um: Tensor
    features: Tensor
    neuron: Tensor
    is_nucleus: Tensor

    @classmethod
    def of(
        cls, samples: list[NamedNuclei], atlas: Atlas, rng: np.random.Generator
    ) -> "PointBatch":
        """Return the batch of these samples, half of them placed finely."""
        n = max(len(sample.neuron) for sample in samples)
        places = np.zeros((len(samples), n, 3), np.float32)
        features: list[NDArray[np.float32]] = []
        neuron = np.full((len(samples), n), IGNORED, np.int64)
        for row, sample in enumerate(samples):
            is_fine = bool(rng.random() < 0.5)
            size = len(sample.neuron)
            places[row, :size] = training_places(sample, atlas, rng, is_fine=is_fine)
            look = sample.nuclei.features(is_fine=is_fine)
            features.append(np.pad(look, ((0, n - size), (0, 0))))
            neuron[row, :size] = sample.neuron
        sizes = np.array([len(sample.neuron) for sample in samples])
        return cls(
            torch.from_numpy(places),
            torch.from_numpy(np.stack(features)),
            torch.from_numpy(neuron),
            torch.from_numpy(np.arange(n) < sizes[:, None]),
        )
