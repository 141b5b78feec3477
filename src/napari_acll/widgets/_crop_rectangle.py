"""A rectangle on the canvas that is the crop, and the frame below it."""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import CropSettings, Volume, VoxelGrid
from napari_acll.widgets._layers import contrast_of, image_placement

if TYPE_CHECKING:
    import napari.viewer

RECTANGLE_NAME, FRAME_NAME = "crop", "full frame"
_EDGE_SHARE = 0.008
"""Width of the edge, as a part of the frame's: thin, and seen on any monitor."""


def corners_um(crop: CropSettings, grid: VoxelGrid) -> NDArray[np.float64]:
    """Return the corners of a crop, in um of the recording as stored.

    Parameters
    ----------
    crop : CropSettings
        In stored pixels.
    grid : VoxelGrid
        Gives the size of the stored frame and of its voxels.

    Returns
    -------
    ndarray of float64, shape (4, 2)
        `(y, x)`, around the outer edges of the pixels.
    """
    _, n_y, n_x = grid.stored_shape
    _, size_y, size_x = grid.stored_voxel_size_um()
    top, bottom = ((crop.y_start_px, crop.y_stop_px or n_y) - np.array(0.5)) * size_y
    left, right = ((crop.x_start_px, crop.x_stop_px or n_x) - np.array(0.5)) * size_x
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def crop_of_corners(
    points_um: NDArray[np.floating], grid: VoxelGrid, crop: CropSettings
) -> CropSettings:
    """Return the crop that a shape encloses, in whole stored pixels within the frame.

    Parameters
    ----------
    points_um : ndarray of float, shape (n, 2)
        `(y, x)` of its corners, in um; a rotated rectangle becomes the one around it.
    grid : VoxelGrid
        As for `corners_um`.
    crop : CropSettings
        Gives the range of slices, which stays.
    """
    sizes = np.asarray(grid.stored_voxel_size_um()[1:])
    n = np.asarray(grid.stored_shape[1:])
    edges_px = np.asarray(points_um)[:, -2:] / sizes + 0.5
    start = np.clip(np.round(edges_px.min(axis=0)), 0, n - 1).astype(int)
    stop = np.clip(np.round(edges_px.max(axis=0)), start + 1, n).astype(int)
    stops = [None if last == size else int(last) for last, size in zip(stop, n, strict=True)]
    return crop.model_copy(
        update={
            "y_start_px": int(start[0]),
            "y_stop_px": stops[0],
            "x_start_px": int(start[1]),
            "x_stop_px": stops[1],
        }
    )


class CropRectangle:
    """A rectangle that the user drags, in a layer of its own; deleting the layer ends it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Held weakly.
    on_change : callable
        Told the crop whenever the rectangle was moved; held weakly.
    """

    def __init__(
        self, viewer: "napari.viewer.Viewer", *, on_change: Callable[[CropSettings], None]
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._on_change = weakref.WeakMethod(on_change)
        self._grid: VoxelGrid | None = None
        self._crop = CropSettings()
        self._shapes: Any = None
        self._frame: Any = None
        self._is_drawing = False

    @property
    def is_shown(self) -> bool:
        """Whether there is a rectangle to drag."""
        viewer = self._viewer()
        return viewer is not None and self._shapes is not None and self._shapes in viewer.layers

    def show(self, crop: CropSettings, grid: VoxelGrid, frame: Volume | None = None) -> None:
        """Show the rectangle of a crop, over a frame where one is given.

        Parameters
        ----------
        crop : CropSettings
            Where the rectangle lies at first.
        grid : VoxelGrid
            Gives the size of the stored frame.
        frame : Volume, optional
            A volume as stored; None: what is in the viewer is enough.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        self.hide()
        self._grid, self._crop = grid, crop
        if frame is not None:
            self._frame = viewer.add_image(
                frame.marker,
                name=FRAME_NAME,
                contrast_limits=contrast_of(frame.marker),
                blending="additive",
                **image_placement(grid),
            )
        self._shapes = viewer.add_shapes(
            [corners_um(crop, grid)],
            shape_type="rectangle",
            name=RECTANGLE_NAME,
            edge_color="yellow",
            face_color="transparent",
            edge_width=_EDGE_SHARE * grid.stored_shape[2] * grid.stored_voxel_size_um()[2],
            units=("um", "um"),
            axis_labels=("y", "x"),
        )
        self._shapes.mode = "select"
        self._shapes.selected_data = {0}
        self._shapes.events.data.connect(self._moved)
        viewer.layers.selection.active = self._shapes

    def set_crop(self, crop: CropSettings) -> None:
        """Move the rectangle to a crop that was chosen otherwise."""
        before, self._crop = self._crop, crop
        if not self.is_shown or self._grid is None:
            return
        corners = corners_um(crop, self._grid)
        if np.array_equal(corners, corners_um(before, self._grid)):
            return
        self._is_drawing = True
        self._shapes.data = [corners]
        self._shapes.selected_data = {0}  # so that it can still be dragged
        self._is_drawing = False

    def hide(self) -> None:
        """Take rectangle and frame off the canvas."""
        viewer = self._viewer()
        for layer in (self._shapes, self._frame):
            if viewer is not None and layer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)
        self._shapes = self._frame = None

    def _moved(self, event: Any = None) -> None:  # noqa: ARG002
        on_change = self._on_change()
        if self._is_drawing or not self.is_shown or self._grid is None or on_change is None:
            return
        if not len(self._shapes.data):
            return
        crop = crop_of_corners(self._shapes.data[-1], self._grid, self._crop)
        if crop != self._crop:
            self._crop = crop
            on_change(crop)
