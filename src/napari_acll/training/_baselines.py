"""What matching positions to an atlas gets right, on the same detections."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_acll.core import Detections
from napari_acll.label import Atlas, Pose, likeliest_poses, refine_affine
from napari_acll.training._volumes import RenderedVolume

Floats = NDArray[np.float64]


def match_to_atlas(found: Detections, rendered: RenderedVolume, atlas: Atlas) -> Detections:
    """Return the detections named by position alone.

    The likeliest posture, an affine fit, and one-to-one matching: all that can be had without
    knowing the animal.

    Parameters
    ----------
    found : Detections
        What was found, whatever it was named.
    rendered : RenderedVolume
        The volume; only its voxel size is used.
    atlas : Atlas
        Where neurons lie and how far they stray.
    """
    position_um = _positions_um(found, rendered)
    (pose,) = likeliest_poses(position_um, atlas, n_best=1)
    return _named(found, refine_affine(position_um, atlas, pose), position_um, atlas)


def _positions_um(found: Detections, rendered: RenderedVolume) -> Floats:
    voxel_um = np.asarray(rendered.volume.spec.voxel_size_um)
    position: Floats = found.centroid_px.astype(np.float64) * voxel_um
    return position


def _named(found: Detections, pose: Pose, position_um: Floats, atlas: Atlas) -> Detections:
    """Return the naming with the least sum of squared distances in SDs (Mahalanobis)."""
    difference = pose.apply(position_um)[:, None] - atlas.mean_um[None]
    cost = ((difference / atlas.sd_um) ** 2).sum(-1) + 2 * np.log(atlas.sd_um).sum(1)
    rows, columns = linear_sum_assignment(np.minimum(cost, 60.0))
    neuron = np.zeros(len(found), np.int32)
    neuron[rows] = columns + 1
    first = np.argsort(cost, axis=1)[:, : found.candidate_neuron.shape[1]] + 1
    return replace(
        found,
        neuron=neuron,
        probability=np.zeros(len(found), np.float32),
        candidate_neuron=first.astype(np.int32),
    )
