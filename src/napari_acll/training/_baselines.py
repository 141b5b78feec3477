"""What matching positions to an atlas gets right, on the same detections."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_acll.label import Atlas, Pose, fit_pose, likeliest_poses, refine_affine
from napari_acll.training._point_batches import NamedNuclei

Floats = NDArray[np.float64]


def match_to_atlas(position_um: Floats, atlas: Atlas) -> NDArray[np.int64]:
    """Return class numbers by position alone: best posture, affine fit, one-to-one matching.

    Parameters
    ----------
    position_um : ndarray of float64, shape (n, 3)
        Nuclei as they lie in the volume.
    atlas : Atlas
        Where neurons lie and how far they stray.
    """
    (pose,) = likeliest_poses(position_um, atlas, n_best=1)
    return _nearest_names(refine_affine(position_um, atlas, pose).apply(position_um), atlas)


def match_with_oracle(sample: NamedNuclei, atlas: Atlas) -> NDArray[np.int64]:
    """Return class numbers by position, the affine map being fitted to the true names."""
    pose = true_pose(sample, atlas)
    return _nearest_names(pose.apply(sample.nuclei.position_um), atlas)


def true_pose(sample: NamedNuclei, atlas: Atlas) -> Pose:
    """Return the affine map to the atlas that the true names give."""
    is_named = sample.neuron > 0
    target = atlas.mean_um[sample.neuron[is_named] - 1]
    return fit_pose(sample.nuclei.position_um[is_named], target, is_affine=True)


def _nearest_names(placed_um: Floats, atlas: Atlas) -> NDArray[np.int64]:
    """Return the naming with the least sum of squared distances in SDs (Mahalanobis)."""
    difference = placed_um[:, None] - atlas.mean_um[None]
    cost = ((difference / atlas.sd_um) ** 2).sum(-1) + 2 * np.log(atlas.sd_um).sum(1)
    rows, columns = linear_sum_assignment(np.minimum(cost, 60.0))
    neuron = np.zeros(len(placed_um), np.int64)
    neuron[rows] = columns + 1
    return neuron
