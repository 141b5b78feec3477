"""Both channels in the fields of a checkerboard, as one picture in color."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_acll.core import ChannelAlignment, VoxelGrid

FIELD_UM = 12.0
"""Side of a field: about four nuclei, so that there are many edges and each can be followed."""
_GAMMA = 0.7


def checkerboard(
    marker: NDArray[np.floating],
    activity: NDArray[np.floating],
    alignment: ChannelAlignment,
    grid: VoxelGrid,
) -> NDArray[np.uint8]:
    """Return a picture whose fields show marker (magenta) and activity (green) in turns.

    Parameters
    ----------
    marker, activity : ndarray of float, shape (Y, X)
        Projections of both channels; the activity is taken through the alignment.
    alignment : ChannelAlignment
        Where the activity channel lies.
    grid : VoxelGrid
        The grid of both.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
    """
    place_px = np.indices(marker.shape, dtype=np.float64)
    y, x = place_px[0], place_px[1]
    at = np.stack(alignment.to_activity_px(y, x, grid=grid))
    laid_over = ndimage.map_coordinates(activity, at, order=1, mode="nearest")
    _, size_y, size_x = grid.voxel_size_um
    is_activity = ((y * size_y // FIELD_UM + x * size_x // FIELD_UM) % 2).astype(bool)
    picture = np.zeros((*marker.shape, 3), np.uint8)
    picture[..., 1] = np.where(is_activity, _brightness(laid_over), 0)
    picture[..., 0] = picture[..., 2] = np.where(is_activity, 0, _brightness(marker))
    return picture


def _brightness(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    low, high = np.percentile(image, [50.0, 99.7])
    share = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1)
    return np.asarray(255 * share**_GAMMA, np.uint8)
