"""A crop as two rectangles: one seen from above, and below it one seen from the side."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import CropSettings, VoxelGrid

ABOVE, SIDE = ("y", "x"), ("z", "x")
"""Axes of the rows and the columns of the two views."""
_AXES = "zyx"
_GAP = 0.04
"""Between the two views, as a part of the width of the frame."""


def side_shift_um(grid: VoxelGrid) -> float:
    """Return how far the view from the side is moved down, in um: below the full frame.

    Parameters
    ----------
    grid : VoxelGrid
        Gives the size of the stored frame and of its voxels.
    """
    _, n_y, n_x = grid.stored_shape
    size_z, size_y, size_x = grid.stored_voxel_size_um()
    return float((n_y - 0.5) * size_y + _GAP * n_x * size_x + 0.5 * size_z)


def corners_um(
    crop: CropSettings, grid: VoxelGrid, view: tuple[str, str] = ABOVE
) -> NDArray[np.float64]:
    """Return the corners of a crop in one of the views, in um of the recording as stored.

    Parameters
    ----------
    crop : CropSettings
        In stored pixels.
    grid : VoxelGrid
        Gives the size of the stored frame and of its voxels.
    view : tuple of str
        `ABOVE` or `SIDE`; from the side, z is moved down by `side_shift_um`.

    Returns
    -------
    ndarray of float64, shape (4, 2)
        Rows and columns of the view, around the outer edges of the voxels.
    """
    (top, bottom), (left, right) = (_edges_um(crop, grid, axis) for axis in view)
    corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
    corners[:, 0] += _shift_um(grid, view)
    return corners


def crop_of_corners(
    points_um: NDArray[np.floating],
    grid: VoxelGrid,
    crop: CropSettings,
    view: tuple[str, str] = ABOVE,
) -> CropSettings:
    """Return the crop that a shape encloses, in whole stored voxels within the frame.

    Parameters
    ----------
    points_um : ndarray of float, shape (n, 2)
        Its corners in a view, in um; a rotated rectangle becomes the one around it.
    grid : VoxelGrid
        As for `corners_um`.
    crop : CropSettings
        Gives the range along the axis that is looked along, which stays.
    view : tuple of str
        `ABOVE` or `SIDE`.
    """
    places_um = np.array(points_um, np.float64)[:, -2:]
    places_um[:, 0] -= _shift_um(grid, view)
    update: dict[str, int | None] = {}
    for axis, column_um in zip(view, places_um.T, strict=True):
        number = _AXES.index(axis)
        n = grid.stored_shape[number]
        edges_px = np.round(column_um / grid.stored_voxel_size_um()[number] + 0.5)
        start = int(np.clip(edges_px.min(), 0, n - 1))
        stop = int(np.clip(edges_px.max(), start + 1, n))
        update[f"{axis}_start_px"] = start
        update[f"{axis}_stop_px"] = None if stop == n else stop
    return crop.model_copy(update=update)


def crop_of_both(
    above_um: NDArray[np.floating],
    side_um: NDArray[np.floating],
    grid: VoxelGrid,
    crop: CropSettings,
) -> CropSettings:
    """Return the crop after one of its two rectangles was moved.

    Both have the columns; those of the rectangle that was moved count.

    Parameters
    ----------
    above_um, side_um : ndarray of float, shape (n, 2)
        Corners in the two views.
    grid : VoxelGrid
        As for `corners_um`.
    crop : CropSettings
        Before the move.
    """
    above = crop_of_corners(above_um, grid, crop, ABOVE)
    side = crop_of_corners(side_um, grid, crop, SIDE)
    columns = side if _range(above, "x") == _range(crop, "x") else above
    return crop.model_copy(
        update={**_range(side, "z"), **_range(above, "y"), **_range(columns, "x")}
    )


def _range(crop: CropSettings, axis: str) -> dict[str, int | None]:
    names = (f"{axis}_start_px", f"{axis}_stop_px")
    return {name: getattr(crop, name) for name in names}


def _edges_um(crop: CropSettings, grid: VoxelGrid, axis: str) -> tuple[float, float]:
    number = _AXES.index(axis)
    size_um = grid.stored_voxel_size_um()[number]
    start, stop = _range(crop, axis).values()
    first, last = start or 0, stop or grid.stored_shape[number]
    return (first - 0.5) * size_um, (last - 0.5) * size_um


def _shift_um(grid: VoxelGrid, view: tuple[str, str]) -> float:
    return side_shift_um(grid) if view == SIDE else 0.0
