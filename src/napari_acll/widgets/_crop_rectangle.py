"""The crop as rectangles on the canvas, from above and from the side, and what lies below them."""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_acll.core import CropSettings, Volume, VoxelGrid
from napari_acll.widgets._canvas_view import CanvasView
from napari_acll.widgets._crop_geometry import (
    ABOVE,
    SIDE,
    corners_um,
    crop_of_both,
    side_shift_um,
)
from napari_acll.widgets._layers import contrast_of, image_placement

if TYPE_CHECKING:
    import napari.viewer

RECTANGLE_NAME, FRAME_NAME, SIDE_NAME = "crop", "full frame", "from the side"
_EDGE_SHARE = 0.008
"""Width of the edge, as a part of the frame's: thin, and seen on any monitor."""
_VIEWS = (ABOVE, SIDE)
_TITLES = ("rows, columns", "slices, columns")
_TITLE_SIZE = 10


class CropRectangle:
    """Two rectangles that the user drags, in a layer of their own; deleting the layer ends it.

    The one on the frame says which rows and columns are used. Below the frame lies the maximum
    projection of the volume along its rows, x to the right and z down; the rectangle on it says
    which slices.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Held weakly.
    on_change : callable
        Told the crop whenever a rectangle was moved; held weakly.
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
        self._side: Any = None
        self._view: CanvasView | None = None
        self._is_drawing = False

    @property
    def is_shown(self) -> bool:
        """Whether there is a rectangle to drag."""
        viewer = self._viewer()
        return viewer is not None and self._shapes is not None and self._shapes in viewer.layers

    def show(
        self,
        crop: CropSettings,
        grid: VoxelGrid,
        frame: Volume | None = None,
        *,
        newest: Volume | None = None,
    ) -> None:
        """Show the rectangles of a crop, over a frame where one is given.

        Parameters
        ----------
        crop : CropSettings
            Where the rectangles lie at first.
        grid : VoxelGrid
            Gives the size of the stored frame.
        frame : Volume, optional
            A volume as stored; None: what is in the viewer is enough.
        newest : Volume, optional
            What is in the viewer, of which only the view from the side is to be added.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        self.hide()
        self._view = CanvasView(viewer)
        self._grid, self._crop = grid, crop
        viewer.dims.ndisplay, viewer.dims.order = 2, tuple(range(viewer.dims.ndim))
        if frame is not None:
            self._frame = viewer.add_image(
                frame.marker,
                name=FRAME_NAME,
                contrast_limits=contrast_of(frame.marker),
                blending="additive",
                **image_placement(grid),
            )
        self.refresh(frame or newest)
        self._add_shapes(viewer, grid)
        viewer.reset_view()

    def refresh(self, volume: Volume | None) -> None:
        """Show a volume from the side, as far as it is going to be recorded.

        Parameters
        ----------
        volume : Volume, optional
            Of the recording that is being cropped; None: there is none yet.
        """
        viewer, grid = self._viewer(), self._grid
        if viewer is None or grid is None or volume is None:
            return
        picture = volume.marker.max(axis=1)
        if self._side is not None:
            if self._side in viewer.layers and self._side.data.shape == picture.shape:
                self._side.data = picture
            return
        active = viewer.layers.selection.active
        self._side = viewer.add_image(
            picture,
            name=SIDE_NAME,
            contrast_limits=contrast_of(picture[np.newaxis]),
            blending="additive",
            **_side_placement(volume.spec.grid, grid),
        )
        if self._shapes is not None and self._shapes in viewer.layers:
            viewer.layers.move(viewer.layers.index(self._side), viewer.layers.index(self._shapes))
            viewer.layers.selection.active = active

    def set_crop(self, crop: CropSettings) -> None:
        """Move the rectangles to a crop that was chosen otherwise."""
        before, self._crop = self._crop, crop
        if crop != before:
            self._draw()

    def hide(self) -> None:
        """Take rectangles and frame off the canvas, and look at the rest as before."""
        viewer = self._viewer()
        for layer in (self._shapes, self._side, self._frame):
            if viewer is not None and layer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)
        self._shapes = self._side = self._frame = None
        view, self._view = self._view, None
        if view is not None:
            view.restore()

    def _add_shapes(self, viewer: "napari.viewer.Viewer", grid: VoxelGrid) -> None:
        self._shapes = viewer.add_shapes(
            self._corners(grid),
            shape_type="rectangle",
            name=RECTANGLE_NAME,
            edge_color="yellow",
            face_color="transparent",
            edge_width=_EDGE_SHARE * grid.stored_shape[2] * grid.stored_voxel_size_um()[2],
            features={"title": _TITLES},
            text={
                "string": "{title}",
                "size": _TITLE_SIZE,
                "color": "yellow",
                "anchor": "upper_left",
            },
            units=("um", "um"),
            axis_labels=("y", "x"),
        )
        self._shapes.mode = "select"
        self._shapes.selected_data = {0}
        self._shapes.events.data.connect(self._moved)
        viewer.layers.selection.active = self._shapes

    def _corners(self, grid: VoxelGrid) -> list[NDArray[np.float64]]:
        return [corners_um(self._crop, grid, view) for view in _VIEWS]

    def _draw(self) -> None:
        """Draw both rectangles anew where they do not show the crop."""
        if not self.is_shown or self._grid is None:
            return
        corners, shown = self._corners(self._grid), self._shapes.data
        if len(shown) == len(corners) and all(
            before.shape == after.shape and np.allclose(before, after)
            for before, after in zip(shown, corners, strict=True)
        ):
            return
        selected = {number for number in self._shapes.selected_data if number < len(corners)}
        self._is_drawing = True
        self._shapes.data = corners
        self._shapes.features = {"title": _TITLES}
        self._shapes.selected_data = selected or {0}  # so that it can still be dragged
        self._is_drawing = False

    def _moved(self, event: Any = None) -> None:  # noqa: ARG002
        on_change = self._on_change()
        if self._is_drawing or not self.is_shown or self._grid is None or on_change is None:
            return
        # the drag has to end first; one that was deleted, or added, is put right, too
        QTimer.singleShot(0, self._draw)
        if len(self._shapes.data) != len(_VIEWS):
            return
        above, side = (points[:, -2:] for points in self._shapes.data)
        crop = crop_of_both(above, side, self._grid, self._crop)
        if crop != self._crop:
            self._crop = crop
            on_change(crop)


def _side_placement(shown: VoxelGrid, grid: VoxelGrid) -> dict[str, Any]:
    """Return scale and place of the projection of a volume: its z where the canvas has y."""
    placement = image_placement(shown)
    scale, first = placement["scale"], placement["translate"]
    return {
        "scale": (scale[0], scale[2]),
        "translate": (first[0] + side_shift_um(grid), first[2]),
        "units": ("um", "um"),
        "axis_labels": ("y", "x"),
    }
