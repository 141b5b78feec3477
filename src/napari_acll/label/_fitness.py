"""Whether the image of a volume can show nuclei at all: sharp, and not saturated."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.label._point_image import PreparedVolume

LEAST_SHARPNESS = 0.08
"""Volumes of the usual rig have 0.29, of random ones 0.12 and more; blurred by 1.6 um in each
direction, when two names in five are still right, 0.06."""
_NEAR_PX, _FAR_PX = 1, 3
_LARGEST_SATURATED = 0.5
"""Of the brightest 700 um3, the part that may have the highest count of the volume."""
_BRIGHT_UM3 = 700.0


def sharpness(prepared: PreparedVolume) -> float:
    """Return how fast the image changes in plane, 0 (not at all) to 1.

    The part of the covariance of neighbors that is lost three voxels apart. Noise, which
    neighbors do not share, adds nothing.

    Parameters
    ----------
    prepared : PreparedVolume
        The volume on the grid of the model.
    """
    z, y, x = prepared.bright
    image = prepared.counts[z.start : z.stop : 2, y, x]
    if min(image.shape[1:]) <= _FAR_PX:
        return float("nan")
    image = image - image.mean()
    near = _covariance(image, 1, _NEAR_PX) + _covariance(image, 2, _NEAR_PX)
    far = _covariance(image, 1, _FAR_PX) + _covariance(image, 2, _FAR_PX)
    return 1.0 - far / near if near > 0 else 0.0


def _covariance(image: NDArray[np.float32], axis: int, lag: int) -> float:
    n = image.shape[axis]
    first = image[:, : n - lag] if axis == 1 else image[..., : n - lag]
    second = image[:, lag:] if axis == 1 else image[..., lag:]
    return float((first * second).mean())


def saturated_share(prepared: PreparedVolume) -> float:
    """Return the part of the brightest 700 um3 that has the highest count of the volume."""
    counts = prepared.counts
    n_bright = max(int(_BRIGHT_UM3 / float(np.prod(prepared.voxel_size_um))), 1)
    highest = float(counts.max())
    if highest <= 0:  # an empty volume, all of which is background
        return 0.0
    n_highest = int((counts >= highest).sum())
    return min(n_highest / n_bright, 1.0)


def unfit_image(prepared: PreparedVolume, sharp: float) -> str:
    """Return why no nucleus can be told in an image, empty if some can.

    Parameters
    ----------
    prepared : PreparedVolume
        The volume on the grid of the model.
    sharp : float
        Its sharpness.
    """
    if saturated_share(prepared) > _LARGEST_SATURATED:
        return (
            "The marker channel is saturated: most bright voxels have the highest count; use less"
            " light or exposure."
        )
    if prepared.is_flat:
        return "Nothing in the volume stands out of the noise."
    if sharp < LEAST_SHARPNESS:
        return "The marker channel is out of focus, or too dim to show nuclei."
    return ""
